/**
 * A connection to a gRPC server, for the drivers: calls as effects and streams.
 *
 * Interrupting a call cancels it at the server. Streams are pulled: neither end holds more than a few messages. The connection is made at the first call (unless
 * the address says `wait-connect=1`), made again when it broke, and closed with its scope.
 */
import * as grpc from "@grpc/grpc-js"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { BadGrpcAddress, parse } from "./Address.ts"
import type { Rpc } from "./Rpc.ts"
import { code, faultTrailer, RpcFailed } from "./RpcError.ts"
import { current, traceHeader } from "../TraceHeaders.ts"

/** Largest message taken, in bytes: directories of hundreds of thousands of entries, never a whole blob. */
export const messageLimit = 64 << 20

/** Milliseconds that an eager connection may take. */
const connectLimit = 5000

export interface Channel {
  /** The address as it was given, for messages. */
  readonly peer: string
  readonly unary: <I, O>(rpc: Rpc<I, O>, request: I) => Effect.Effect<O, RpcFailed>
  readonly serverStream: <I, O>(rpc: Rpc<I, O>, request: I) => Stream.Stream<O, RpcFailed>
  /** Fails as soon as the server answers with a fault, however much is left to send. */
  readonly clientStream: <I, O, E, R>(rpc: Rpc<I, O>, requests: Stream.Stream<I, E, R>) => Effect.Effect<O, RpcFailed | E, R>
}

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const asIs = (bytes: Buffer): Buffer => bytes

const metadata: Effect.Effect<grpc.Metadata> = Effect.map(current, (parent) => {
  const made = new grpc.Metadata()
  if (Option.isSome(parent)) made.set(traceHeader, parent.value)
  return made
})

/** Opens a channel to `address`. */
export const open = Effect.fnUntraced(function* (address: string): Effect.fn.Return<Channel, BadGrpcAddress | RpcFailed, Scope.Scope> {
  const { target, tls, waitConnect } = yield* Effect.try({ try: () => parse(address), catch: (cause) => cause as BadGrpcAddress })
  const client = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new grpc.Client(target, tls ? grpc.credentials.createSsl() : grpc.credentials.createInsecure(), {
          "grpc.max_receive_message_length": messageLimit,
          "grpc.max_send_message_length": messageLimit,
          "grpc.keepalive_time_ms": 60_000,
          // Each channel its own connection: closing one never touches another's calls.
          "grpc.use_local_subchannel_pool": 1
        })
    ),
    (client) => Effect.sync(() => client.close())
  )

  const failed = (method: string, cause: unknown): RpcFailed => {
    const { code: status, details, message, metadata } = cause as grpc.ServiceError
    const data = metadata?.get(faultTrailer)[0]
    return new RpcFailed({
      peer: address,
      method,
      code: typeof status === "number" ? status : code.internal,
      details: details ?? message ?? String(cause),
      ...(data instanceof Uint8Array ? { data: data.toString("utf8") } : {})
    })
  }
  const decoded = <I, O>(rpc: Rpc<I, O>, bytes: Uint8Array): Effect.Effect<O, RpcFailed> =>
    Effect.try({
      try: () => rpc.response.decode(bytes),
      catch: (cause) =>
        new RpcFailed({
          peer: address,
          method: rpc.path,
          code: code.internal,
          details: `the answer is malformed: ${cause instanceof Error ? cause.message : String(cause)}`
        })
    })

  if (waitConnect) {
    yield* Effect.callback<void, RpcFailed>((resume) => {
      client.waitForReady(Date.now() + connectLimit, (error) =>
        resume(error == null ? Effect.void : Effect.fail(failed("connecting", { code: code.unavailable, message: error.message })))
      )
    })
  }

  const unary: Channel["unary"] = (rpc, request) =>
    metadata.pipe(
      Effect.flatMap((headers) =>
        Effect.callback<Buffer, RpcFailed>((resume) => {
          const call = client.makeUnaryRequest(rpc.path, asIs, asIs, toBuffer(rpc.request.encode(request)), headers, (error, bytes) =>
            resume(error === null ? Effect.succeed(bytes!) : Effect.fail(failed(rpc.path, error)))
          )
          return Effect.sync(() => call.cancel())
        })
      ),
      Effect.flatMap((bytes) => decoded(rpc, bytes))
    )

  const serverStream: Channel["serverStream"] = (rpc, request) =>
    Stream.unwrap(
      Effect.flatMap(metadata, (headers) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const call = client.makeServerStreamRequest(rpc.path, asIs, asIs, toBuffer(rpc.request.encode(request)), headers)
            // The iterator below reports errors; after it was left, cancelling makes one that nobody waits for.
            call.on("error", () => {})
            return call
          }),
          (call) => Effect.sync(() => call.cancel())
        ).pipe(
          Effect.map((call) =>
            Stream.fromAsyncIterable(call as AsyncIterable<Buffer>, (cause) => failed(rpc.path, cause)).pipe(
              Stream.mapEffect((bytes) => decoded(rpc, bytes))
            )
          )
        )
      )
    )

  const clientStream: Channel["clientStream"] = <I, O, E, R>(rpc: Rpc<I, O>, requests: Stream.Stream<I, E, R>) =>
    Effect.flatMap(metadata, (headers) => {
      const answer = Deferred.makeUnsafe<Buffer, RpcFailed>()
      return Effect.acquireUseRelease(
        Effect.sync(() =>
          client.makeClientStreamRequest(rpc.path, asIs, asIs, headers, (error: grpc.ServiceError | null, bytes?: Buffer) =>
            Deferred.doneUnsafe(answer, error === null ? Effect.succeed(bytes!) : Effect.fail(failed(rpc.path, error)))
          )
        ),
        (call) => {
          const send = (request: I) =>
            Effect.callback<void>((resume) => {
              // A write that fails ends the call: the answer tells why.
              call.write(toBuffer(rpc.request.encode(request)), () => resume(Effect.void))
            })
          const upload = Stream.runForEach(requests, send).pipe(
            Effect.andThen(Effect.sync(() => call.end())),
            Effect.andThen(Deferred.await(answer))
          )
          return Effect.flatMap(Effect.raceFirst(Deferred.await(answer), upload), (bytes) => decoded(rpc, bytes))
        },
        (call, exit) => Effect.sync(() => (Exit.isSuccess(exit) ? undefined : call.cancel()))
      )
    })

  return { peer: address, unary, serverStream, clientStream }
})
