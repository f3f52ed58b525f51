/**
 * An HTTP server over routes, on node:http: what is the network's business and not the cache's.
 *
 * Promises: headers must come within 30 seconds; a body or a reader that stalls for a minute, or a body that comes more slowly than 100 bytes a second, is cut
 * off; a client that goes away ends the work for it at once; an answer that fails after it began breaks the connection, so that no client takes it for
 * whole; closing the scope ends everything under way and closes the port.
 */
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as LogLevel from "effect/LogLevel"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { BlobService } from "../../castore/blob/BlobService.ts"
import type { DirectoryService } from "../../castore/directory/DirectoryService.ts"
import { type Answer, type Asked, BodyError, text } from "./Answer.ts"
import type { Routes } from "./BinaryCache.ts"
import { served } from "./RequestSpan.ts"

/** The address cannot be listened at. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", { address: Schema.String, detail: Schema.String }) {
  override get message(): string {
    return `cannot serve at '${this.address}': ${this.detail}; name another address or port`
  }
}

export interface ListenOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Milliseconds without a byte in either direction. Default 60 000. */
  readonly stallMillis?: number | undefined
  /** Connections at the same time. Default 1024. */
  readonly connections?: number | undefined
  /** The level at which each request is told to the log. Default "Debug". */
  readonly requestLevel?: LogLevel.Severity | undefined
}

/** Bytes a second below which a body is cut off, and after how many seconds that is looked at first. */
const slowest = 100
const patience = 30

const bodyOf = (request: http.IncomingMessage): Stream.Stream<Uint8Array, BodyError> => {
  const begun = performance.now()
  let received = 0
  return Stream.fromAsyncIterable<Uint8Array, BodyError>(request, () => new BodyError(400, "the body broke off")).pipe(
    Stream.mapEffect((piece) => {
      received += piece.length
      const seconds = (performance.now() - begun) / 1000
      return seconds > patience && received < seconds * slowest
        ? Effect.fail(new BodyError(408, "the body comes too slowly"))
        : Effect.succeed(piece)
    })
  )
}

/** What is said to those whose requests cannot be read, by Node's codes. */
const refusals: ReadonlyMap<string, string> = new Map([
  ["HPE_HEADER_OVERFLOW", "431 Request Header Fields Too Large"],
  ["ERR_HTTP_REQUEST_TIMEOUT", "408 Request Timeout"]
])

/** The path of a request target, decoded; `undefined` where it is malformed. */
const pathOf = (target: string): string | undefined => {
  try {
    return target.startsWith("/") ? decodeURIComponent(target.replace(/[?#].*$/s, "")) : undefined
  } catch {
    return undefined
  }
}

/** Done when the response took the piece, or the connection is gone. */
const write = (response: http.ServerResponse, piece: Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (response.destroyed || response.write(piece)) return resume(Effect.void)
    const go = () => {
      response.off("drain", go)
      response.off("close", go)
      resume(Effect.void)
    }
    response.once("drain", go)
    response.once("close", go)
  })

const send = Effect.fnUntraced(function* (response: http.ServerResponse, answer: Answer, bodyless: boolean) {
  const { status, length, body } = answer
  const headers = { ...answer.headers, ...(status === 304 ? {} : { "content-length": String(length) }) }
  if (bodyless || body instanceof Uint8Array) {
    response.writeHead(status, headers)
    response.end(bodyless ? undefined : body)
    return
  }
  let sent = 0
  yield* Stream.runForEach(body, (piece) => {
    if (!response.headersSent) response.writeHead(status, headers)
    sent += piece.length
    return sent > length ? Effect.die(new Error("the answer is longer than announced")) : write(response, piece)
  })
  if (sent === length) response.end()
  else response.destroy()
})

type Needed = BlobService | DirectoryService | Scope.Scope

/** Starts to listen, and gives the address. Serves until the scope is closed. */
export const listen = Effect.fn("serve.http")(function* (
  routes: Routes,
  options: ListenOptions
): Effect.fn.Return<{ readonly host: string; readonly port: number }, CannotListen, BlobService | DirectoryService | Scope.Scope> {
  const requestLevel = options.requestLevel ?? "Debug"
  const run = yield* FiberSet.makeRuntime<BlobService | DirectoryService, void, never>().pipe(
    // The span in which the server was started is none of a request's.
    Effect.updateContext(
      (context: Context.Context<Needed>) =>
        Context.omit(Tracer.ParentSpan)(context as Context.Context<Needed | Tracer.ParentSpan>) as Context.Context<Needed>
    )
  )

  const handle = (
    request: http.IncomingMessage,
    response: http.ServerResponse
  ): Effect.Effect<void, never, BlobService | DirectoryService> =>
    Effect.gen(function* () {
      const path = pathOf(request.url ?? "")
      const method = request.method ?? "GET"
      const asked: Asked = { method, path: path ?? "", headers: request.headers, body: bodyOf(request) }
      const answer = path === undefined ? text(400, "malformed address\n") : yield* routes(asked)
      // What was not read of a body would be taken for the next request.
      if (!request.complete && method !== "GET" && method !== "HEAD") response.setHeader("connection", "close")
      yield* send(response, answer, method === "HEAD" || answer.status === 304)
    }).pipe(
      Effect.catchCause((cause) =>
        Effect.gen(function* () {
          if (Cause.hasInterruptsOnly(cause)) return void response.destroy()
          const error = Cause.squash(cause)
          if (!(error instanceof BodyError)) {
            const detail = error instanceof Error ? error.message : String(error)
            yield* Effect.logWarning(`${request.method} ${request.url} failed: ${detail}`)
          }
          if (response.headersSent || response.destroyed) return void response.destroy()
          response.setHeader("connection", "close")
          const answer = error instanceof BodyError ? text(error.status, `${error.message}\n`) : text(500, "the store has a problem\n")
          yield* Effect.orDie(send(response, answer, request.method === "HEAD"))
        })
      )
    )

  const server = http.createServer(
    { requestTimeout: 0, headersTimeout: 30_000, keepAliveTimeout: 20_000, maxHeaderSize: 16 * 1024, connectionsCheckingInterval: 5000 },
    (request, response) => {
      const fiber = run(handle(request, response).pipe(served(request, response, requestLevel)))
      // Both sides may go away at any moment; an error that nobody listens to would end the process.
      request.on("error", () => {})
      response.on("error", () => {})
      response.on("close", () => {
        if (!response.writableFinished) fiber.interruptUnsafe()
      })
    }
  )
  server.maxConnections = options.connections ?? 1024
  server.setTimeout(options.stallMillis ?? 60_000, (socket) => socket.destroy())
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const status = refusals.get(error.code ?? "") ?? "400 Bad Request"
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    else socket.destroy()
  })

  yield* Effect.acquireRelease(
    Effect.callback<void, CannotListen>((resume) => {
      server.once("error", (error) =>
        resume(Effect.fail(new CannotListen({ address: `${options.host}:${options.port}`, detail: error.message })))
      )
      server.listen(options.port, options.host, () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const { address, port } = server.address() as AddressInfo
  return { host: address, port }
})
