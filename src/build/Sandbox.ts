/**
 * The sandbox of this machine: which of the drivers works here, and running a build request in it.
 *
 * Works on host directories only: inputs are directories and files of this machine, outputs are left in the scratch directory, all processes being dead.
 * Drivers are tried by really running `/bin/sh -c :` in them, once a process and only when something is to be built.
 */
import { execFile } from "node:child_process"
import { accessSync, constants, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { type BuildError, InvalidBuildRequest, SandboxFailed, SandboxUnavailable } from "./BuildError.ts"
import { type BuildRequest, requestProblem } from "./BuildRequest.ts"
import * as BuildUsers from "./BuildUsers.ts"
import { type Bubblewrap, launchBubblewrap } from "./SandboxBubblewrap.ts"
import type { DriverName, Launch, LaunchContext } from "./SandboxLaunch.ts"
import { type BuildIdentity, hostPath, insideGid, insideUid, layOut, type SandboxInput, type SandboxLayout } from "./SandboxLayout.ts"
import { run, type RunOptions } from "./SandboxProcess.ts"
import { findShell, type SandboxShell } from "./SandboxShell.ts"
import { launchUtilLinux } from "./SandboxUtilLinux.ts"
import * as Scratch from "./ScratchDirectory.ts"
import type { Architecture } from "./SyscallProgram.ts"

export interface SandboxOptions {
  /** `auto` takes bubblewrap where it works, else util-linux. */
  readonly driver: DriverName | "auto"
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

const findProgram = (name: string): string | undefined =>
  [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    .filter((directory) => directory.startsWith("/"))
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

const output = (program: string, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    execFile(program, args, { timeout: 10_000 }, (_, stdout, stderr) => resume(Effect.succeed(`${stdout}${stderr}`)))
  })

/** A way to run: a driver, with or without a user namespace for the builder. */
interface Way {
  readonly driver: DriverName
  readonly userNamespace: boolean
  readonly launch: (request: BuildRequest, layout: SandboxLayout, identity: BuildIdentity, context: LaunchContext) => Launch | string
}

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
  const isRoot = process.getuid!() === 0
  const uid = isRoot ? yield* BuildUsers.acquire(options.firstBuildUser) : undefined
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
const nothing: BuildRequest = {
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

const sysctl = (name: string): string | undefined => {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll(".", "/")}`, "latin1").trim()
  } catch {
    return undefined
  }
}

/** What a user can do about it, from what the machine says of itself. */
const advise = (programs: { readonly bwrap: string | undefined; readonly unshare: string | undefined }): ReadonlyArray<string> => {
  const advice: Array<string> = []
  const isRoot = process.getuid!() === 0
  if (sysctl("kernel.unprivileged_userns_clone") === "0" && !isRoot) {
    advice.push(
      "user namespaces are off for ordinary users: as root, sysctl -w kernel.unprivileged_userns_clone=1 (and write it to /etc/sysctl.d)"
    )
  }
  if (sysctl("user.max_user_namespaces") === "0") {
    advice.push(
      "the number of user namespaces is limited to 0: as root, sysctl -w user.max_user_namespaces=15000 (and write it to /etc/sysctl.d)"
    )
  }
  if (sysctl("kernel.apparmor_restrict_unprivileged_userns") === "1" && !isRoot) {
    advice.push(
      "AppArmor restricts user namespaces: as root, sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give bwrap a profile that allows 'userns'"
    )
  }
  if (programs.bwrap === undefined)
    advice.push("install bubblewrap: apt-get install bubblewrap, dnf install bubblewrap, apk add bubblewrap …")
  if (programs.unshare === undefined) advice.push("install util-linux, which has the program 'unshare'")
  advice.push(
    "in a container, allow user namespaces and mounts (Docker: --security-opt seccomp=unconfined --security-opt systempaths=unconfined)"
  )
  if (!isRoot) advice.push("or build as root, or on a remote builder")
  return advice
}

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
    const bwrap = findProgram("bwrap")
    const isRoot = process.getuid!() === 0
    const utilLinux = (userNamespace: boolean): Way => ({
      driver: "util-linux",
      userNamespace,
      launch: (request, layout, identity, context) => launchUtilLinux(unshare!, request, layout, identity, context)
    })
    const attempts: Array<{ readonly driver: string; readonly reason: string }> = []
    const found = (way: Way): Sandbox => ({
      driver: way.driver,
      run: (request, inputs, runOptions) =>
        Effect.suspend(() => {
          const problem = requestProblem(request)
          return problem === undefined
            ? runIn(way, options, shell, request, inputs, runOptions)
            : Effect.fail(new InvalidBuildRequest({ problem }))
        })
    })

    if (options.driver !== "util-linux" && options.userNamespaces !== false) {
      if (bwrap === undefined) attempts.push({ driver: "bubblewrap", reason: "'bwrap' is not installed" })
      else {
        const help = yield* output(bwrap, ["--help"])
        const bubblewrap: Bubblewrap = { program: bwrap, knowsArgv0: help.includes("--argv0"), unshare }
        const way: Way = {
          driver: "bubblewrap",
          userNamespace: true,
          launch: (request, layout, identity, context) => launchBubblewrap(bubblewrap, request, layout, identity, context)
        }
        const reason = yield* works(way, options, shell)
        if (reason === undefined) {
          if (isRoot || unshare === undefined) return found(way)
          // Mounting beforehand needs a working unshare; without it bwrap does all of it.
          const mounting = yield* works(utilLinux(true), options, shell)
          const exact = { ...bubblewrap, unshare: mounting === undefined ? unshare : undefined }
          return found({
            ...way,
            launch: (request, layout, identity, context) => launchBubblewrap(exact, request, layout, identity, context)
          })
        }
        attempts.push({ driver: "bubblewrap", reason })
      }
    }
    if (options.driver !== "bubblewrap") {
      if (unshare === undefined) attempts.push({ driver: "util-linux", reason: "'unshare' is not installed" })
      else {
        const ways = isRoot ? [true, false] : [true]
        for (const userNamespace of options.userNamespaces === false ? [false] : ways) {
          const way = utilLinux(userNamespace)
          const reason = yield* works(way, options, shell)
          if (reason === undefined) return found(way)
          attempts.push({ driver: userNamespace ? "util-linux" : "util-linux without user namespaces", reason })
        }
      }
    }
    return yield* unavailable(attempts, advise({ bwrap, unshare }))
  })
