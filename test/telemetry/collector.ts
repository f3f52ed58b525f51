/**
 * A local OTLP collector, and the program run with it: what tests of traces have in common.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { assert } from "@effect/vitest"

const program = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url))

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number; readonly doubleValue?: number; readonly boolValue?: boolean }
}

export interface SentSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  /** 2: of a server, 3: of a client. */
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status: { readonly code: number; readonly message?: string }
  readonly attributes: ReadonlyArray<Attribute>
}

export interface SentLog {
  readonly traceId?: string
  readonly spanId?: string
  readonly severityText: string
  readonly body: { readonly stringValue: string }
}

export interface Post {
  readonly url: string | undefined
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export const attributeOf = (span: SentSpan, name: string): string | number | boolean | undefined => {
  const value = span.attributes.find(({ key }) => key === name)?.value
  return (
    value?.stringValue ?? (value?.intValue === undefined ? undefined : Number(value.intValue)) ?? value?.doubleValue ?? value?.boolValue
  )
}

/** The spans of a text of OTLP in JSON. */
export const spansIn = (text: string): ReadonlyArray<SentSpan> =>
  (
    JSON.parse(text) as {
      readonly resourceSpans: ReadonlyArray<{ readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<SentSpan> }> }>
    }
  ).resourceSpans.flatMap((resource) => resource.scopeSpans.flatMap((scope) => scope.spans))

export class Collector {
  readonly posts: Array<Post> = []
  readonly #server = http.createServer((request, response) => {
    const pieces: Array<Buffer> = []
    request.on("data", (piece: Buffer) => pieces.push(piece))
    request.on("end", () => {
      this.posts.push({ url: request.url, headers: request.headers, body: Buffer.concat(pieces) })
      response.setHeader("content-type", "application/json").end("{}")
    })
  })

  listen(): Promise<void> {
    return new Promise((listening) => this.#server.listen(0, "127.0.0.1", () => listening()))
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Environment that sends JSON here. */
  get json(): Readonly<Record<string, string>> {
    return { OTEL_EXPORTER_OTLP_ENDPOINT: this.address, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }
  }

  /** All spans that came as JSON. */
  get spans(): ReadonlyArray<SentSpan> {
    return this.posts.filter(({ url }) => url === "/v1/traces").flatMap(({ body }) => spansIn(body.toString()))
  }

  /** All lines of the log that came as JSON. */
  get logs(): ReadonlyArray<SentLog> {
    return this.posts
      .filter(({ url }) => url === "/v1/logs")
      .flatMap(({ body }) =>
        (
          JSON.parse(body.toString()) as {
            readonly resourceLogs: ReadonlyArray<{ readonly scopeLogs: ReadonlyArray<{ readonly logRecords: ReadonlyArray<SentLog> }> }>
          }
        ).resourceLogs.flatMap((resource) => resource.scopeLogs.flatMap((scope) => scope.logRecords))
      )
  }
}

/** Store trees are read-only. */
const removeTree = (at: string): void => {
  if (!fs.lstatSync(at).isDirectory()) return
  fs.chmodSync(at, 0o700)
  for (const name of fs.readdirSync(at)) removeTree(path.join(at, name))
  fs.rmSync(at, { recursive: true, force: true })
}

/** A directory of its own with a home in it. */
export class Scratch {
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), "yix-traces-"))
  readonly #stop: Array<() => void> = []

  constructor() {
    fs.mkdirSync(path.join(this.directory, "home"))
  }

  file(name: string, text?: string): string {
    const at = path.join(this.directory, name)
    if (text !== undefined) fs.writeFileSync(at, text)
    return at
  }

  /** Ends what still runs and removes everything. */
  remove(): void {
    for (const stop of this.#stop) stop()
    removeTree(this.directory)
  }

  /** Runs the program to its end. `onErr` is called when it writes to standard error, with what it has written so far. */
  yix(
    args: ReadonlyArray<string>,
    env: Readonly<Record<string, string>> = {},
    onErr: (stop: () => void, err: string) => void = () => {}
  ): Promise<Ran> {
    return new Promise((ended) => {
      const since = Date.now()
      const child = spawn(process.execPath, [program, ...args], {
        cwd: this.directory,
        env: { PATH: process.env["PATH"], HOME: path.join(this.directory, "home"), ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      this.#stop.push(() => child.exitCode ?? child.kill("SIGKILL"))
      let out = ""
      let err = ""
      child.stdout.on("data", (piece: Buffer) => (out += piece.toString()))
      child.stderr.on("data", (piece: Buffer) => {
        err += piece.toString()
        onErr(() => child.kill("SIGINT"), err)
      })
      child.on("close", (code) => ended({ code, out, err, milliseconds: Date.now() - since }))
    })
  }

  /** Runs `yix serve --http` while `use` runs, which gets its address. */
  async serving<A>(
    args: ReadonlyArray<string>,
    env: Readonly<Record<string, string>>,
    use: (address: string) => Promise<A>
  ): Promise<{ readonly result: A; readonly served: Ran }> {
    let stop: (() => void) | undefined
    let found: (address: string) => void
    const address = new Promise<string>((resolve) => (found = resolve))
    const served = this.yix(["serve", "--http", "127.0.0.1:0", ...args], env, (kill, err) => {
      stop = kill
      const at = /http:\/\/[0-9.]+:[0-9]+/.exec(err)
      if (at !== null) found(at[0])
    })
    const early = served.then((ran) => Promise.reject(new Error(`yix serve ended: ${ran.err}`)))
    early.catch(() => {})
    try {
      const result = await use(await Promise.race([address, early]))
      stop?.()
      return { result, served: await served }
    } finally {
      stop?.()
    }
  }
}

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
  readonly milliseconds: number
}

export const traceId = "0af7651916cd43dd8448eb211c80319c"
export const caller = "b7ad6b7169203331"

/** One trace, and every span but the one below the caller's has its parent in it. */
export const assertConnected = (spans: ReadonlyArray<SentSpan>, root: string, above: string | undefined): void => {
  assert.strictEqual(new Set(spans.map((span) => span.traceId)).size, 1)
  const ids = new Set(spans.map((span) => span.spanId))
  assert.strictEqual(ids.size, spans.length)
  const roots = spans.filter((span) => span.parentSpanId === undefined || !ids.has(span.parentSpanId))
  assert.deepStrictEqual(
    roots.map((span) => ({ name: span.name, parent: span.parentSpanId })),
    [{ name: root, parent: above }]
  )
}

/** The names from a span up to the root. */
export const ancestry = (spans: ReadonlyArray<SentSpan>, span: SentSpan): ReadonlyArray<string> => {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId)
  return [span.name, ...(parent === undefined ? [] : ancestry(spans, parent))]
}
