import { assert, describe, it } from "@effect/vitest"
import { type OtlpKeys, otlpSettings, type OtlpSettings, settingsOf } from "../../src/telemetry/TraceSettings.ts"

const none = { otlp: undefined, file: undefined }
const urlOf = (env: Readonly<Record<string, string>>, otlp?: boolean) => settingsOf({ otlp, file: undefined }, env).otlp?.url

describe("settings of traces", () => {
  it("name the collector of the environment, that for traces before that for all signals", () => {
    assert.strictEqual(urlOf({}), undefined)
    assert.strictEqual(urlOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "" }), undefined)
    assert.strictEqual(urlOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" }), "http://c:4318/v1/traces")
    assert.strictEqual(urlOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "https://c/base/" }), "https://c/base/v1/traces")
    const own = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://t:1/x" }
    assert.strictEqual(urlOf(own), "http://t:1/x")
  })

  it("follow the flag before the environment", () => {
    assert.strictEqual(urlOf({}, true), "http://localhost:4318/v1/traces")
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" }
    assert.strictEqual(urlOf(env, false), undefined)
    assert.strictEqual(urlOf({ ...env, OTEL_SDK_DISABLED: "true" }), undefined)
    assert.strictEqual(urlOf({ ...env, OTEL_SDK_DISABLED: "true" }, true), "http://c:4318/v1/traces")
    assert.strictEqual(urlOf({ ...env, OTEL_TRACES_EXPORTER: "console, otlp" }), "http://c:4318/v1/traces")
    assert.strictEqual(urlOf({ ...env, OTEL_TRACES_EXPORTER: "none" }), undefined)
  })

  it("decode headers and leave out malformed ones", () => {
    const env = { OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Basic%20abc=, x=1,broken,=y,z=%zz" }
    assert.deepStrictEqual(settingsOf({ ...none, otlp: true }, env).otlp?.headers, { authorization: "Basic abc=", x: "1" })
  })

  it("wait a second at the end unless told how long, and take nonsense for nothing", () => {
    const patience = (value: string) => settingsOf({ ...none, otlp: true }, { OTEL_EXPORTER_OTLP_TIMEOUT: value }).otlp?.patience
    assert.deepStrictEqual(["", "250", "-1", "soon", "1e9"].map(patience), [1000, 250, 1000, 1000, 1000])
  })

  it("name the service unless the environment does", () => {
    const name = (env: Readonly<Record<string, string>>) => settingsOf({ ...none, otlp: true }, env).otlp?.serviceName
    assert.strictEqual(name({}), "yix")
    assert.strictEqual(name({ OTEL_SERVICE_NAME: "ci" }), undefined)
    assert.strictEqual(name({ OTEL_RESOURCE_ATTRIBUTES: "host.name=a,service.name=ci" }), undefined)
  })

  it("take the keys of a tracer where the environment says nothing, each for itself", () => {
    const keys = { endpoint: "http://k:4318/", protocol: "http/json", headers: { a: "1" }, timeout: 5, interval: 6, batch: 7 } as const
    const own = otlpSettings({}, { ...keys, service_name: "farm" })
    const { patience, ...rest } = own as OtlpSettings
    assert.deepStrictEqual(rest, {
      url: "http://k:4318/v1/traces",
      headers: { a: "1" },
      encoding: "json",
      compression: "none",
      interval: 6,
      batch: 7,
      serviceName: "farm",
      logs: { url: "http://k:4318/v1/logs", headers: { a: "1" }, encoding: "json", compression: "none" },
      metrics: undefined
    })
    assert.strictEqual(patience, 5)
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://e", OTEL_EXPORTER_OTLP_TIMEOUT: "9", OTEL_SERVICE_NAME: "ci" }
    const both = otlpSettings(env, { ...keys, service_name: "farm" }) as OtlpSettings
    assert.deepStrictEqual(
      [both.url, both.headers, both.encoding, both.patience, both.serviceName],
      ["http://e/v1/traces", { a: "1" }, "json", 9, undefined]
    )
  })

  it("send the log along, and counts where they are asked for by name", () => {
    const besides = (env: Readonly<Record<string, string>>, keys: OtlpKeys = {}) => {
      const { logs, metrics } = otlpSettings(env, keys) as OtlpSettings
      return [logs?.url, metrics?.url]
    }
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c" }
    assert.deepStrictEqual(besides(endpoint), ["http://c/v1/logs", undefined])
    assert.deepStrictEqual(besides({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://t/own" }), [undefined, undefined])
    assert.deepStrictEqual(besides({ ...endpoint, OTEL_LOGS_EXPORTER: "none", OTEL_METRICS_EXPORTER: "otlp" }), [
      undefined,
      "http://c/v1/metrics"
    ])
    assert.deepStrictEqual(besides({ ...endpoint, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://m/x" }), ["http://c/v1/logs", "http://m/x"])
    assert.deepStrictEqual(besides(endpoint, { logs: false, metrics: true }), [undefined, "http://c/v1/metrics"])
    assert.deepStrictEqual(besides({ ...endpoint, OTEL_METRICS_EXPORTER: "none" }, { metrics: true }), ["http://c/v1/logs", undefined])
  })

  it("keep everything here, and the trace out of requests, where that is said", () => {
    const silent = (env: Readonly<Record<string, string>>, otlp?: boolean) => settingsOf({ otlp, file: undefined }, env).silent
    assert.deepStrictEqual(
      [silent({}), silent({}, false), silent({ OTEL_SDK_DISABLED: "true" }), silent({ OTEL_SDK_DISABLED: "true" }, true)],
      [false, true, true, false]
    )
    const propagate = (value: string) => settingsOf(none, { OTEL_PROPAGATORS: value }).propagate
    assert.deepStrictEqual(["", "tracecontext,baggage", "b3, TraceContext", "none", "b3"].map(propagate), [true, true, true, false, false])
  })

  it("say what cannot be followed and switch sending off", () => {
    for (const env of [{ OTEL_EXPORTER_OTLP_ENDPOINT: "c:4317" }, { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }]) {
      const settings = settingsOf({ otlp: true, file: "t.json" }, env)
      assert.strictEqual(settings.otlp, undefined)
      assert.strictEqual(settings.file, "t.json")
      assert.match(settings.remark ?? "", /^no traces are sent: /)
    }
  })
})
