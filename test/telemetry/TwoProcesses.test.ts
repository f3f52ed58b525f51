/**
 * One trace of a build that two processes work at: the client's store and builder are another process's, and both send their spans to the same collector.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as http from "node:http"
import * as http2 from "node:http2"
import { type AddressInfo, connect } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const program = path.join(import.meta.dirname, "../../src/cli/main.ts")

interface Span {
  readonly service: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
}

interface Posted {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly stringValue?: string } }> }
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Omit<Span, "service">> }>
  }>
}

const spans: Array<Span> = []
const sink = http.createServer(async (request, response) => {
  const pieces: Array<Buffer> = []
  for await (const piece of request) pieces.push(piece as Buffer)
  for (const { resource, scopeSpans } of (JSON.parse(Buffer.concat(pieces).toString()) as Posted).resourceSpans) {
    const service = resource.attributes.find(({ key }) => key === "service.name")?.value.stringValue ?? ""
    for (const scope of scopeSpans) spans.push(...scope.spans.map((span) => ({ ...span, service })))
  }
  response.setHeader("content-type", "application/json").end("{}")
})

let directory = ""
const children: Array<ChildProcess> = []

const expression = `
let
  sh = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-euc" script ]; };
  inner = sh "inner" "echo '\\"imported\\"' > $out";
in sh "top" "read x < \${./input}; echo \${import inner} $x > $out"
`

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "yix-two-"))
  fs.mkdirSync(path.join(directory, "home"))
  const far = `type = "grpc"\nurl = "grpc+unix://${directory}/far.sock"\n`
  const kinds = ["blobservices", "directoryservices", "pathinfoservices", "builders"]
  fs.writeFileSync(path.join(directory, "yix.toml"), kinds.map((kind) => `[${kind}.root]\n${far}`).join("\n"))
  fs.writeFileSync(path.join(directory, "e.nix"), expression)
  fs.writeFileSync(path.join(directory, "input"), "from here\n")
  await new Promise<void>((listening) => sink.listen(0, "127.0.0.1", listening))
})

const makeRemovable = (at: string): void => {
  if (!fs.lstatSync(at).isDirectory()) return
  fs.chmodSync(at, 0o700)
  for (const name of fs.readdirSync(at)) makeRemovable(path.join(at, name))
}
afterAll(() => {
  for (const child of children) child.kill("SIGKILL")
  sink.closeAllConnections()
  sink.close()
  makeRemovable(directory)
  fs.rmSync(directory, { recursive: true })
})

const start = (service: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const child = spawn(process.execPath, [program, "--store", path.join(directory, service), ...args], {
    cwd: directory,
    env: {
      PATH: process.env["PATH"],
      HOME: path.join(directory, "home"),
      OTEL_SERVICE_NAME: service,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(sink.address() as AddressInfo).port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      ...env
    },
    stdio: ["ignore", "pipe", "pipe"]
  })
  children.push(child)
  const said = { out: "", err: "" }
  child.stdout.on("data", (piece: Buffer) => (said.out += piece.toString()))
  child.stderr.on("data", (piece: Buffer) => (said.err += piece.toString()))
  return { child, said, ended: once(child, "close").then(([code]) => code as number | null) }
}

/** A call as a client makes it that knows nothing of traces. */
const untracedCall = (socket: string) =>
  new Promise<void>((resolve, reject) => {
    const session = http2.connect("http://localhost", { createConnection: () => connect(socket) })
    session.on("error", reject)
    const request = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers"
    })
    request.on("error", reject)
    request.on("close", () => session.close(resolve))
    request.resume().end(Buffer.alloc(5))
  })

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const caller = "00f067aa0ba902b7"

/** Spans whose parent was not sent. */
const rootsOf = (all: ReadonlyArray<Span>) => {
  const ids = new Set(all.map(({ spanId }) => spanId))
  return all.filter(({ parentSpanId }) => parentSpanId === undefined || !ids.has(parentSpanId))
}

const ancestry = (all: ReadonlyArray<Span>, span: Span): ReadonlyArray<string> => {
  const parent = all.find(({ spanId }) => spanId === span.parentSpanId)
  return [`${span.service} ${span.name}`, ...(parent === undefined ? [] : ancestry(all, parent))]
}

describe("the trace of a build in two processes", { timeout: 120_000 }, () => {
  it("is one, below the caller's span, from the command to the sandbox on the other side", async () => {
    const socket = path.join(directory, "far.sock")
    const far = start("far", ["serve", "--grpc", `unix:${socket}`, "--builds"])
    await once(far.child.stderr, "data")
    await untracedCall(socket)
    const near = start("near", ["--config", "yix.toml", "build", "e.nix", "--no-out-link"], { TRACEPARENT: `00-${traceId}-${caller}-01` })
    assert.strictEqual(await near.ended, 0, near.said.err)
    assert.match(near.said.out, /^\/nix\/store\/[0-9a-z]{32}-top\n$/)
    far.child.kill("SIGINT")
    assert.strictEqual(await far.ended, 130, far.said.err)

    const trace = spans.filter((span) => span.traceId === traceId)
    assert.strictEqual(new Set(trace.map(({ spanId }) => spanId)).size, trace.length)
    assert.deepStrictEqual(
      rootsOf(trace).map(({ service, name, parentSpanId }) => ({ service, name, parentSpanId })),
      [{ service: "near", name: "yix build", parentSpanId: caller }]
    )
    // Both builds, that of the import among them, ran over there for a call from here.
    const runs = trace.filter(({ name }) => name === "LocalBuilder.run")
    assert.strictEqual(runs.length, 2)
    for (const run of runs) {
      const path = ancestry(trace, run)
      assert.deepStrictEqual(path.slice(0, 5), [
        "far LocalBuilder.run",
        "far LocalBuilder.build",
        "far grpc yix.build.v1.BuildService/Build",
        "near GrpcBuilder.build",
        "near realise.build"
      ])
      assert.strictEqual(path.at(-1), "near yix build")
    }
    assert.isTrue(runs.some((run) => ancestry(trace, run).includes("near Evaluator.run")))
    for (const name of ["grpc snix.castore.v1.BlobService/Put", "grpc snix.store.v1.PathInfoService/Put"]) {
      assert.isTrue(
        trace.some((span) => span.service === "far" && span.name === name),
        name
      )
    }

    // Whatever else the far process did belongs to its own traces, each with one root, of which a call without a trace is one.
    const others = spans.filter((span) => span.traceId !== traceId)
    assert.isTrue(others.every(({ service }) => service === "far"))
    const roots = rootsOf(others)
    assert.isTrue(roots.every(({ parentSpanId }) => parentSpanId === undefined))
    assert.strictEqual(new Set(others.map((span) => span.traceId)).size, roots.length)
    assert.includeMembers(
      roots.map(({ name }) => name),
      ["yix serve", "grpc grpc.health.v1.Health/Check"]
    )
  })
})
