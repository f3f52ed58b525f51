/**
 * Tracers of a composition: the same spans wherever they are looked at, and what is wrong said before the work.
 */
import * as fs from "node:fs"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { parse } from "../../src/config/Composition.ts"
import { layersOf } from "../../src/config/CompositionLayers.ts"
import { drawText } from "../../src/config/Drawing.ts"
import { standardDrivers } from "../../src/config/Drivers.ts"
import { TraceRemarks, TracesStayHere } from "../../src/telemetry/TraceRoute.ts"
import { settingsOf } from "../../src/telemetry/TraceSettings.ts"
import * as Tracing from "../../src/telemetry/Tracing.ts"
import { attributeOf, caller, Collector, Scratch, spansIn, traceId } from "../telemetry/collector.ts"

const collector = new Collector()
const scratch = new Scratch()
beforeAll(() => collector.listen())
afterAll(() => {
  collector.close()
  scratch.remove()
})

const read = (text: string) =>
  parse("yix.toml", text, {
    drivers: standardDrivers,
    place: { directory: scratch.directory, stateDirectory: scratch.file("state") }
  })

const table = (name: string, type: string, keys: Readonly<Record<string, unknown>> = {}): string =>
  `[tracers.${name}]\ntype = "${type}"\n${Object.entries(keys)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join("")}`

interface Label {
  readonly key: string
  readonly value: { readonly stringValue?: string }
}

interface SentMetric {
  readonly name: string
  readonly unit: string
  readonly histogram: {
    readonly dataPoints: ReadonlyArray<{ readonly count: string | number; readonly attributes: ReadonlyArray<Label> }>
  }
}

/** Traces a small program as `text` composes it. */
const trace = (
  text: string,
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly stay?: boolean
    readonly name?: string
    readonly otlp?: boolean
  } = {}
) =>
  Effect.gen(function* () {
    const remarks: Array<string> = []
    const tracers = layersOf(yield* read(text)).service("tracers", "root")
    const settings = settingsOf({ otlp: options.otlp, file: undefined }, options.env ?? {})
    const work = Effect.withSpan(
      Effect.gen(function* () {
        yield* Effect.logInfo("in the middle")
        return yield* Effect.exit(Effect.withSpan(Effect.fail("no"), "inner", { attributes: { count: 7 }, kind: "client" }))
      }),
      options.name ?? "outer"
    )
    yield* Effect.provide(
      work,
      Tracing.layer(settings, tracers).pipe(
        Layer.provide([
          Layer.succeed(TraceRemarks, (remark: string) => void remarks.push(remark)),
          Layer.succeed(TracesStayHere, options.stay === true),
          Logger.layer([])
        ])
      )
    )
    return remarks
  })

/** A module whose processor writes what it gets into a file. */
const sdkModule = (name: string, how: string) =>
  scratch.file(
    name,
    `import fs from "node:fs"
const spanProcessors = [{
  onStart() {}, forceFlush: async () => {}, shutdown: async () => {},
  onEnd: (span) => fs.appendFileSync(${JSON.stringify(scratch.file(`${name}.log`))}, JSON.stringify({
    name: span.name, kind: span.kind, spanId: span.spanContext().spanId, parent: span.parentSpanContext?.spanId, traceId: span.spanContext().traceId,
    count: span.attributes.count, code: span.status.code
  }) + "\\n")
}]
${how}
`
  )

describe("tracers of a composition", () => {
  it.live("are told of the same spans, by whatever way they take", () =>
    Effect.gen(function* () {
      sdkModule("sdk.mjs", "export default async () => ({ spanProcessors })")
      const remarks = yield* trace(
        table("root", "combined", { tracers: ["collector", "&lines", "chrome", "sdk"] }) +
          table("collector", "otlp", { endpoint: collector.address, protocol: "http/json" }) +
          "[tracers.collector.headers]\nx-key = 'k'\n" +
          table("lines", "file", { path: "lines.jsonl", format: "otlp" }) +
          table("chrome", "file", { path: "chrome-{pid}.json" }) +
          table("sdk", "otel-sdk", { module: "sdk.mjs" }),
        { env: { TRACEPARENT: `00-${traceId}-${caller}-01` } }
      )
      assert.deepStrictEqual(remarks, [])
      const sent = collector.spans
      const [inner, outer] = [sent.find(({ name }) => name === "inner")!, sent.find(({ name }) => name === "outer")!]
      assert.strictEqual(sent.length, 2)
      assert.deepStrictEqual([outer.traceId, outer.parentSpanId, inner.parentSpanId], [traceId, caller, outer.spanId])
      assert.deepStrictEqual([inner.kind, inner.status.code, attributeOf(inner, "count")], [3, 2, 7])
      assert.isTrue(collector.posts.every((post) => post.headers["x-key"] === "k"))
      const logs = collector.logs
      assert.deepStrictEqual(
        logs.map((line) => [line.body.stringValue, line.spanId, line.traceId]),
        [["in the middle", outer.spanId, traceId]]
      )
      const lines = fs.readFileSync(scratch.file("lines.jsonl"), "utf8").trimEnd().split("\n").flatMap(spansIn)
      assert.deepStrictEqual(lines, sent)
      const chrome = JSON.parse(fs.readFileSync(scratch.file(`chrome-${process.pid}.json`), "utf8")) as {
        readonly traceEvents: ReadonlyArray<{ readonly ph: string; readonly name: string; readonly args: { readonly spanId: string } }>
      }
      assert.deepStrictEqual(
        chrome.traceEvents.filter(({ ph }) => ph === "X").map(({ name, args }) => [name, args.spanId]),
        [
          ["outer", outer.spanId],
          ["inner", inner.spanId]
        ]
      )
      const handed = fs.readFileSync(scratch.file("sdk.mjs.log"), "utf8").trimEnd().split("\n")
      assert.deepStrictEqual(
        handed.map((line) => JSON.parse(line) as unknown),
        [
          { name: "inner", kind: 2, spanId: inner.spanId, parent: outer.spanId, traceId, count: 7, code: 2 },
          { name: "outer", kind: 0, spanId: outer.spanId, parent: caller, traceId, code: 1 }
        ]
      )
    })
  )

  it.live("that send are not joined by the collector of this machine, which --otlp means where there is none", () =>
    Effect.gen(function* () {
      collector.posts.length = 0
      const text = table("root", "otlp", { endpoint: collector.address, protocol: "http/json" })
      assert.deepStrictEqual(yield* trace(text, { otlp: true }), [])
      assert.strictEqual(collector.spans.length, 2)
    })
  )

  it.live("count where that is asked for, also what is not sampled", () =>
    Effect.gen(function* () {
      collector.posts.length = 0
      yield* trace(table("root", "otlp", { endpoint: collector.address, protocol: "http/json", metrics: true, logs: false }), {
        env: { TRACEPARENT: `00-${traceId}-${caller}-00` },
        name: "realise.build"
      })
      assert.deepStrictEqual(
        collector.posts.map(({ url }) => url),
        ["/v1/metrics"]
      )
      const { resourceMetrics } = JSON.parse(collector.posts[0]!.body.toString()) as {
        readonly resourceMetrics: ReadonlyArray<{ readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<SentMetric> }> }>
      }
      const sent = resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      const work = sent.find(({ name }) => name === "yix.work.duration")
      assert.strictEqual(work?.unit, "s")
      const [point] = work?.histogram.dataPoints ?? []
      assert.strictEqual(Number(point?.count), 1)
      const attributes = new Map(point?.attributes.map(({ key, value }) => [key, value.stringValue]))
      assert.deepStrictEqual([attributes.get("kind"), attributes.get("outcome")], ["build", "done"])
    })
  )

  it.live("that send do nothing where nothing may be sent; files are written all the same", () =>
    Effect.gen(function* () {
      collector.posts.length = 0
      sdkModule("quiet.mjs", "export { spanProcessors }")
      yield* trace(
        table("root", "combined", { tracers: ["collector", "lines", "sdk"] }) +
          table("collector", "otlp", { endpoint: collector.address }) +
          table("lines", "file", { path: "quiet.jsonl", format: "otlp" }) +
          table("sdk", "otel-sdk", { module: "quiet.mjs" }),
        { stay: true }
      )
      assert.strictEqual(collector.posts.length, 0)
      assert.isFalse(fs.existsSync(scratch.file("quiet.mjs.log")))
      assert.strictEqual(spansIn(fs.readFileSync(scratch.file("quiet.jsonl"), "utf8")).length, 2)
    })
  )

  it.live("that cannot be reached cost a remark", () =>
    Effect.gen(function* () {
      const remarks = yield* trace(table("root", "otlp", { endpoint: "http://127.0.0.1:1", timeout: 200 }))
      assert.deepStrictEqual(remarks, ["traces could not be sent to 'http://127.0.0.1:1/v1/traces': it cannot be reached"])
    })
  )

  it.effect("that are not there make no root, and their headers are not drawn", () =>
    Effect.gen(function* () {
      assert.isFalse([...(yield* read("")).instances.keys()].some((id) => id.startsWith("tracers.")))
      const drawn = drawText(yield* read(`${table("root", "otlp")}headers = { authorization = "secret" }\n`)).join("\n")
      assert.include(drawn, "tracers.root (otlp) headers=authorization")
      assert.notInclude(drawn, "secret")
    })
  )

  const wrong: ReadonlyArray<readonly [name: string, text: () => string, message: RegExp]> = [
    [
      "a file whose directory is not there",
      () => table("root", "file", { path: "no/trace.json" }),
      /^tracers\.root: cannot write the trace to '.*no\/trace\.json': its directory does not exist/
    ],
    [
      "a module that is not there",
      () => table("root", "otel-sdk", { module: "none.mjs" }),
      /^tracers\.root: .*none\.mjs' says: it cannot be loaded .*npm install @effect\/opentelemetry/
    ],
    [
      "a module that exports something else",
      () => {
        scratch.file("else.mjs", "export default 3\n")
        return table("root", "otel-sdk", { module: "else.mjs" })
      },
      /exports neither a tracer provider nor a list 'spanProcessors'; export default \{ spanProcessors/
    ],
    [
      "two modules at once",
      () => {
        sdkModule("left.mjs", "export { spanProcessors }")
        sdkModule("right.mjs", "export { spanProcessors }")
        const each = table("a", "otel-sdk", { module: "left.mjs" }) + table("b", "otel-sdk", { module: "right.mjs" })
        return table("root", "combined", { tracers: ["a", "b"] }) + each
      },
      /two tracers of type 'otel-sdk' cannot work at the same time/
    ],
    [
      "an endpoint that is no address",
      () => table("root", "otlp", { endpoint: "collector:4317" }),
      /^yix\.toml:3: tracers\.root\.endpoint: /
    ],
    [
      "a protocol that is not spoken",
      () => table("root", "otlp", { protocol: "grpc" }),
      /^yix\.toml:3: tracers\.root\.protocol: .*write http\/protobuf or http\/json|"http\/protobuf"/
    ],
    [
      "a tracer that is not there",
      () => table("root", "combined", { tracers: ["file"] }),
      /^yix\.toml:3: tracers\.root\.tracers: there is no tracer 'file'/
    ]
  ]
  for (const [name, text, message] of wrong) {
    it.live(`are refused with ${name}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(trace(text()))
        assert.match(error.message, message)
      })
    )
  }
})
