/**
 * Counts and durations, told from the spans as they end: nothing has to be counted where the work is done, and a run without metrics pays nothing for them.
 *
 * Names are OpenTelemetry's where it has some (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/); durations are in seconds, histograms count as well.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import type { EndedSpan, TraceSink } from "./TraceRoute.ts"

const seconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200]
const bytes = Array.from({ length: 12 }, (_, i) => 256 * 4 ** i)

const histogram = (name: string, unit: string, description: string) =>
  Metric.histogram(name, { description, attributes: { unit }, boundaries: unit === "s" ? seconds : bytes })

const work = histogram("yix.work.duration", "s", "Builds, fetches, copies from caches, sources and evaluations")
const files = histogram("yix.eval.file.duration", "s", "Evaluation of files to their outermost values")
const store = histogram("yix.store.duration", "s", "Operations of the store")
const httpClient = histogram("http.client.request.duration", "s", "Requests over HTTP until their answers begin")
const httpClientSize = histogram("http.client.response.body.size", "By", "Announced lengths of answers over HTTP")
const httpServer = histogram("http.server.request.duration", "s", "Requests served over HTTP")
const rpcClient = histogram("rpc.client.duration", "s", "Calls over gRPC")
const rpcServer = histogram("rpc.server.duration", "s", "Calls served over gRPC")

type Attributes = Readonly<Record<string, string>>

/** The attributes of a span that a metric keeps: few values each. */
const some = ({ span }: EndedSpan, names: ReadonlyArray<string>): Attributes =>
  Object.fromEntries(names.flatMap((name) => (span.attributes.has(name) ? [[name, String(span.attributes.get(name))]] : [])))

const outcomeOf = ({ status: { exit } }: EndedSpan): string =>
  Exit.isSuccess(exit) ? "done" : Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "failed"

const add = (metric: Metric.Metric<number, unknown>, value: number, attributes: Attributes): void =>
  metric.updateUnsafe(value, Context.make(Metric.CurrentMetricAttributes, attributes))

const told = (ended: EndedSpan): void => {
  const { span, status } = ended
  const { name, kind, attributes } = span
  const duration = Number(status.endTime - status.startTime) / 1e9
  if (name.startsWith("http ")) {
    const about = ["http.request.method", "http.response.status_code"]
    if (kind === "server") return add(httpServer, duration, some(ended, [...about, "http.route"]))
    add(httpClient, duration, some(ended, [...about, "server.address"]))
    const size = attributes.get("http.response.body.size")
    if (typeof size === "number") add(httpClientSize, size, some(ended, ["server.address"]))
    return
  }
  if (kind !== "internal") {
    if (name.startsWith("grpc ")) add(kind === "server" ? rpcServer : rpcClient, duration, { "rpc.method": name.slice(5) })
    return
  }
  if (name === "eval.file") return add(files, Number(attributes.get("busy_ms")) / 1000, { outcome: outcomeOf(ended) })
  const announced = /^realise\.(build|fetch|substitute|add-source|evaluate)$/.exec(name)
  if (announced !== null) return add(work, duration, { kind: announced[1]!, outcome: outcomeOf(ended) })
  if (/^(store|castore)\.|^PathInfoService\./.test(name)) add(store, duration, { operation: name, outcome: outcomeOf(ended) })
}

/** Tells Effect's metrics of every span, whether its trace is sampled or not. */
export const spanMetrics: TraceSink = { name: "metrics", unsampled: true, ended: told }
