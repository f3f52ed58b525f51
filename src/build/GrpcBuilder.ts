/**
 * A builder elsewhere: the client of `yix.build.v1.BuildService`, or of `snix.build.v1.BuildService` where the server has no other.
 *
 * The far builder reads inputs from a castore and leaves outputs there: the one at its own address, or others that it shares. What that castore lacks of the inputs is sent
 * before the build; outputs are brought to ours after it. Nothing is believed but that the digests of the outputs were told right: contents are verified as they
 * arrive, NAR hashes and references are computed from what arrived. Interrupting a build cancels the call, which ends the far builder's processes.
 *
 * Servers of `snix.build.v1` alone know neither limits nor logs: a time limit is kept here, one of silence is not, and there is no log.
 */
import { create } from "@bufbuild/protobuf"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import * as GrpcBlobs from "../castore/blob/Grpc.ts"
import { type CastoreError, StoreUnavailable } from "../castore/CastoreError.ts"
import { type Castore, copyTree } from "../castore/CopyTree.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import * as GrpcDirectories from "../castore/directory/Grpc.ts"
import * as InFlight from "../castore/InFlight.ts"
import type { Node } from "../castore/Node.ts"
import * as Crypto from "../nix/Crypto.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { ReferenceScanner } from "../nix/References.ts"
import { render } from "../store/Nar.ts"
import type { BuildRequest as RequestMessage, BuildResponse as ResponseMessage } from "../wire/gen/snix/build/v1/build_pb.ts"
import { BuildService as SnixService } from "../wire/gen/snix/build/v1/rpc_build_pb.ts"
import { BuildRequestSchema as LimitedRequestSchema, BuildService as YixService } from "../wire/gen/yix/build/v1/build_pb.ts"
import type { BadGrpcAddress } from "../wire/grpc/Address.ts"
import { type Channel, open } from "../wire/grpc/Channel.ts"
import { rpc } from "../wire/grpc/Rpc.ts"
import { code, RpcFailed } from "../wire/grpc/RpcError.ts"
import { type BuildError, BuilderUnavailable, BuildTimedOut, InputUnavailable, InvalidBuildRequest, OutputNotStored } from "./BuildError.ts"
import { Builder, type BuildOptions, type BuiltOutput } from "./Builder.ts"
import { fromResponseMessage, requestMessage } from "./BuildMessages.ts"
import { type BuildRequest, requestProblem } from "./BuildRequest.ts"
import { fromFailure, fromFailureMessage } from "./GrpcFaults.ts"

const doBuild = rpc(SnixService.method.doBuild)
const buildWithLog = rpc(YixService.method.build)

/** Inputs sent at the same time, for one build. */
const inputsUnderWay = 8
/** Outputs brought at the same time, for one build. */
const outputsUnderWay = 4

/** One name for what is the same content. */
const keyOf = (node: Node): string => (node._tag === "Symlink" ? "" : `${node._tag} ${node.digest}`)

/** Builds over a channel. `far` is the castore that the far builder works with, `near` is ours. */
export const make = (channel: Channel, far: Castore, near: Castore): Builder["Service"] => {
  const builder = channel.peer
  const nearContext = Context.make(BlobService, near.blobs).pipe(Context.add(DirectoryService, near.directories))
  const sending = InFlight.make<void, CastoreError>()
  /** What far was seen to have. */
  const sent = new Set<string>()
  /** Whether the server has `yix.build.v1`; unknown before the first build. */
  let extended: boolean | undefined

  const send = (node: Node, trusting: boolean): Effect.Effect<void, CastoreError> => {
    const key = keyOf(node)
    if (node._tag === "Symlink" || (trusting && sent.has(key))) return Effect.void
    const copying = Effect.map(copyTree(node, near, far, { trusting }), () => void sent.add(key))
    return sending.share(`${key} ${trusting}`, copying)
  }

  /** Makes all inputs present in far. Builds that share an input send it once. */
  const sendInputs = Effect.fn("GrpcBuilder.sendInputs")(function* (request: BuildRequest, trusting: boolean) {
    yield* Effect.forEach(
      request.inputs,
      ({ name, node }) =>
        Effect.mapError(send(node, trusting), (error) => {
          const cause = error instanceof StoreUnavailable && error.store === builder ? error.cause : undefined
          return cause instanceof RpcFailed && cause.code === code.unavailable
            ? new BuilderUnavailable({ builder, detail: cause.message })
            : new InputUnavailable({ path: toUnicode(`/${request.inputsDir}/${name}`), cause: error })
        }),
      { concurrency: inputsUnderWay, discard: true }
    )
  })

  const withLog = (
    message: RequestMessage,
    { timeout, maxSilent, onLog }: BuildOptions
  ): Effect.Effect<ResponseMessage, BuildError | RpcFailed> =>
    Effect.suspend(() => {
      let outcome: ResponseMessage | BuildError | undefined
      const limited = create(LimitedRequestSchema, { request: message, timeout, maxSilent })
      return channel.serverStream(buildWithLog, limited).pipe(
        Stream.runForEach(({ event }) =>
          Effect.sync(() => {
            if (event.case === "log") onLog(event.value)
            else if (event.case === "response") outcome = event.value
            else if (event.case === "failure") outcome = fromFailureMessage(builder, event.value)
          })
        ),
        Effect.flatMap(() => {
          if (outcome === undefined) return Effect.fail(new BuilderUnavailable({ builder, detail: "it ended the call without a result" }))
          return "_tag" in outcome ? Effect.fail(outcome) : Effect.succeed(outcome)
        })
      )
    })

  const withoutLog = (message: RequestMessage, { timeout }: BuildOptions): Effect.Effect<ResponseMessage, BuildError | RpcFailed> => {
    const call = channel.unary(doBuild, message)
    if (timeout === 0) return call
    return Effect.timeoutOrElse(call, {
      duration: timeout * 1000,
      orElse: () => Effect.fail(new BuildTimedOut({ kind: "timeout", seconds: timeout, lastLines: [] }))
    })
  }

  const call = (message: RequestMessage, options: BuildOptions): Effect.Effect<ResponseMessage, BuildError> =>
    Effect.suspend(() => {
      if (extended === false) return withoutLog(message, options)
      return withLog(message, options).pipe(
        Effect.catchIf(
          (error) => extended === undefined && error._tag === "RpcFailed" && error.code === code.unimplemented,
          () => {
            extended = false
            return withoutLog(message, options)
          }
        ),
        Effect.tap(() => Effect.sync(() => void (extended ??= true)))
      )
    }).pipe(Effect.mapError((error) => (error._tag === "RpcFailed" ? fromFailure(error) : error)))

  /** Reads an output as it arrived: its NAR's hash and size, and the references in it. */
  const examined = Effect.fnUntraced(function* (node: Node, needles: ReadonlyArray<ByteString>) {
    const hasher = Crypto.hasher("sha256")
    const scanner = new ReferenceScanner(needles)
    let narSize = 0
    yield* Stream.runForEach(render(node), (piece) =>
      Effect.sync(() => {
        hasher.update(piece)
        scanner.update(piece)
        narSize += piece.length
      })
    )
    return { node, needles: scanner.found(), nar: { narHash: Uint8Array.from(hasher.digest()), narSize } } satisfies BuiltOutput
  }, Effect.provideContext(nearContext))

  const bring = (node: Node, path: ByteString, needles: ReadonlyArray<ByteString>): Effect.Effect<BuiltOutput, OutputNotStored> => {
    const arrive = (trusting: boolean) => Effect.andThen(copyTree(node, far, near, { trusting }), examined(node, needles))
    return arrive(true).pipe(
      Effect.catchTag("MissingData", () => arrive(false)),
      Effect.mapError((cause) => new OutputNotStored({ path: toUnicode(`/${path}`), cause })),
      Effect.withSpan("GrpcBuilder.bringOutput")
    )
  }

  return Builder.of({
    build: Effect.fn("GrpcBuilder.build")(function* (
      request: BuildRequest,
      options: BuildOptions
    ): Effect.fn.Return<ReadonlyArray<BuiltOutput>, BuildError> {
      yield* Effect.annotateCurrentSpan("builder", builder)
      const problem = requestProblem(request)
      if (problem !== undefined) return yield* new InvalidBuildRequest({ problem })
      // Snix wants outputs sorted, derivations have them by name.
      const outputs = request.outputs.toSorted()
      const message = yield* Effect.try({
        try: () => requestMessage({ ...request, outputs }),
        catch: (cause) =>
          cause instanceof InvalidBuildRequest
            ? cause
            : new InvalidBuildRequest({ problem: cause instanceof Error ? cause.message : String(cause) })
      })
      const attempt = (trusting: boolean) => Effect.andThen(sendInputs(request, trusting), call(message, options))
      const response = yield* attempt(true).pipe(
        // Far has lost something since it was seen there, or has directories without their files.
        Effect.catchTag("InputUnavailable", () => {
          for (const { node } of request.inputs) sent.delete(keyOf(node))
          return attempt(false)
        })
      )
      const told = yield* Effect.try({
        try: () => fromResponseMessage(response, outputs.length),
        catch: (cause) => new BuilderUnavailable({ builder, detail: cause instanceof Error ? cause.message : String(cause) })
      })
      return yield* Effect.forEach(request.outputs, (path) => bring(told[outputs.indexOf(path)]!.node, path, request.refscanNeedles), {
        concurrency: outputsUnderWay
      })
    })
  })
}

export interface GrpcBuilderOptions<E = never, R = never> {
  /** Of the far builder (`wire/grpc/Address.ts`). */
  readonly address: string
  /** The blobs that it works with. Default: those at its address. */
  readonly blobs?: Layer.Layer<BlobService, E, R> | undefined
  /** The directories that it works with. Default: those at its address. */
  readonly directories?: Layer.Layer<DirectoryService, E, R> | undefined
}

/** The builder of another process. */
export const layer = <E = never, R = never>(
  options: GrpcBuilderOptions<E, R>
): Layer.Layer<Builder, BadGrpcAddress | RpcFailed | E, BlobService | DirectoryService | R> =>
  // The layers that it stands on are built here so that services which others use, too, open once.
  Layer.fromBuildMemo((memoMap, scope) =>
    Effect.gen(function* () {
      const near = { blobs: yield* BlobService, directories: yield* DirectoryService }
      const channel = yield* open(options.address)
      const given = <I, S>(service: Context.Key<I, S>, layer: Layer.Layer<I, E, R> | undefined, otherwise: S) =>
        layer === undefined
          ? Effect.succeed(otherwise)
          : Effect.map(Layer.buildWithMemoMap(layer, memoMap, scope), (context) => Context.get(context, service))
      const far = {
        blobs: yield* given(BlobService, options.blobs, GrpcBlobs.make(channel)),
        directories: yield* given(DirectoryService, options.directories, GrpcDirectories.make(channel))
      }
      return Context.make(Builder, make(channel, far, near))
    }).pipe(Scope.provide(scope))
  )
