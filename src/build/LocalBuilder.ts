/**
 * The builder on this machine: a bounded number of sandboxes, inputs from the cache of checkouts, outputs into the castore.
 *
 * A build waits for a slot, has its inputs brought onto the disk, runs, and has its outputs looked over (`OutputInspection.ts`) and taken in; all of it lies in a scratch directory that goes
 * when the build ends, fails or is interrupted. What killed processes left is removed when the layer is built.
 */
import { availableParallelism } from "node:os"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { BlobService } from "../castore/blob/BlobService.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { ingestPath } from "../castore/ingest/FileSystem.ts"
import type { DirectoryEntry } from "../castore/Node.ts"
import { CheckoutCache } from "../castore/view/Checkout.ts"
import * as Base32 from "../nix/Base32.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { ReferenceScanner } from "../nix/References.ts"
import { hashPartLength } from "../nix/StorePath.ts"
import { type BuildError, InputUnavailable, InvalidBuildRequest, OutputNotStored, UnsupportedSystem } from "./BuildError.ts"
import { Builder, type BuildOptions, type BuiltOutput } from "./Builder.ts"
import { type BuildRequest, requestProblem } from "./BuildRequest.ts"
import { firstBuildUser } from "./BuildUsers.ts"
import { inspect } from "./OutputInspection.ts"
import { detect, type Sandbox, type SandboxOptions, type SandboxResult } from "./Sandbox.ts"
import type { DriverName } from "./SandboxLaunch.ts"
import type { SandboxInput } from "./SandboxLayout.ts"
import { type ScratchLeases, sweep } from "./ScratchDirectory.ts"

export interface LocalBuilderOptions {
  /** Directory for scratch directories, ours alone. On the file system with room for builds; not mounted `noexec`. */
  readonly scratchRoot: string
  /** Builds at the same time. Default: the number of processors, at least 4. */
  readonly slots?: number | undefined
  /** Default `auto`: bubblewrap where it works, else util-linux. */
  readonly driver?: DriverName | "auto" | undefined
  /** Program of the OCI runtime for driver `oci`. Default: runc, else crun. */
  readonly runtime?: string | undefined
  /** Program for /bin/sh inside. Default: a static busybox of the host, else the host's own. */
  readonly shell?: string | undefined
  /** First of the user ids for builders when we are root. Default 30001. */
  readonly firstBuildUser?: number | undefined
  /** What this machine builds. Default: its own system, and what it can run besides. */
  readonly systems?: ReadonlyArray<string> | undefined
  /** Bytes of log a build may write; 0, the default, is no limit. */
  readonly maxLog?: number | undefined
  /** Told of scratch directories. */
  readonly leases?: ScratchLeases | undefined
}

/** Systems that this machine builds by itself. */
export const hostSystems = (): ReadonlyArray<string> => {
  if (process.platform !== "linux") return []
  switch (process.arch) {
    case "x64":
      return ["x86_64-linux", "i686-linux"]
    case "arm64":
      return ["aarch64-linux"]
    default:
      return [`${process.arch}-linux`]
  }
}

/** Inputs brought onto the disk at the same time, for one build. */
const checkoutsUnderWay = 8

const needleProblem = (needles: ReadonlyArray<ByteString>): string | undefined => {
  const wrong = needles.find((needle) => needle.length !== hashPartLength || ![...needle].every((c) => Base32.isDigit(c.charCodeAt(0))))
  return wrong === undefined ? undefined : `'${toUnicode(wrong)}' is not the hash part of a store path, so it cannot be searched for`
}

const validate = (request: BuildRequest): string | undefined => {
  const problem = requestProblem(request)
  if (problem !== undefined) return problem
  // Directly, so that no directory on the way is the builder's.
  const outside = request.outputs.find((path) => !request.scratchPaths.includes(path.slice(0, Math.max(0, path.lastIndexOf("/")))))
  if (outside !== undefined) return `output '${outside}' does not lie directly in a scratch path`
  const names = new Set(request.inputs.map(({ name }) => `${request.inputsDir}/${name}`))
  const both = request.outputs.find((path) => names.has(path))
  if (both !== undefined) return `'${both}' is both an input and an output`
  return needleProblem(request.refscanNeedles)
}

const make = Effect.fnUntraced(function* (options: LocalBuilderOptions) {
  // Just these, and not the span that the layer was made in: each operation belongs to its caller.
  const context = Context.pick(BlobService, DirectoryService)(yield* Effect.context<BlobService | DirectoryService>())
  const checkouts = yield* CheckoutCache
  const systems = options.systems ?? hostSystems()
  const slots = yield* Semaphore.make(options.slots ?? Math.max(4, availableParallelism()))
  // The builder's processes start elsewhere.
  const scratchRoot = path.resolve(options.scratchRoot)
  const sandboxOptions: SandboxOptions = {
    driver: options.driver ?? "auto",
    runtime: options.runtime,
    scratchRoot,
    shell: options.shell,
    firstBuildUser: options.firstBuildUser ?? firstBuildUser,
    leases: options.leases
  }
  yield* sweep(scratchRoot)

  // The machine is looked at once, when the first build comes; a failure is not remembered, since it may be mended.
  const looking = yield* Semaphore.make(1)
  let known: Sandbox | undefined
  const sandbox = Semaphore.withPermit(
    looking,
    Effect.suspend(() =>
      known !== undefined
        ? Effect.succeed(known)
        : Effect.tap(detect(sandboxOptions), (found) =>
            Effect.sync(() => {
              known = found
            })
          )
    )
  )

  const checkout = Effect.fnUntraced(function* (request: BuildRequest, { name, node }: DirectoryEntry) {
    if (node._tag === "Symlink") return { _tag: "Symlink", name, target: node.target } satisfies SandboxInput
    const host = yield* Effect.mapError(
      checkouts.path(node),
      (cause) => new InputUnavailable({ path: toUnicode(`/${request.inputsDir}/${name}`), cause })
    )
    return { _tag: node._tag, name, host } satisfies SandboxInput
  })

  const takeIn = Effect.fnUntraced(function* (request: BuildRequest, result: SandboxResult, path: string) {
    const shown = toUnicode(`/${path}`)
    const host = result.hostPath(path)
    yield* inspect(shown, host, result.ownerUid, result.lastLines)
    const scanner = new ReferenceScanner(request.refscanNeedles)
    // A NAR holds file names and link targets besides contents, so scanning it finds references in all three.
    const { node, narHash, narSize } = yield* ingestPath(host, { makeAccessible: true, observers: [scanner] }).pipe(
      Effect.provideContext(context),
      Effect.mapError((cause) => new OutputNotStored({ path: shown, cause }))
    )
    return { node, needles: scanner.found(), nar: { narHash, narSize } } satisfies BuiltOutput
  })

  const run = Effect.fnUntraced(function* (request: BuildRequest, { timeout, maxSilent, onLog }: BuildOptions) {
    const { run } = yield* sandbox
    const inputs = yield* Effect.forEach(request.inputs, (entry) => checkout(request, entry), { concurrency: checkoutsUnderWay })
    const running = run(request, inputs, { timeout, maxSilent, onLog, maxLog: options.maxLog ?? 0 })
    const result = yield* Effect.withSpan(running, "LocalBuilder.run")
    return yield* Effect.forEach(request.outputs, (path) => takeIn(request, result, path))
  }, Effect.scoped)

  return Builder.of({
    build: Effect.fn("LocalBuilder.build")(function* (
      request: BuildRequest,
      buildOptions: BuildOptions
    ): Effect.fn.Return<ReadonlyArray<BuiltOutput>, BuildError> {
      const { system } = request.constraints
      if (!systems.includes(system)) return yield* new UnsupportedSystem({ system, supported: [...systems] })
      const problem = validate(request)
      if (problem !== undefined) return yield* new InvalidBuildRequest({ problem })
      return yield* Semaphore.withPermit(slots, run(request, buildOptions))
    })
  })
})

/** The builder of this machine. */
export const layer = (options: LocalBuilderOptions): Layer.Layer<Builder, never, BlobService | DirectoryService | CheckoutCache> =>
  Layer.effect(Builder, make(options))
