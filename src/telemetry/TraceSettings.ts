/**
 * Whether traces are made, and where they go: the flags, then the standard `OTEL_*` environment
 * (https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and …/configuration/sdk-environment-variables/), then the keys of a tracer in `yix.toml`. Loads
 * nothing: a run without traces pays for this alone. A setting that cannot be followed is a remark, never an error: what the user asked for is not the trace.
 */

/** Where one kind of telemetry is posted, and how. */
export interface OtlpTarget {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly encoding: "json" | "protobuf"
  readonly compression: "gzip" | "none"
}

export interface OtlpSettings extends OtlpTarget {
  /** Milliseconds between posts. */
  readonly interval: number
  /** Spans in one post. */
  readonly batch: number
  /** Milliseconds that the last post may take when the program ends. */
  readonly patience: number
  /** `service.name`, unless the environment names one. */
  readonly serviceName: string | undefined
  /** Where lines of the log go, if anywhere. */
  readonly logs: OtlpTarget | undefined
  /** Where counts and durations go: only where somebody asked for them by name. */
  readonly metrics: OtlpTarget | undefined
}

export interface TraceSettings {
  readonly otlp: OtlpSettings | undefined
  /** The file for a Chrome trace. */
  readonly file: string | undefined
  /** `TRACEPARENT` of the environment: the span that this run is part of. */
  readonly parent: string | undefined
  /** Nothing may be sent to anybody, whatever `yix.toml` says. */
  readonly silent: boolean
  /** Requests over HTTP carry the trace. */
  readonly propagate: boolean
  /** What could not be followed, in plain words. */
  readonly remark: string | undefined
}

export interface TraceFlags {
  /** `--otlp`: on, off, or left to the environment. */
  readonly otlp: boolean | undefined
  readonly file: string | undefined
}

/** What a tracer's table says, in the place of variables that are not set. */
export interface OtlpKeys {
  readonly endpoint?: string | undefined
  readonly protocol?: "http/protobuf" | "http/json" | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly compression?: "gzip" | "none" | undefined
  readonly timeout?: number | undefined
  readonly interval?: number | undefined
  readonly batch?: number | undefined
  readonly service_name?: string | undefined
  readonly logs?: boolean | undefined
  readonly metrics?: boolean | undefined
}

export type Environment = Readonly<Record<string, string | undefined>>

const defaultEndpoint = "http://localhost:4318"

/** A collector that does not answer may not keep the user waiting: one second, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says how long. */
const defaultPatience = 1000

/** `key=value,key=value`; values are percent-encoded. What is malformed is left out. */
const headersOf = (text: string): Record<string, string> => {
  const headers: Record<string, string> = {}
  for (const pair of text.split(",")) {
    const at = pair.indexOf("=")
    if (at < 1) continue
    try {
      headers[decodeURIComponent(pair.slice(0, at).trim()).toLowerCase()] = decodeURIComponent(pair.slice(at + 1).trim())
    } catch {
      // A stray percent sign.
    }
  }
  return headers
}

type Signal = "traces" | "logs" | "metrics"

/** An empty variable is as none. */
const variable = (env: Environment, name: string): string | undefined => env[name]?.trim() || undefined

/** A variable for one signal goes before the one for all. */
const otlpVariable = (env: Environment, signal: Signal, name: string): string | undefined =>
  variable(env, `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${name}`) ?? variable(env, `OTEL_EXPORTER_OTLP_${name}`)

const exporters = (env: Environment, signal: Signal): ReadonlyArray<string> | undefined =>
  variable(env, `OTEL_${signal.toUpperCase()}_EXPORTER`)
    ?.toLowerCase()
    .split(/\s*,\s*/)

const isDisabled = (env: Environment): boolean => variable(env, "OTEL_SDK_DISABLED")?.toLowerCase() === "true"

const targetOf = (env: Environment, keys: OtlpKeys, signal: Signal): OtlpTarget | string => {
  const own = variable(env, `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`)
  const base = variable(env, "OTEL_EXPORTER_OTLP_ENDPOINT") ?? keys.endpoint ?? defaultEndpoint
  const url = own ?? `${base.replace(/\/+$/, "")}/v1/${signal}`
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    return `'${own ?? base}' is no http or https address; correct OTEL_EXPORTER_OTLP_ENDPOINT`
  }
  const protocol = otlpVariable(env, signal, "PROTOCOL") ?? keys.protocol ?? "http/protobuf"
  if (protocol !== "http/protobuf" && protocol !== "http/json") {
    return `OTEL_EXPORTER_OTLP_PROTOCOL is '${protocol}', and only http/protobuf and http/json are supported; choose one of them and name the collector's HTTP port (4318)`
  }
  const headers = otlpVariable(env, signal, "HEADERS")
  return {
    url,
    headers: headers === undefined ? (keys.headers ?? {}) : headersOf(headers),
    encoding: protocol === "http/json" ? "json" : "protobuf",
    compression: (otlpVariable(env, signal, "COMPRESSION") ?? keys.compression) === "gzip" ? "gzip" : "none"
  }
}

/** Whether a kind of telemetry beside the traces goes to the collector, too. */
const besides = (env: Environment, keys: OtlpKeys, signal: "logs" | "metrics"): boolean => {
  const named = exporters(env, signal)
  if (named !== undefined) return named.includes("otlp")
  if (variable(env, `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`) !== undefined) return true
  // Where only traces have an address, there is none for others.
  const somewhere = variable(env, "OTEL_EXPORTER_OTLP_ENDPOINT") ?? keys.endpoint
  const anywhere = somewhere !== undefined || variable(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") === undefined
  return keys[signal] ?? (signal === "logs" && anywhere)
}

/** The collector of environment and keys, or why there is none. */
export const otlpSettings = (env: Environment, keys: OtlpKeys = {}): OtlpSettings | string => {
  const traces = targetOf(env, keys, "traces")
  if (typeof traces === "string") return traces
  const beside = (signal: "logs" | "metrics"): OtlpTarget | undefined => {
    const target = besides(env, keys, signal) ? targetOf(env, keys, signal) : undefined
    return typeof target === "string" ? undefined : target
  }
  const count = (text: string | undefined, otherwise: number): number =>
    text !== undefined && /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : otherwise
  const named =
    variable(env, "OTEL_SERVICE_NAME") !== undefined || /(?:^|,)\s*service\.name\s*=/.test(env["OTEL_RESOURCE_ATTRIBUTES"] ?? "")
  return {
    ...traces,
    interval: count(variable(env, "OTEL_BSP_SCHEDULE_DELAY"), keys.interval ?? 5000),
    batch: count(variable(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), keys.batch ?? 512),
    patience: count(otlpVariable(env, "traces", "TIMEOUT"), keys.timeout ?? defaultPatience),
    serviceName: named ? undefined : (keys.service_name ?? "yix"),
    logs: beside("logs"),
    metrics: beside("metrics")
  }
}

/** What flags and environment ask for. */
export const settingsOf = (flags: TraceFlags, env: Environment): TraceSettings => {
  const disabled = isDisabled(env) || exporters(env, "traces")?.includes("otlp") === false
  const propagators = variable(env, "OTEL_PROPAGATORS")
    ?.toLowerCase()
    .split(/\s*,\s*/)
  const settings = (otlp: OtlpSettings | undefined, remark?: string): TraceSettings => ({
    otlp,
    file: flags.file,
    parent: variable(env, "TRACEPARENT"),
    silent: flags.otlp === false || (flags.otlp === undefined && disabled),
    propagate: propagators === undefined || propagators.includes("tracecontext"),
    remark
  })
  const named = otlpVariable(env, "traces", "ENDPOINT") !== undefined
  if (flags.otlp === false || (flags.otlp === undefined && (disabled || !named))) return settings(undefined)
  const otlp = otlpSettings(env)
  return typeof otlp === "string" ? settings(undefined, `no traces are sent: ${otlp}`) : settings(otlp)
}
