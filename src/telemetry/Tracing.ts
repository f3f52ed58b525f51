/**
 * The tracer of a run that is traced: spans go to an OTLP collector, into a Chrome trace file, or both. Loaded only then.
 *
 * Promises: all spans of a run belong to one trace, which continues the caller's (`TRACEPARENT`); ending waits for a collector no longer than `patience`; a
 * collector that cannot be reached costs a remark and nothing else.
 */
import * as fs from "node:fs"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as ChromeTrace from "./ChromeTrace.ts"
import type { OtlpSettings, TraceSettings } from "./TraceSettings.ts"

/** The file for the trace cannot be written. */
export class TraceFileNotWritable extends Schema.TaggedError<TraceFileNotWritable>()("TraceFileNotWritable", {
  file: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot write the trace to '${this.file}': ${this.detail}; name a file that can be written with --trace-out`
  }
}

/** Why spans did not arrive, if so: the state of the latest post. */
class Delivery {
  state: "none" | "under way" | "arrived" | { readonly failed: string } = "none"

  get problem(): string | undefined {
    if (typeof this.state === "object") return this.state.failed
    return this.state === "under way" ? "it did not answer in time" : undefined
  }

  /** A client that keeps the state. */
  readonly client = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      HttpClient.transform(client, (post) =>
        Effect.suspend(() => {
          this.state = "under way"
          return Effect.onExit(post, (exit) =>
            Effect.sync(() => {
              if (Exit.isSuccess(exit))
                this.state = exit.value.status < 400 ? "arrived" : { failed: `it answered with ${exit.value.status}` }
              else if (!Cause.hasInterruptsOnly(exit.cause)) this.state = { failed: "it cannot be reached" }
            })
          )
        })
      )
    )
  ).pipe(Layer.provide(FetchHttpClient.layer))
}

/**
 * A tracer that posts to a collector. Closing its scope posts the rest. That happens on a fiber of its own: the command's may have been interrupted, and its
 * trace is then wanted all the more.
 */
const otlpTracer = (settings: OtlpSettings, remark: (text: string) => void): Effect.Effect<Tracer.Tracer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const delivery = new Delivery()
    const lost = (detail: string) => remark(`traces could not be sent to '${settings.url}': ${detail}`)
    const own = yield* Scope.make()
    const close = Scope.close(own, Exit.void).pipe(
      // The exporter keeps to this by itself, apart from what the platform's client does on the way out.
      Effect.timeoutOption(settings.patience * 1.5),
      Effect.withTracerEnabled(false)
    )
    yield* Effect.addFinalizer(() =>
      Effect.map(
        Effect.promise(() => Effect.runPromiseExit(close)),
        () => delivery.problem !== undefined && lost(delivery.problem)
      )
    )
    const tracer = OtlpTracer.make({
      url: settings.url,
      headers: settings.headers,
      compression: settings.compression,
      exportInterval: settings.interval,
      maxBatchSize: settings.batch,
      shutdownTimeout: settings.patience,
      resource: { serviceName: settings.serviceName }
    })
    const services = Layer.mergeAll(
      OtlpExporter.layerFlusher,
      delivery.client,
      settings.encoding === "json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf
    )
    return yield* Effect.flatMap(Layer.buildWithScope(services, own), (context) => Effect.provideContext(tracer, context)).pipe(
      Scope.provide(own),
      // The environment may be malformed in what the exporter reads by itself (OTEL_RESOURCE_ATTRIBUTES).
      Effect.catchCause((cause) => {
        lost(String(Cause.squash(cause)))
        return Effect.succeed(Tracer.nativeTracer)
      })
    )
  })

/** `inner` with every span told to `seen` when it ends. */
const recording = (inner: Tracer.Tracer, seen: (ended: ChromeTrace.EndedSpan) => void): Tracer.Tracer =>
  Tracer.make({
    ...inner,
    span: (options) => {
      const span = inner.span(options)
      const end = span.end.bind(span)
      span.end = (endTime, exit) => {
        if (span.status._tag === "Ended") return
        end(endTime, exit)
        seen({ span, status: { _tag: "Ended", startTime: span.status.startTime, endTime, exit } })
      }
      return span
    }
  })

const reasons = new Map([
  ["EACCES", "permission denied"],
  ["ENOENT", "its directory does not exist"],
  ["EISDIR", "it is a directory"],
  ["EROFS", "the file system is read-only"],
  ["ENOSPC", "the disk is full"]
])

/** A tracer that writes a file when its scope closes. The file is opened at once, so that a wrong name is told before the work and not after. */
const fileTracer = (file: string, inner: Tracer.Tracer, remark: (text: string) => void) =>
  Effect.gen(function* () {
    const notWritable = (error: unknown) => {
      const { code, message } = error as NodeJS.ErrnoException
      return new TraceFileNotWritable({ file, detail: reasons.get(code ?? "") ?? message })
    }
    const fd = yield* Effect.try({ try: () => fs.openSync(file, "w"), catch: notWritable })
    const spans: Array<ChromeTrace.EndedSpan> = []
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        try {
          fs.writeFileSync(fd, ChromeTrace.render(spans))
          fs.closeSync(fd)
        } catch (error) {
          remark(notWritable(error).message)
        }
      })
    )
    return recording(inner, (ended) => void spans.push(ended))
  })

/** The tracer that `settings` ask for, and the caller's span as parent. `remark` takes what the user should know, one line each. */
export const layer = (settings: TraceSettings, remark: (text: string) => void): Layer.Layer<never, TraceFileNotWritable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const sent = settings.otlp === undefined ? Tracer.nativeTracer : yield* otlpTracer(settings.otlp, remark)
      const tracer = settings.file === undefined ? sent : yield* fileTracer(settings.file, sent, remark)
      const context = Context.make(Tracer.Tracer, tracer)
      const parent =
        settings.parent === undefined ? Option.none() : HttpTraceContext.w3c(Headers.fromInput({ traceparent: settings.parent }))
      return Option.isNone(parent) ? context : Context.add(context, Tracer.ParentSpan, parent.value)
    })
  )
