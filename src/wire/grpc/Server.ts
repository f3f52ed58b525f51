/**
 * A gRPC server: takes handlers that are effects and streams, and listens while its scope lives.
 *
 * A call whose client cancels or hangs up is interrupted; requests are pulled and answers written as fast as the other end takes them. Closing the scope lets calls
 * under way end for a moment, then interrupts them; a Unix socket is removed.
 */
import type { EventEmitter } from "node:events"
import * as fs from "node:fs"
import * as net from "node:net"
import type { Readable } from "node:stream"
import * as grpc from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { type BadGrpcAddress, parse } from "./Address.ts"
import { messageLimit } from "./Channel.ts"
import type { Codec, Rpc } from "./Rpc.ts"
import { code, faultTrailer, RpcFault } from "./RpcError.ts"
import { continued, traceHeader } from "../TraceHeaders.ts"

/** One method with what answers it. */
export type Handler<R> =
  | { readonly kind: "unary"; readonly path: string; readonly run: (request: Uint8Array) => Effect.Effect<Uint8Array, RpcFault, R> }
  | { readonly kind: "serverStream"; readonly path: string; readonly run: (request: Uint8Array) => Stream.Stream<Uint8Array, RpcFault, R> }
  | {
      readonly kind: "clientStream"
      readonly path: string
      readonly run: (requests: Stream.Stream<Uint8Array, RpcFault>) => Effect.Effect<Uint8Array, RpcFault, R>
    }
  | {
      readonly kind: "bothStream"
      readonly path: string
      readonly run: (requests: Stream.Stream<Uint8Array, RpcFault>) => Stream.Stream<Uint8Array, RpcFault, R>
    }

/** The server cannot listen. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", { address: Schema.String, detail: Schema.String }) {
  override get message(): string {
    return `cannot listen on '${this.address}': ${this.detail}; is another server running there, and may you listen there?`
  }
}

const decode = <A>(codec: Codec<A>, bytes: Uint8Array): Effect.Effect<A, RpcFault> =>
  Effect.try({
    try: () => codec.decode(bytes),
    catch: (cause) =>
      new RpcFault({
        code: code.invalidArgument,
        details: `the request is malformed: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })

export const unary = <I, O, R>(rpc: Rpc<I, O>, answer: (request: I) => Effect.Effect<O, RpcFault, R>): Handler<R> => ({
  kind: "unary",
  path: rpc.path,
  run: (bytes) => decode(rpc.request, bytes).pipe(Effect.flatMap(answer), Effect.map(rpc.response.encode))
})

export const serverStream = <I, O, R>(rpc: Rpc<I, O>, answer: (request: I) => Stream.Stream<O, RpcFault, R>): Handler<R> => ({
  kind: "serverStream",
  path: rpc.path,
  run: (bytes) => Stream.unwrap(Effect.map(decode(rpc.request, bytes), answer)).pipe(Stream.map(rpc.response.encode))
})

export const clientStream = <I, O, R>(
  rpc: Rpc<I, O>,
  answer: (requests: Stream.Stream<I, RpcFault>) => Effect.Effect<O, RpcFault, R>
): Handler<R> => ({
  kind: "clientStream",
  path: rpc.path,
  run: (requests) => Effect.map(answer(Stream.mapEffect(requests, (bytes) => decode(rpc.request, bytes))), rpc.response.encode)
})

export const bothStream = <I, O, R>(
  rpc: Rpc<I, O>,
  answer: (requests: Stream.Stream<I, RpcFault>) => Stream.Stream<O, RpcFault, R>
): Handler<R> => ({
  kind: "bothStream",
  path: rpc.path,
  run: (requests) => Stream.map(answer(Stream.mapEffect(requests, (bytes) => decode(rpc.request, bytes))), rpc.response.encode)
})

const asIs = (bytes: Buffer): Buffer => bytes
const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Details travel in a header: not without end. */
const detailsLimit = 2000

const statusOf = (cause: Cause.Cause<RpcFault>): Partial<grpc.StatusObject> => {
  const fault = Cause.hasInterruptsOnly(cause) ? undefined : Cause.squash(cause)
  if (!(fault instanceof RpcFault)) {
    return fault === undefined
      ? { code: code.unavailable, details: "the server is shutting down" }
      : {
          code: code.internal,
          details: `the server failed: ${fault instanceof Error ? fault.message : String(fault)}`.slice(0, detailsLimit)
        }
  }
  const metadata = new grpc.Metadata()
  if (fault.data !== undefined && fault.data.length < detailsLimit) metadata.set(faultTrailer, Buffer.from(fault.data, "utf8"))
  return { code: fault.code, details: fault.details.slice(0, detailsLimit).toWellFormed(), metadata }
}

/** What all kinds of calls have. */
type AnyCall = EventEmitter & Pick<grpc.ServerUnaryCall<Buffer, Buffer>, "cancelled" | "metadata">

/** What the client sends. An upload that was broken off looks, to the stream, as one that ended; it must never be taken for one. */
const requestsOf = (call: Readable & Pick<AnyCall, "cancelled">): Stream.Stream<Uint8Array, RpcFault> =>
  Stream.fromAsyncIterable(
    // What is read to its end is not destroyed: answers may still go the other way.
    call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>,
    (cause) =>
      new RpcFault({ code: code.cancelled, details: `the upload broke off: ${cause instanceof Error ? cause.message : String(cause)}` })
  ).pipe(
    Stream.concat(
      Stream.fromEffect(
        Effect.callback<void, RpcFault>((resume) => {
          setImmediate(() =>
            setImmediate(() =>
              resume(call.cancelled ? Effect.fail(new RpcFault({ code: code.cancelled, details: "the upload broke off" })) : Effect.void)
            )
          )
        })
      ).pipe(Stream.drain)
    )
  )

/** Where answers are written to. */
interface Answers extends EventEmitter {
  readonly write: (bytes: Buffer) => boolean
  readonly end: () => unknown
}

const write = (call: Answers, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (call.write(toBuffer(bytes))) return resume(Effect.void)
    const onDrain = () => resume(Effect.void)
    call.once("drain", onDrain)
    return Effect.sync(() => void call.off("drain", onDrain))
  })

/** Removes what a server that died left of its socket; a server that lives is left alone. */
const removeStaleSocket = (address: string, socket: string): Effect.Effect<void, CannotListen> =>
  Effect.callback((resume) => {
    if (!fs.existsSync(socket)) return resume(Effect.void)
    if (!fs.statSync(socket).isSocket()) {
      return resume(Effect.fail(new CannotListen({ address, detail: "there is a file that is no socket" })))
    }
    const probe = net.connect(socket)
    probe.once("connect", () => {
      probe.destroy()
      resume(Effect.fail(new CannotListen({ address, detail: "another server listens there" })))
    })
    probe.once("error", () => {
      fs.rmSync(socket, { force: true })
      resume(Effect.void)
    })
  })

/** Ends when no call has been under way for a moment, in which the last answer goes out. Clients may keep their connections without one. */
const idle = (running: ReadonlySet<unknown>): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let quiet = 0; quiet < 3; quiet = running.size === 0 ? quiet + 1 : 0) yield* Effect.sleep(30)
  })

export interface Listening {
  /** As clients would write it, with the port that was chosen where 0 was asked for. */
  readonly address: string
  /** Calls under way. */
  readonly calls: () => number
}

/** Serves `handlers` on `address` (`host:port`, `unix:/path`; port 0 is any that is free) until the scope closes. Plain text: put TLS before it. */
export const listen = Effect.fnUntraced(function* <R>(
  address: string,
  handlers: ReadonlyArray<Handler<R>>,
  options: { /** Milliseconds that calls under way may take when the scope closes. Default 2000. */ readonly grace?: number } = {}
): Effect.fn.Return<Listening, BadGrpcAddress | CannotListen, R | Scope.Scope> {
  const { target, socket, tls } = yield* Effect.try({ try: () => parse(address), catch: (cause) => cause as BadGrpcAddress })
  if (tls) return yield* new CannotListen({ address, detail: "serving TLS is not supported" })
  // Without the span that the server was started in: a call is its own, or part of what its client does.
  const context = Context.omit(Tracer.ParentSpan)(yield* Effect.context<R>()) as Context.Context<R>
  const running = new Set<Fiber.Fiber<unknown, unknown>>()
  const server = new grpc.Server({
    "grpc.max_receive_message_length": messageLimit,
    "grpc.max_send_message_length": messageLimit,
    // A client that is gone without a word has its calls ended.
    "grpc.keepalive_time_ms": 60_000
  })

  /** Runs one call; `done` hears the end unless the client has gone. */
  const run = <A>(
    path: string,
    call: AnyCall,
    effect: Effect.Effect<A, RpcFault, R>,
    done: (exit: Exit.Exit<A, RpcFault>) => void
  ): void => {
    const parent = call.metadata.get(traceHeader)[0]
    const traced = Effect.withSpan(effect, `grpc ${path.slice(1)}`, { kind: "server" }).pipe(
      continued(typeof parent === "string" ? parent : undefined)
    )
    const fiber = Effect.runForkWith(context)(traced as Effect.Effect<A, RpcFault, R>)
    running.add(fiber)
    call.once("cancelled", () => fiber.interruptUnsafe())
    fiber.addObserver((exit) => {
      running.delete(fiber)
      if (!call.cancelled) done(exit)
    })
  }

  const runStream = (path: string, call: AnyCall & Answers, answers: Stream.Stream<Uint8Array, RpcFault, R>): void => {
    call.on("error", () => {})
    run(
      path,
      call,
      Stream.runForEach(answers, (bytes) => write(call, bytes)),
      (exit) => (Exit.isSuccess(exit) ? call.end() : call.emit("error", statusOf(exit.cause)))
    )
  }

  const implementation: Record<string, grpc.UntypedHandleCall> = {}
  const definition: Record<string, grpc.MethodDefinition<Buffer, Buffer>> = {}
  for (const handler of handlers) {
    const { path, kind } = handler
    definition[path] = {
      path,
      requestStream: kind === "clientStream" || kind === "bothStream",
      responseStream: kind === "serverStream" || kind === "bothStream",
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs
    }
    const answering = (callback: grpc.sendUnaryData<Buffer>) => (exit: Exit.Exit<Uint8Array, RpcFault>) =>
      Exit.isSuccess(exit) ? callback(null, toBuffer(exit.value)) : callback(statusOf(exit.cause))
    if (handler.kind === "unary") {
      implementation[path] = (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) =>
        run(path, call, handler.run(call.request), answering(callback))
    } else if (handler.kind === "clientStream") {
      implementation[path] = (call: grpc.ServerReadableStream<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
        call.on("error", () => {})
        run(path, call, handler.run(requestsOf(call)), answering(callback))
      }
    } else if (handler.kind === "serverStream") {
      implementation[path] = (call: grpc.ServerWritableStream<Buffer, Buffer>) => runStream(path, call, handler.run(call.request))
    } else {
      implementation[path] = (call: grpc.ServerDuplexStream<Buffer, Buffer>) => runStream(path, call, handler.run(requestsOf(call)))
    }
  }
  server.addService(definition, implementation)

  if (socket !== undefined) yield* removeStaleSocket(address, socket)
  const port = yield* Effect.acquireRelease(
    Effect.callback<number, CannotListen>((resume) =>
      server.bindAsync(target, grpc.ServerCredentials.createInsecure(), (error, port) =>
        resume(error === null ? Effect.succeed(port) : Effect.fail(new CannotListen({ address, detail: error.message })))
      )
    ),
    () =>
      Effect.callback<void>((resume) => {
        server.tryShutdown(() => resume(Effect.void))
      }).pipe(
        Effect.raceFirst(idle(running)),
        Effect.timeoutOption(options.grace ?? 2000),
        Effect.andThen(Effect.suspend(() => Fiber.interruptAll([...running]))),
        Effect.andThen(
          Effect.sync(() => {
            server.forceShutdown()
            if (socket !== undefined) fs.rmSync(socket, { force: true })
          })
        )
      )
  )
  return { address: socket === undefined ? target.replace(/:\d+$/, `:${port}`) : target, calls: () => running.size }
})
