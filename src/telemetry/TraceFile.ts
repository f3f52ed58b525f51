/**
 * Spans into a file of this machine: as a Chrome trace, written when the run ends, or as lines of OTLP in JSON
 * (https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/), added as spans end, which several processes may do at the same time.
 *
 * Promises: the file is opened at once, so that a wrong name is told before the work and not after; what cannot be written in the end is a remark.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ChromeTrace from "./ChromeTrace.ts"
import { type EndedSpan, type Route, TraceRemarks } from "./TraceRoute.ts"

/** The file for the trace cannot be written. */
export class TraceFileNotWritable extends Schema.TaggedError<TraceFileNotWritable>()("TraceFileNotWritable", {
  file: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot write the trace to '${this.file}': ${this.detail}; name a file that can be written`
  }
}

const reasons = new Map([
  ["EACCES", "permission denied"],
  ["ENOENT", "its directory does not exist"],
  ["EISDIR", "it is a directory"],
  ["EROFS", "the file system is read-only"],
  ["ENOSPC", "the disk is full"]
])

const notWritable = (file: string, error: unknown): TraceFileNotWritable => {
  const { code, message } = error as NodeJS.ErrnoException
  return new TraceFileNotWritable({ file, detail: reasons.get(code ?? "") ?? message })
}

/** Spans of a Chrome trace, at most: they are kept in memory until the end. */
const mostSpans = 500_000

/** A Chrome trace. */
export const chromeRoute = Effect.fnUntraced(function* (file: string): Effect.fn.Return<Route, TraceFileNotWritable, Scope.Scope> {
  const remark = yield* TraceRemarks
  const fd = yield* Effect.try({ try: () => fs.openSync(file, "w"), catch: (error) => notWritable(file, error) })
  const spans: Array<EndedSpan> = []
  let left = 0
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      try {
        fs.writeFileSync(fd, ChromeTrace.render(spans))
        fs.closeSync(fd)
        if (left > 0) remark(`the trace in '${file}' has the first ${mostSpans} spans and lacks ${left}; write it as 'otlp' for more`)
      } catch (error) {
        remark(notWritable(file, error).message)
      }
    })
  )
  const ended = (span: EndedSpan): void => {
    if (spans.length < mostSpans) spans.push(span)
    else left++
  }
  return { maker: undefined, sinks: [{ name: `file ${file}`, unsampled: true, ended }], loggers: [] }
})

/** Lines of OTLP. */
export const linesRoute = Effect.fnUntraced(function* (file: string): Effect.fn.Return<Route, TraceFileNotWritable, Scope.Scope> {
  const remark = yield* TraceRemarks
  const fd = yield* Effect.acquireRelease(
    Effect.try({ try: () => fs.openSync(file, "a"), catch: (error) => notWritable(file, error) }),
    (fd) => Effect.sync(() => fs.closeSync(fd))
  )
  const [{ sinkOf }, OtlpExporter, OtlpSerialization, HttpClient, HttpClientResponse] = yield* Effect.promise(() =>
    Promise.all([
      import("./OtlpSink.ts"),
      import("effect/observability/OtlpExporter"),
      import("effect/observability/OtlpSerialization"),
      import("effect/http/HttpClient"),
      import("effect/http/HttpClientResponse")
    ])
  )
  let told = false
  // The exporter posts; what it posts is a line. One write of a line into a file opened for adding is never mixed with another's.
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      try {
        if (request.body._tag === "Uint8Array") fs.writeSync(fd, Buffer.concat([request.body.body, Buffer.from("\n")]))
      } catch (error) {
        if (!told) remark(notWritable(file, error).message)
        told = true
      }
      return HttpClientResponse.fromWeb(request, new Response(null, { status: 200 }))
    })
  )
  const services = Layer.mergeAll(OtlpExporter.layerFlusher, OtlpSerialization.layerJson, Layer.succeed(HttpClient.HttpClient, client))
  const sink = yield* Effect.flatMap(Layer.build(services), (context) =>
    Effect.provideContext(
      sinkOf(`file ${file}`, {
        url: "http://localhost/v1/traces",
        headers: {},
        encoding: "json",
        compression: "none",
        interval: 1000,
        batch: 512,
        patience: 5000,
        serviceName: "yix"
      }),
      context
    )
  )
  return { maker: undefined, sinks: [sink], loggers: [] }
})
