import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as GrpcPathInfos from "../../src/store/pathinfo/Grpc.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { parseStorePath } from "../../src/nix/StorePath.ts"
import { ancestry, assertConnected, attributeOf, caller, Collector, Scratch, spansIn, traceId } from "./collector.ts"

const collector = new Collector()
const scratch = new Scratch()
const { posts } = collector
const json = () => collector.json
const sent = () => collector.spans
const yix = scratch.yix.bind(scratch)
const { directory } = scratch
/** Takes connections and never answers. */
const silent = http.createServer(() => {})
const addressOf = (server: http.Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

beforeAll(async () => {
  scratch.file("e.nix", expression)
  await collector.listen()
  await new Promise<void>((listening) => silent.listen(0, "127.0.0.1", listening))
})
afterAll(() => {
  collector.close()
  silent.closeAllConnections()
  silent.close()
  scratch.remove()
})

const expression = `{ salt, script ? "echo '\\"\${salt}\\"' > $out" }:
let
  sh = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-euc" script ]; };
  left = sh "left" "echo \${salt} > $out";
  right = sh "right" "echo \${salt} > $out";
in sh "top" "read x < \${left}; read y < \${right}; echo \${import (sh "imported" script)} $x $y > $out"
`

/** Asks another process over gRPC for a path, in a span of the caller's trace; that process is then interrupted. */
const askAcross = (address: string) =>
  Effect.gen(function* () {
    const span = yield* Effect.currentSpan
    const found = yield* (yield* PathInfoService).get(parseStorePath("/nix/store/cxz47lxq3sqssk6aj7i73l76947b4mg4-top"))
    return { span, found }
  }).pipe(Effect.withSpan("asking"), Effect.provide(GrpcPathInfos.layer(address)), Effect.scoped)

const build = (salt: string, ...more: ReadonlyArray<string>) => ["build", "e.nix", "--argstr", "salt", salt, "--no-out-link", ...more]

describe("traces over OTLP", { timeout: 120_000 }, () => {
  it("are one connected trace of a build with an import from a derivation, below the caller's span", async () => {
    posts.length = 0
    const run = await yix(build("one"), { ...json(), TRACEPARENT: `00-${traceId}-${caller}-01`, OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20b" })
    assert.strictEqual(run.code, 0, run.err)
    const spans = sent()
    assertConnected(spans, "yix build", caller)
    assert.strictEqual(spans[0]?.traceId, traceId)
    assert.ok(posts.every((post) => post.url === "/v1/traces" && post.headers["x-key"] === "a b"))
    const runs = spans.filter((span) => span.name === "LocalBuilder.run").map((span) => ancestry(spans, span).join(" < "))
    const built = "LocalBuilder.run < LocalBuilder.build < realise.build < realise.derivation"
    const [imported, ...others] = runs.toSorted()
    assert.isTrue(imported?.startsWith(`${built} < Question.Realise < Evaluator.run < `), imported)
    assert.deepStrictEqual(others, [
      `${built} < Realiser.realise < yix build`,
      `${built} < realise.derivation < Realiser.realise < yix build`,
      `${built} < realise.derivation < Realiser.realise < yix build`
    ])
    const file = spans.find((span) => span.name === "eval.file")
    assert.deepStrictEqual(file && [attributeOf(file, "code.file.path"), ancestry(spans, file)[1]], [
      path.join(directory, "e.nix"),
      "Evaluator.run"
    ])
    for (const name of ["castore.ingestPath", "PathInfoService.put"]) {
      for (const span of spans.filter((each) => each.name === name)) assert.include(ancestry(spans, span), "realise.derivation")
    }
    for (const span of spans) assert.ok(BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano), span.name)
  })

  it("say what failed, and are sent when the command fails", async () => {
    posts.length = 0
    const run = await yix(build("two", "--argstr", "script", "exit 7"), json())
    assert.notStrictEqual(run.code, 0)
    const spans = sent()
    assertConnected(spans, "yix build", undefined)
    const failed = spans.find((span) => span.name === "LocalBuilder.run")
    assert.strictEqual(failed?.status.code, 2)
    assert.match(failed?.status.message ?? "", /7/)
  })

  it("are sent when the command is interrupted", async () => {
    posts.length = 0
    const run = await yix(build("three", "--argstr", "script", "echo begun; sleep 30"), json(), (stop) => stop())
    assert.strictEqual(run.code, 130, run.err)
    assertConnected(sent(), "yix build", undefined)
  })

  it("go on in the process that is asked over gRPC, below the span of the one that asks", async () => {
    posts.length = 0
    const address = `unix:${path.join(directory, "grpc.sock")}`
    let asked: Promise<Effect.Success<ReturnType<typeof askAcross>>> | undefined
    const serving = await yix(["serve", "--grpc", address], json(), (stop) => {
      asked ??= Effect.runPromise(Effect.ensuring(askAcross(address), Effect.sync(stop)))
    })
    assert.strictEqual(serving.code, 130, serving.err)
    const asking = (await asked)?.span
    assert.ok(asking !== undefined)
    const calls = sent().filter((span) => span.name.startsWith("grpc "))
    assert.isAbove(calls.length, 0)
    for (const call of calls) assert.deepStrictEqual([call.traceId, call.parentSpanId], [asking.traceId, asking.spanId])
  })

  it("are protobuf unless JSON is asked for", async () => {
    posts.length = 0
    const run = await yix(["eval", "-E", "1"], { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.address}/own` })
    assert.strictEqual(run.code, 0, run.err)
    assert.deepStrictEqual(
      posts.map((post) => [post.url, post.headers["content-type"]]),
      [["/own", "application/x-protobuf"]]
    )
    assert.ok(posts[0]?.body.includes("Evaluator.run"))
  })

  it("are not sent without an endpoint, nor when switched off", async () => {
    posts.length = 0
    const off: ReadonlyArray<readonly [ReadonlyArray<string>, Readonly<Record<string, string>>]> = [
      [[], { TRACEPARENT: `00-${traceId}-${caller}-01` }],
      [["--otlp=false"], json()],
      [[], { ...json(), OTEL_SDK_DISABLED: "true" }],
      [[], { ...json(), OTEL_TRACES_EXPORTER: "none" }]
    ]
    for (const [flags, env] of off) {
      const run = await yix(["eval", "-E", "1 + 1", ...flags], env)
      assert.deepStrictEqual([run.code, run.out, run.err], [0, "2\n", ""])
    }
    assert.strictEqual(posts.length, 0)
    const on = await yix(["eval", "-E", "1 + 1", "--otlp"], { ...json(), OTEL_SDK_DISABLED: "true" })
    assert.strictEqual(on.code, 0, on.err)
    assert.strictEqual(posts.length, 1)
  })

  it("cost a second and a warning, no more, where nobody answers", async () => {
    const plain = await yix(["eval", "-E", "1"])
    for (const endpoint of ["http://127.0.0.1:1", addressOf(silent)]) {
      const run = await yix(["eval", "-E", "1"], { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
      assert.deepStrictEqual([run.code, run.out], [0, "1\n"])
      assert.match(run.err, /^warning: traces could not be sent to '.*\/v1\/traces': it .*\n$/)
      // One second of waiting; the rest is a machine with other things to do.
      assert.isBelow(run.milliseconds, plain.milliseconds * 3 + 2500)
    }
  })

  it("are left alone, with a warning, where the environment cannot be followed", async () => {
    for (const env of [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317" },
      { OTEL_EXPORTER_OTLP_ENDPOINT: collector.address, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }
    ]) {
      const run = await yix(["eval", "-E", "1"], env)
      assert.deepStrictEqual([run.code, run.out], [0, "1\n"])
      assert.match(run.err, /^warning: no traces are sent: .*\n$/)
    }
    const told = await yix(["eval", "-E", "1", "--log-format", "json"], { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317" })
    const events = told.err
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly event: string; readonly level?: string })
    assert.isTrue(events.some((event) => event.event === "message" && event.level === "warning"))
  })
})

interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly ts: number
  readonly dur: number
  readonly tid: number
  readonly args: { readonly spanId: string; readonly parentSpanId?: string; readonly traceId: string }
}

describe("tracers of the configuration", { timeout: 120_000 }, () => {
  it("work for every command but those that look at the configuration, which do not open them", async () => {
    const config = (file: string, trace: string) => {
      scratch.file(file, `[tracers.root]\ntype = "file"\nformat = "otlp"\npath = "${trace}"\n`)
      return ["--config", file]
    }
    const good = config("good.toml", "lines.jsonl")
    const bad = config("bad.toml", "missing/lines.jsonl")
    const [traced, also, refused, checked] = await Promise.all([
      yix(["eval", "-E", "1", ...good]),
      yix(["eval", "-E", "2", ...good, "--otlp=false"]),
      yix(["eval", "-E", "3", ...bad]),
      yix(["config", "check", ...bad])
    ])
    assert.deepStrictEqual([traced.code, traced.out, traced.err, also.out], [0, "1\n", "", "2\n"])
    assert.deepStrictEqual([refused.code, refused.out], [1, ""])
    assert.match(refused.err, /^error: tracers\.root: cannot write the trace to '.*missing\/lines\.jsonl': its directory does not exist/)
    assert.strictEqual(checked.code, 0, checked.err)
    const lines = fs.readFileSync(scratch.file("lines.jsonl"), "utf8").trimEnd().split("\n")
    const roots = lines.flatMap(spansIn).filter((span) => span.parentSpanId === undefined)
    assert.deepStrictEqual(
      roots.map((span) => span.name),
      ["yix eval", "yix eval"]
    )
    assert.strictEqual(new Set(roots.map((span) => span.traceId)).size, 2)
  })
})

describe("--trace-out", { timeout: 120_000 }, () => {
  it("writes a Chrome trace whose events nest on each track", async () => {
    const run = await yix(build("four", "--trace-out", "trace.json"))
    assert.strictEqual(run.code, 0, run.err)
    const { traceEvents } = JSON.parse(fs.readFileSync(path.join(directory, "trace.json"), "utf8")) as {
      readonly traceEvents: ReadonlyArray<TraceEvent>
    }
    const events = traceEvents.filter((event) => event.ph === "X")
    assert.includeMembers(
      events.map((event) => event.name),
      ["yix build", "Evaluator.run", "Question.Realise", "Realiser.realise", "realise.build", "LocalBuilder.run"]
    )
    const ids = new Set(events.map((event) => event.args.spanId))
    assert.deepStrictEqual(
      events.filter(({ args }) => args.parentSpanId === undefined || !ids.has(args.parentSpanId)).map((event) => event.name),
      ["yix build"]
    )
    // Left and right are built at the same time, so there is more than one track.
    assert.isAbove(new Set(events.map((event) => event.tid)).size, 1)
    const slack = 0.01
    for (const a of events) {
      for (const b of events) {
        if (a === b || a.tid !== b.tid || a.ts > b.ts) continue
        const apart = b.ts >= a.ts + a.dur - slack
        const within = b.ts + b.dur <= a.ts + a.dur + slack
        assert.ok(apart || within || (a.ts === b.ts && b.dur > a.dur), `${a.name} and ${b.name} cross on track ${a.tid}`)
      }
    }
  })

  it("is refused before the work where the file cannot be written", async () => {
    const run = await yix(["eval", "-E", 'builtins.trace "begun" 1', "--trace-out", "missing/trace.json"])
    assert.deepStrictEqual([run.code, run.out], [1, ""])
    assert.match(run.err, /^error: cannot write the trace to 'missing\/trace.json': its directory does not exist/)
  })
})
