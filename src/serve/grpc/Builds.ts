/**
 * Builds for other processes: `snix.build.v1.BuildService`, the same of Tvix, and `yix.build.v1.BuildService` with limits and the log.
 *
 * Whoever can connect has commands run here, in a sandbox. So a request is looked over before anything runs: its size, its paths and names, that it wants neither
 * directories of this machine nor, unless that is allowed, the network. Ending a call ends its build. Inputs must be in the store that is served, outputs are put there.
 */
import { create } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { BuildError } from "../../build/BuildError.ts"
import type { Builder, BuildOptions, BuiltOutput } from "../../build/Builder.ts"
import { fromRequestMessage, responseMessage } from "../../build/BuildMessages.ts"
import { type BuildRequest, requestProblem } from "../../build/BuildRequest.ts"
import { failureMessage, toFault } from "../../build/GrpcFaults.ts"
import * as EntryMessage from "../../castore/EntryMessage.ts"
import { checked } from "../../castore/GrpcFaults.ts"
import type { BuildRequest as RequestMessage } from "../../wire/gen/snix/build/v1/build_pb.ts"
import { BuildService as SnixService } from "../../wire/gen/snix/build/v1/rpc_build_pb.ts"
import { BuildSchema as TvixBuildSchema, BuildService as TvixService } from "../../wire/gen/tvix/build/v1/rpc_build_pb.ts"
import { type BuildEvent, BuildEventSchema, BuildService as YixService } from "../../wire/gen/yix/build/v1/build_pb.ts"
import { rpc } from "../../wire/grpc/Rpc.ts"
import { code, RpcFault } from "../../wire/grpc/RpcError.ts"
import { type Handler, serverStream, unary } from "../../wire/grpc/Server.ts"
import { PendingLog } from "./PendingLog.ts"

/** What builds for others, and within what limits. */
export interface BuildDoor {
  readonly builder: Builder["Service"]
  /** Give the network to builds that want it. Default false: they are refused. */
  readonly network?: boolean
  /** Seconds that any build may take; 0, the default, is no limit. A request may want less. */
  readonly timeout?: number
  /** Seconds that any build may be silent; 0, the default, is no limit. */
  readonly maxSilent?: number
  /** Builds that may run or wait. Default 256. */
  readonly most?: number
}

/** Of one request. Its bytes are bounded by the largest message (`wire/grpc/Channel.ts`). */
export const requestLimits = {
  inputs: 65_536,
  arguments: 65_536,
  variables: 65_536,
  outputs: 1024,
  /** Scratch paths, additional files. */
  paths: 4096,
  /** Strings to look for. */
  needles: 131_072,
  /** Bytes of a path. */
  pathLength: 4095
} as const

const tooLarge = (message: RequestMessage): string | undefined => {
  const counts = [
    ["inputs", message.inputs.length, requestLimits.inputs],
    ["arguments", message.commandArgs.length, requestLimits.arguments],
    ["environment variables", message.environmentVars.length, requestLimits.variables],
    ["outputs", message.outputs.length, requestLimits.outputs],
    ["scratch paths", message.scratchPaths.length, requestLimits.paths],
    ["additional files", message.additionalFiles.length, requestLimits.paths],
    ["strings to look for", message.refscanNeedles.length, requestLimits.needles]
  ] as const
  const over = counts.find(([, count, limit]) => count > limit)
  if (over !== undefined) return `the request has ${over[1]} ${over[0]}, more than ${over[2]}`
  const paths = [message.workingDir, message.inputsDir, ...message.scratchPaths, ...message.outputs]
  for (const { path } of message.additionalFiles) paths.push(path)
  const long = paths.find((path) => Buffer.byteLength(path) > requestLimits.pathLength)
  return long === undefined ? undefined : `the path '${long.slice(0, 60)}…' is longer than ${requestLimits.pathLength} bytes`
}

const invalid = (details: string) => new RpcFault({ code: code.invalidArgument, details })
const denied = (details: string) => new RpcFault({ code: code.permissionDenied, details })

/** The request, or why it is not even tried. */
const accepted = Effect.fnUntraced(function* (
  message: RequestMessage | undefined,
  { network }: BuildDoor
): Effect.fn.Return<BuildRequest, RpcFault> {
  if (message === undefined) return yield* invalid("there is no build request")
  const size = tooLarge(message)
  if (size !== undefined) return yield* new RpcFault({ code: code.resourceExhausted, details: size })
  const request = yield* checked(() => fromRequestMessage(message))
  const problem = request.constraints.system === "" ? "no system is named" : requestProblem(request)
  if (problem !== undefined) return yield* invalid(problem)
  if (request.outputs.length === 0) return yield* invalid("no output is asked for")
  const [host] = request.constraints.availableReadOnlyPaths
  if (host !== undefined) return yield* denied(`'${host}' of this machine is not shown to the builds of others`)
  if (request.constraints.networkAccess && network !== true) {
    return yield* denied(
      "builds that need the network are not run here; fetch it where the build was asked for, or start the server with --builds-network"
    )
  }
  return request
})

/** The smaller one of two limits, of which 0 is none. */
const smaller = (one: number, other: number): number => (one === 0 || other === 0 ? one + other : Math.min(one, other))

type Built = Effect.Effect<ReadonlyArray<BuiltOutput>, BuildError>

/** A build's log, and at its end what came of it. */
const events = (
  start: (onLog: BuildOptions["onLog"]) => Effect.Effect<ReadonlyArray<BuiltOutput>, BuildError | RpcFault>
): Stream.Stream<BuildEvent, RpcFault> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const log = new PendingLog()
      // In the stream's scope: when the client leaves, the build is interrupted.
      const fiber = yield* Effect.forkScoped(Effect.result(start((bytes) => log.push(bytes))))
      fiber.addObserver(() => log.wake())
      const logged = Stream.unfold(undefined, () =>
        Effect.gen(function* () {
          for (;;) {
            const ended = fiber.pollUnsafe() !== undefined
            const bytes = log.take()
            if (bytes !== undefined) return [create(BuildEventSchema, { event: { case: "log", value: bytes } }), undefined] as const
            if (ended) return undefined
            yield* log.changed
          }
        })
      )
      const end = Effect.flatMap(Fiber.join(fiber), (result) => {
        if (Result.isSuccess(result)) {
          return Effect.succeed(create(BuildEventSchema, { event: { case: "response", value: responseMessage(result.success) } }))
        }
        const { failure } = result
        return failure._tag === "RpcFault"
          ? Effect.fail(failure)
          : Effect.succeed(create(BuildEventSchema, { event: { case: "failure", value: failureMessage(failure) } }))
      })
      return Stream.concat(logged, Stream.fromEffect(end))
    })
  )

const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** What Tvix answers: outputs under their names, sorted by them. */
const tvixBuild = (request: RequestMessage, outputs: ReadonlyArray<BuiltOutput>) => {
  const named = outputs.map(({ node, needles }, index) => ({ name: baseName(request.outputs[index]!), node, needles }))
  named.sort((a, b) => (a.name < b.name ? -1 : 1))
  return create(TvixBuildSchema, {
    buildRequest: request,
    outputs: named.map(EntryMessage.toMessage),
    outputsNeedles: named.map(({ needles }) => ({ needles: needles.map(BigInt) }))
  })
}

export const buildHandlers = (door: BuildDoor): ReadonlyArray<Handler<never>> => {
  const most = door.most ?? 256
  let underWay = 0

  const admitted = <A, E>(build: Effect.Effect<A, E>): Effect.Effect<A, E | RpcFault> =>
    Effect.acquireUseRelease(
      Effect.suspend(() => {
        if (underWay >= most) {
          return Effect.fail(
            new RpcFault({ code: code.resourceExhausted, details: `${most} builds are under way or wait here; try again later` })
          )
        }
        underWay++
        return Effect.void
      }),
      () => build,
      () => Effect.sync(() => void underWay--)
    )

  const build = (request: BuildRequest, timeout: number, maxSilent: number, onLog: BuildOptions["onLog"]): Built =>
    door.builder.build(request, { timeout: smaller(timeout, door.timeout ?? 0), maxSilent: smaller(maxSilent, door.maxSilent ?? 0), onLog })

  const doBuild = Effect.fnUntraced(function* (message: RequestMessage) {
    const request = yield* accepted(message, door)
    return yield* admitted(
      Effect.mapError(
        build(request, 0, 0, () => {}),
        toFault
      )
    )
  })

  return [
    unary(rpc(SnixService.method.doBuild), (message) => Effect.map(doBuild(message), responseMessage)),
    unary(rpc(TvixService.method.doBuild), (message) => Effect.map(doBuild(message), (outputs) => tvixBuild(message, outputs))),
    serverStream(rpc(YixService.method.build), ({ request: message, timeout, maxSilent }) =>
      Stream.unwrap(
        Effect.map(accepted(message, door), (request) => events((onLog) => admitted(build(request, timeout, maxSilent, onLog))))
      )
    )
  ]
}
