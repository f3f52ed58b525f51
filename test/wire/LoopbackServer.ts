/** An HTTP server on the loopback interface whose every answer a test decides. */
import * as http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export type Handler = (request: http.IncomingMessage, response: http.ServerResponse, count: number) => void

export interface Loopback {
  /** Such as `http://127.0.0.1:1234`. */
  readonly base: string
  /** Method, path and headers of every request so far. */
  readonly requests: Array<{ readonly method: string; readonly path: string; readonly headers: http.IncomingHttpHeaders }>
  /** Connections open now. */
  readonly sockets: Set<Socket>
}

/** Starts a server for the time of the scope. `count` starts at 0 for each path. */
export const serve = (handler: Handler): Effect.Effect<Loopback, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Loopback & { server: http.Server }>((resume) => {
      const requests: Loopback["requests"] = []
      const sockets = new Set<Socket>()
      const counts = new Map<string, number>()
      const server = http.createServer((request, response) => {
        const path = request.url ?? ""
        requests.push({ method: request.method ?? "", path, headers: request.headers })
        const count = counts.get(path) ?? 0
        counts.set(path, count + 1)
        handler(request, response, count)
      })
      server.on("connection", (socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed({ base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, sockets, server }))
      })
    }),
    ({ server, sockets }) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
  )

/** Bytes that look random but are the same every time. */
export const someBytes = (length: number, seed = 1): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = seed >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** Serves `content` with ranges and an ETag, as a good server does. */
export const serveContent = (content: Uint8Array, request: http.IncomingMessage, response: http.ServerResponse, etag = '"v1"'): void => {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "")
  const matches = request.headers["if-range"] === undefined || request.headers["if-range"] === etag
  if (range !== null && matches) {
    const first = Number(range[1])
    const last = range[2] === "" ? content.length - 1 : Math.min(Number(range[2]), content.length - 1)
    if (first > last) {
      response.writeHead(416, { "content-range": `bytes */${content.length}` }).end()
      return
    }
    response.writeHead(206, { etag, "content-length": last + 1 - first, "content-range": `bytes ${first}-${last}/${content.length}` })
    response.end(content.subarray(first, last + 1))
    return
  }
  response.writeHead(200, { etag, "content-length": content.length })
  response.end(content)
}
