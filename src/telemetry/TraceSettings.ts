/**
 * Whether traces are made, and where they go: the flags, then the standard `OTEL_*` environment
 * (https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and …/configuration/sdk-environment-variables/). Loads nothing: a run without traces pays for
 * this alone. A setting that cannot be followed is a remark, never an error: what the user asked for is not the trace.
 */

export interface OtlpSettings {
  /** Where spans are posted. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly encoding: "json" | "protobuf"
  readonly compression: "gzip" | "none"
  /** Milliseconds between posts. */
  readonly interval: number
  /** Spans in one post. */
  readonly batch: number
  /** Milliseconds that the last post may take when the program ends. */
  readonly patience: number
  /** `service.name`, unless the environment names one. */
  readonly serviceName: string | undefined
}

export interface TraceSettings {
  readonly otlp: OtlpSettings | undefined
  /** The file for a Chrome trace. */
  readonly file: string | undefined
  /** `TRACEPARENT` of the environment: the span that this run is part of. */
  readonly parent: string | undefined
  /** What could not be followed, in plain words. */
  readonly remark: string | undefined
}

export interface TraceFlags {
  /** `--otlp`: on, off, or left to the environment. */
  readonly otlp: boolean | undefined
  readonly file: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

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

/** What flags and environment ask for. */
export const settingsOf = (flags: TraceFlags, env: Environment): TraceSettings => {
  /** A variable for traces goes before the one for all signals; an empty one is as none. */
  const read = (name: string): string | undefined =>
    env[`OTEL_EXPORTER_OTLP_TRACES_${name}`]?.trim() || env[`OTEL_EXPORTER_OTLP_${name}`]?.trim() || undefined
  const count = (text: string | undefined, otherwise: number): number =>
    text !== undefined && /^[1-9][0-9]{0,8}$/.test(text.trim()) ? Number(text) : otherwise

  const settings = (otlp: OtlpSettings | undefined, remark?: string): TraceSettings => ({
    otlp,
    file: flags.file,
    parent: env["TRACEPARENT"]?.trim() || undefined,
    remark
  })

  const exporters = (env["OTEL_TRACES_EXPORTER"]?.trim() || "otlp").toLowerCase().split(/\s*,\s*/)
  const disabled = env["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true" || !exporters.includes("otlp")
  if (flags.otlp === false || (flags.otlp === undefined && (disabled || read("ENDPOINT") === undefined))) return settings(undefined)

  const own = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]?.trim() || undefined
  const endpoint = own ?? `${(read("ENDPOINT") ?? defaultEndpoint).replace(/\/+$/, "")}/v1/traces`
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    return settings(
      undefined,
      `no traces are sent: '${own ?? read("ENDPOINT")}' is no http or https address; correct OTEL_EXPORTER_OTLP_ENDPOINT`
    )
  }
  const protocol = read("PROTOCOL") ?? "http/protobuf"
  if (protocol !== "http/protobuf" && protocol !== "http/json") {
    return settings(
      undefined,
      `no traces are sent: OTEL_EXPORTER_OTLP_PROTOCOL is '${protocol}', and only http/protobuf and http/json are supported; choose one of them and name the collector's HTTP port (4318)`
    )
  }
  return settings({
    url: endpoint,
    headers: headersOf(read("HEADERS") ?? ""),
    encoding: protocol === "http/json" ? "json" : "protobuf",
    compression: read("COMPRESSION") === "gzip" ? "gzip" : "none",
    interval: count(env["OTEL_BSP_SCHEDULE_DELAY"], 5000),
    batch: count(env["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"], 512),
    patience: count(read("TIMEOUT"), defaultPatience),
    serviceName:
      (env["OTEL_SERVICE_NAME"]?.trim() ?? "") !== "" || /(?:^|,)\s*service\.name\s*=/.test(env["OTEL_RESOURCE_ATTRIBUTES"] ?? "")
        ? undefined
        : "yix"
  })
}
