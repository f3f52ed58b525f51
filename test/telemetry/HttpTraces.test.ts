/**
 * One trace of two processes over HTTP: a build that takes from `yix serve --http`, both told to one collector.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { ancestry, assertConnected, attributeOf, caller, Collector, Scratch, type SentSpan, traceId } from "./collector.ts"

const collector = new Collector()
const scratch = new Scratch()

const expression = `let
  sh = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-euc" script ]; };
in sh "top" "read x < \${sh "left" "echo 1 > $out"}; read y < \${sh "right" "echo 2 > $out"}; echo \${sh "kept" "echo 3 > $out"} $x $y > $out"
`

beforeAll(async () => {
  await collector.listen()
  scratch.file("e.nix", expression)
  const made = await scratch.yix(["build", "e.nix", "--no-out-link", "--store", "there"])
  assert.strictEqual(made.code, 0, made.err)
}, 120_000)
afterAll(() => {
  collector.close()
  scratch.remove()
})

const substitute = (store: string, address: string, env: Readonly<Record<string, string>>, ...more: ReadonlyArray<string>) =>
  scratch.yix(["build", "e.nix", "--no-out-link", "--store", store, "--substituter", address, "--no-check-sigs", ...more], env)

const callsOf = (spans: ReadonlyArray<SentSpan>) => spans.filter((span) => span.kind === 2 && span.name.startsWith("http "))

/** Requests that one command makes. */
let asked = 0

describe("a trace over HTTP", { timeout: 120_000 }, () => {
  it("is one, of the command and of the server that it asks, below the caller's span", async () => {
    const { result, served } = await scratch.serving(["--store", "there", "-v"], collector.json, (address) =>
      substitute("one", address, { ...collector.json, TRACEPARENT: `00-${traceId}-${caller}-01` })
    )
    assert.strictEqual(result.code, 0, result.err)
    assert.strictEqual(served.code, 130, served.err)
    const all = collector.spans
    const spans = all.filter((span) => span.traceId === traceId)
    assertConnected(spans, "yix build", caller)
    const calls = callsOf(spans)
    asked = calls.length
    const names = new Set(calls.map((span) => span.name))
    assert.isTrue(names.has("http GET /{hash}.narinfo") && names.has("http GET /nar/{file}"), [...names].join())
    for (const call of calls) {
      assert.deepStrictEqual(ancestry(spans, call).slice(1, 2), ["http GET"])
      assert.strictEqual(attributeOf(call, "http.request.method"), "GET")
      assert.include([200, 404], attributeOf(call, "http.response.status_code"))
      assert.strictEqual(attributeOf(call, "client.address"), "127.0.0.1")
    }
    for (const asked of spans.filter(({ kind, name }) => kind === 3 && name === "http GET")) {
      assert.strictEqual(
        calls.filter(({ parentSpanId }) => parentSpanId === asked.spanId).length,
        1,
        String(attributeOf(asked, "url.full"))
      )
    }
    // What the server does for itself is another trace, and requests are no part of it.
    const own = all.filter((span) => span.traceId !== traceId)
    assertConnected(own, "yix serve", undefined)
    assert.deepStrictEqual(callsOf(own), [])
    assert.match(served.err, /GET \/[0-9a-z]{32}\.narinfo 200 \(milliseconds=/)
    const logged = collector.logs.filter(({ body }) => body.stringValue.endsWith(".narinfo 200"))
    assert.isAbove(logged.length, 0)
    for (const line of logged) assert.isTrue(calls.some(({ spanId }) => spanId === line.spanId) && line.traceId === traceId)
  })

  it("goes on unsampled, with nothing sent; begins at the server where the command is not traced, or keeps its trace to itself", async () => {
    collector.posts.length = 0
    const { result } = await scratch.serving(["--store", "there", "-v"], collector.json, (address) =>
      Promise.all([
        substitute("unsampled", address, { ...collector.json, TRACEPARENT: `00-${traceId}-${caller}-00` }, "-vv"),
        substitute("untraced", address, {}),
        substitute("off", address, collector.json, "--otlp=false"),
        substitute("silent", address, { ...collector.json, OTEL_PROPAGATORS: "none" })
      ])
    )
    for (const run of result) assert.strictEqual(run.code, 0, run.err)
    assert.isFalse([...collector.spans, ...collector.logs].some((sent) => sent.traceId === traceId))
    const calls = callsOf(collector.spans)
    // Three times what one command asks: what the unsampled one asked is in a trace, which is not sampled.
    assert.strictEqual(calls.length, 3 * asked)
    assert.deepStrictEqual(new Set(calls.map((span) => span.parentSpanId)), new Set([undefined]))
    assert.strictEqual(new Set(calls.map((span) => span.traceId)).size, calls.length)
    // Only the last one was traced.
    assert.strictEqual(collector.spans.filter(({ name }) => name === "yix build").length, 1)
  })
})
