/**
 * Requests as spans and as lines of the log. Names and attributes are OpenTelemetry's (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
 */
import type * as http from "node:http"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as LogLevel from "effect/LogLevel"
import { continued, traceHeader } from "../../wire/TraceHeaders.ts"

/** What a path is an instance of, so that spans of one kind have one name. */
const routeOf = (path: string): string => {
  if (path === "/" || path === "/nix-cache-info") return path
  const suffix = /^\/[0-9a-z]{32}\.(narinfo|ls)$/.exec(path)
  if (suffix !== null) return `/{hash}.${suffix[1]}`
  return path.startsWith("/nar/") ? "/nar/{file}" : "/{other}"
}

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"])

/**
 * Runs the work for one request as a span, below that of the client's `traceparent`, and tells at `level` what came of it. The runner must have no span of its own:
 * requests are no part of what the server was started for.
 */
export const served =
  (request: http.IncomingMessage, response: http.ServerResponse, level: LogLevel.Severity) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) => {
    const method = methods.has(request.method ?? "") ? request.method! : "_OTHER"
    const path = (request.url ?? "").replace(/[?#].*$/s, "")
    const route = routeOf(path)
    const traceparent = request.headers[traceHeader]
    const attributes: Record<string, unknown> = {
      "http.request.method": method,
      "http.route": route,
      "url.path": path,
      "url.scheme": "http",
      "network.protocol.version": request.httpVersion
    }
    const { remoteAddress } = request.socket
    if (remoteAddress !== undefined) attributes["client.address"] = remoteAddress
    const agent = request.headers["user-agent"]
    if (agent !== undefined) attributes["user_agent.original"] = agent
    const since = performance.now()
    return work.pipe(
      Effect.onExit((exit) => {
        const status = response.statusCode
        // Broken off: what had been said of a status is not how it ended.
        const ended = Exit.isSuccess(exit) && response.headersSent && !response.destroyed ? String(status) : "broken off"
        const told = Effect.logWithLevel(level)(`${method} ${path} ${ended}`).pipe(
          Effect.annotateLogs({
            milliseconds: Math.round((performance.now() - since) * 10) / 10,
            ...(remoteAddress === undefined ? {} : { client: remoteAddress })
          })
        )
        return response.headersSent ? Effect.andThen(Effect.annotateCurrentSpan("http.response.status_code", status), told) : told
      }),
      Effect.withSpan(`http ${method} ${route}`, { kind: "server", attributes }),
      continued(typeof traceparent === "string" ? traceparent : undefined)
    )
  }
