/**
 * The sandbox of this machine: which of the drivers works here, and running a build request in it.
 *
 * Works on host directories only: inputs are directories and files of this machine, outputs are left in the scratch directory, all processes being dead.
 * Drivers are tried by really running `/bin/sh -c :` in them, once a process and only when something is to be built.
 */
import { execFileSync } from "node:child_process"
import { accessSync, constants, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { type BuildError, InvalidBuildRequest, SandboxFailed, SandboxUnavailable } from "./BuildError.ts"
import { type BuildRequest, requestProblem } from "./BuildRequest.ts"
import * as BuildUsers from "./BuildUsers.ts"
import { cgroupMountPoints } from "./MountFlags.ts"
import { advise } from "./SandboxAdvice.ts"
import { bindLimit, type Bubblewrap, launchBubblewrap } from "./SandboxBubblewrap.ts"
import type { DriverName, Launch, LaunchContext } from "./SandboxLaunch.ts"
import { type BuildIdentity, hostPath, insideGid, insideUid, layOut, type SandboxInput, type SandboxLayout } from "./SandboxLayout.ts"
import { run, type RunOptions } from "./SandboxProcess.ts"
import { launchOci, type OciRuntime } from "./SandboxOci.ts"
import { findShell, type SandboxShell } from "./SandboxShell.ts"
import { launchUtilLinux } from "./SandboxUtilLinux.ts"
import * as Scratch from "./ScratchDirectory.ts"
import type { Architecture } from "./SyscallProgram.ts"

export interface SandboxOptions {
  /** `auto` takes bubblewrap where it works, else util-linux. */
  readonly driver: DriverName | "auto"
  /** Program of the OCI runtime for driver `oci`: a path, or a name to look for. Default: runc, else crun. */
  readonly runtime?: string | undefined
  /** Directory for scratch directories; made when missing, with mode 0700. */
  readonly scratchRoot: string
  /** Program for /bin/sh. */
  readonly shell: string | undefined
  /** First user id for builders when we are root. */
  readonly firstBuildUser: number
  readonly leases: Scratch.ScratchLeases | undefined
  /** False: do without a user namespace for the builder, as root can. It then sees its ids of the host. Default: use one where the machine allows. */
  readonly userNamespaces?: boolean | undefined
}

/** What a finished build left, readable until its scope ends. */
export interface SandboxResult {
  /** Bytes of the host path of something inside. */
  readonly hostPath: (inside: ByteString) => ByteString
  /** Id that outputs must belong to. */
  readonly ownerUid: number
  readonly lastLines: ReadonlyArray<string>
}

export interface Sandbox {
  /** The driver that is used. */
  readonly driver: DriverName
  readonly run: (
    request: BuildRequest,
    inputs: ReadonlyArray<SandboxInput>,
    options: RunOptions
  ) => Effect.Effect<SandboxResult, BuildError, Scope.Scope>
}

const personalities: Record<string, number> = { "i686-linux": 0x0008, "armv7l-linux": 0x0008, "armv6l-linux": 0x0008 }
const noRandomAddresses = 0x0040000

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A program by its name or its path. */
const findProgram = (name: string): string | undefined =>
  name.startsWith("/")
    ? [name].find(isExecutable)
    : [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]
        .filter((directory) => directory.startsWith("/"))
        .map((directory) => join(directory, name))
        .find(isExecutable)

/** Which command line an OCI runtime has, by what it says of itself. */
const runtimeKind = (program: string): OciRuntime["kind"] => {
  try {
    const said = execFileSync(program, ["--version"], { encoding: "latin1", timeout: 10_000, stdio: ["ignore", "pipe", "ignore"] })
    return said.startsWith("crun") ? "crun" : "runc"
  } catch {
    // Then trying it tells why.
    return "runc"
  }
}

/** A way to run. */
interface Way {
  readonly driver: DriverName
  /** Whether the builder gets a user namespace. */
  readonly userNamespace: boolean
  /** Whether the builder gets a user id of its own, for which we must be root. */
  readonly changesUser: boolean
  readonly launch: (request: BuildRequest, layout: SandboxLayout, identity: BuildIdentity, context: LaunchContext) => Launch | string
}

const isRoot = (): boolean => process.getuid!() === 0

/** Whether all ids of the host are ours, as opposed to those that a user namespace (such as a rootless container) was given. */
const ownsAllIds = (): boolean => {
  try {
    return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "latin1"))
  } catch {
    return true
  }
}

/**
 * Whether to change the user, in the order to try. Root of a container may lack ids to change to; there builders may run as we do, since that is an ordinary user outside.
 * The real root never builds as itself: files of /proc would obey a builder with its id.
 */
const userChanges = (): ReadonlyArray<boolean> => (isRoot() ? (ownsAllIds() ? [true] : [true, false]) : [false])

const architecture = process.arch as Architecture

/** Whether we can write programs for this machine. */
const isKnownArchitecture = process.arch === "x64" || process.arch === "arm64"

const runIn = Effect.fnUntraced(function* (
  way: Way,
  options: SandboxOptions,
  shell: SandboxShell,
  request: BuildRequest,
  inputs: ReadonlyArray<SandboxInput>,
  runOptions: RunOptions
) {
  const uid = way.changesUser ? yield* BuildUsers.acquire(options.firstBuildUser) : undefined
  const identity: BuildIdentity = {
    host: uid === undefined ? undefined : { uid, gid: uid },
    uid: way.userNamespace ? insideUid : (uid ?? insideUid),
    gid: way.userNamespace ? insideGid : (uid ?? insideGid),
    userNamespace: way.userNamespace
  }
  const scratch = yield* Scratch.acquire(options.scratchRoot, options.leases)
  const setup = (step: string) => (cause: unknown) =>
    new SandboxFailed({ driver: way.driver, step, reason: cause instanceof Error ? cause.message : String(cause) })
  const layout = yield* Effect.try({
    try: () => layOut(scratch, request, inputs, request.constraints.provideBinSh ? shell : undefined, identity),
    catch: setup("laying out the build's files")
  })
  const personality = (personalities[request.constraints.system] ?? 0) | noRandomAddresses
  const launch = way.launch(request, layout, identity, { scratch, personality })
  if (typeof launch === "string") return yield* setup("starting")(launch)
  const builder = toUnicode(request.commandArgs[0] ?? "")
  const lastLines = yield* run(launch, architecture, builder, scratch, runOptions)
  const result: SandboxResult = {
    hostPath: (inside) => hostPath(layout.tree, layout.areas, inside),
    ownerUid: uid ?? process.getuid!(),
    lastLines
  }
  return result
})

/** A request that does nothing, to see whether it can be done. */
export const nothing: BuildRequest = {
  inputs: [],
  commandArgs: ["/bin/sh", "-c", ":"],
  workingDir: "build",
  scratchPaths: ["build", "nix/store"],
  inputsDir: "nix/store",
  outputs: [],
  environmentVars: [],
  constraints: { system: "", minMemory: 0, availableReadOnlyPaths: [], networkAccess: false, provideBinSh: true },
  additionalFiles: [],
  refscanNeedles: []
}

const works = (way: Way, options: SandboxOptions, shell: SandboxShell): Effect.Effect<string | undefined, BuildError> =>
  Effect.scoped(runIn(way, options, shell, nothing, [], { timeout: 20, maxSilent: 0, maxLog: 0, onLog: () => {} })).pipe(
    Effect.as(undefined),
    Effect.catchTags({
      SandboxFailed: (error) => Effect.succeed(`${error.step}: ${error.reason}`),
      BuilderFailed: (error) => Effect.succeed(error.message),
      BuilderNotExecutable: (error) => Effect.succeed(`/bin/sh of the sandbox cannot be executed: ${error.reason}`),
      BuildTimedOut: () => Effect.succeed("a sandbox that does nothing was not done within 20 seconds")
    })
  )

const unavailable = (attempts: ReadonlyArray<{ readonly driver: string; readonly reason: string }>, advice: ReadonlyArray<string>) =>
  new SandboxUnavailable({ attempts: [...attempts], advice: [...advice] })

/** Finds the driver that works here. Fails with `SandboxUnavailable`, which says what was tried and what can be done. */
export const detect = (options: SandboxOptions): Effect.Effect<Sandbox, BuildError> =>
  Effect.gen(function* () {
    if (process.platform !== "linux") {
      return yield* unavailable(
        [{ driver: "any", reason: `sandboxes are built on Linux only, this is ${process.platform}` }],
        ["use a remote builder that runs Linux"]
      )
    }
    if (!isKnownArchitecture) {
      return yield* unavailable(
        [{ driver: "any", reason: `no sandbox for processors of kind ${process.arch} yet` }],
        ["use a remote builder of kind x86_64 or aarch64"]
      )
    }
    const shell = findShell(options.shell)
    if (typeof shell === "string")
      return yield* unavailable([{ driver: "any", reason: shell }], ["install busybox (a static one), or set 'sandbox_shell'"])

    const unshare = findProgram("unshare")
    const attempts: Array<{ readonly driver: string; readonly reason: string }> = []
    const tryWay = Effect.fnUntraced(function* (way: Way) {
      const reason = yield* works(way, options, shell)
      const how = `${way.driver}${way.userNamespace ? "" : " without user namespaces"}${isRoot() && !way.changesUser ? " as ourselves" : ""}`
      if (reason !== undefined) attempts.push({ driver: how, reason })
      return reason === undefined
    })
    const sandboxBy = (way: Way): Sandbox => ({
      driver: way.driver,
      run: (request, inputs, runOptions) =>
        Effect.suspend(() => {
          const problem = requestProblem(request)
          return problem === undefined
            ? runIn(way, options, shell, request, inputs, runOptions)
            : Effect.fail(new InvalidBuildRequest({ problem }))
        })
    })
    const utilLinux = (changesUser: boolean, userNamespace: boolean): Way => ({
      driver: "util-linux",
      changesUser,
      userNamespace,
      launch: (request, layout, identity, context) => launchUtilLinux(unshare!, request, layout, identity, context)
    })
    const bubblewrapBy = (bubblewrap: Bubblewrap, changesUser: boolean): Way => ({
      driver: "bubblewrap",
      changesUser,
      userNamespace: true,
      launch: (request, layout, identity, context) => launchBubblewrap(bubblewrap, request, layout, identity, context)
    })

    if (options.driver === "oci") {
      const runtime = options.runtime === undefined ? (findProgram("runc") ?? findProgram("crun")) : findProgram(options.runtime)
      const missing = [...(runtime === undefined ? (["runc"] as const) : []), ...(unshare === undefined ? (["unshare"] as const) : [])]
      if (runtime === undefined) {
        const reason = options.runtime === undefined ? "neither 'runc' nor 'crun' is installed" : `there is no program '${options.runtime}'`
        attempts.push({ driver: "oci", reason })
      }
      if (unshare === undefined) attempts.push({ driver: "oci", reason: "'unshare' is not installed" })
      if (runtime !== undefined && unshare !== undefined) {
        const kind = runtimeKind(runtime)
        const oci = (changesUser: boolean, userNamespace: boolean): Way => ({
          driver: "oci",
          changesUser,
          userNamespace,
          launch: (request, layout, identity, context) => launchOci({ program: runtime, kind, unshare }, request, layout, identity, context)
        })
        for (const changesUser of userChanges()) {
          const withNamespace = options.userNamespaces !== false
          if (withNamespace && (yield* tryWay(oci(changesUser, true)))) return sandboxBy(oci(changesUser, true))
          if (changesUser && (yield* tryWay(oci(true, false)))) return sandboxBy(oci(true, false))
        }
      }
      const lacks = cgroupMountPoints().length === 0 ? [...missing, "cgroups" as const] : missing
      return yield* unavailable(attempts, advise(lacks, options.scratchRoot))
    }

    const bwrap = findProgram("bwrap")
    if (bwrap === undefined && options.driver !== "util-linux") attempts.push({ driver: "bubblewrap", reason: "'bwrap' is not installed" })
    if (unshare === undefined && options.driver !== "bubblewrap")
      attempts.push({ driver: "util-linux", reason: "'unshare' is not installed" })
    const tryBubblewrap = bwrap !== undefined && options.driver !== "util-linux" && options.userNamespaces !== false
    const tryUtilLinux = unshare !== undefined && options.driver !== "bubblewrap"

    for (const changesUser of userChanges()) {
      if (tryBubblewrap) {
        const bubblewrap: Bubblewrap = { program: bwrap, unshare }
        if (yield* tryWay(bubblewrapBy(bubblewrap, changesUser))) {
          if (changesUser || unshare === undefined) return sandboxBy(bubblewrapBy(bubblewrap, changesUser))
          // With many inputs mounting beforehand is faster, and needs an unshare that works; without it bwrap does all of it.
          const alone = sandboxBy(bubblewrapBy({ ...bubblewrap, unshare: undefined }, changesUser))
          const mounting = sandboxBy(bubblewrapBy(bubblewrap, changesUser))
          let canMount: boolean | undefined
          return {
            driver: alone.driver,
            run: Effect.fnUntraced(function* (request, inputs, runOptions) {
              if (inputs.length > bindLimit) canMount ??= (yield* works(utilLinux(changesUser, true), options, shell)) === undefined
              return yield* (canMount === true ? mounting : alone).run(request, inputs, runOptions)
            })
          }
        }
      }
      if (tryUtilLinux) {
        const withNamespace = options.userNamespaces !== false
        if (withNamespace && (yield* tryWay(utilLinux(changesUser, true)))) return sandboxBy(utilLinux(changesUser, true))
        if (changesUser && (yield* tryWay(utilLinux(true, false)))) return sandboxBy(utilLinux(true, false))
      }
    }
    const missing = [...(bwrap === undefined ? (["bwrap"] as const) : []), ...(unshare === undefined ? (["unshare"] as const) : [])]
    return yield* unavailable(attempts, advise(missing, options.scratchRoot))
  })
