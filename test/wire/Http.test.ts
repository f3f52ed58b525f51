import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer as createSecureServer } from "node:https"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Http from "../../src/wire/Http.ts"
import { isPublicAddress } from "../../src/wire/HttpExchange.ts"
import { serve, serveContent, someBytes } from "./LoopbackServer.ts"

const quick: Partial<Http.HttpOptions> = { connectSeconds: 1, stallSeconds: 0.4, backoff: { base: 5, cap: 20 } }

const get = (request: Http.HttpRequest | string, options: Partial<Http.HttpOptions> = {}) =>
  Effect.flatMap(Http.Http, (http) => http.bytes(typeof request === "string" ? { url: request } : request)).pipe(
    Effect.provide(Http.layer({ ...quick, ...options }))
  )

const failure = <A, E>(effect: Effect.Effect<A, E>) => Effect.flip(effect)

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

/** Sends exactly this text on every connection, then closes it or keeps it open. */
const rawServer = (answer: (connection: number, socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ base: string; close: () => void }>((resume) => {
      let connections = 0
      const open = new Set<Socket>()
      const server = createServer((socket) => {
        open.add(socket)
        const number = connections++
        socket.on("error", () => {})
        socket.once("data", () => answer(number, socket))
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            close: () => {
              for (const socket of open) socket.destroy()
              server.close()
            }
          })
        )
      )
    }),
    ({ close }) => Effect.sync(close)
  )

describe("Http", () => {
  it.live("brings a body as it was sent and says who asks", () =>
    Effect.gen(function* () {
      const content = someBytes(300_000)
      const server = yield* serve((request, response) => serveContent(content, request, response))
      const response = yield* get(`${server.base}/a`)
      assert.isTrue(same(response.body, content))
      assert.strictEqual(response.length, 300_000)
      assert.match(server.requests[0]!.headers["user-agent"]!, /^yix\/\d/)
      assert.strictEqual(server.requests[0]!.headers["accept-encoding"], "identity")
    })
  )

  for (const status of [400, 401, 403, 404, 405, 410, 501]) {
    it.live(`status ${status} fails at once and names the address`, () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => response.writeHead(status).end("sorry"))
        const error = yield* failure(get(`${server.base}/x`))
        assert.strictEqual(error._tag, "HttpStatus")
        assert.include(error.message, String(status))
        assert.include(error.message, `${server.base}/x`)
        assert.strictEqual(error._tag === "HttpStatus" ? error.body : "", "sorry")
        assert.strictEqual(server.requests.length, 1)
      })
    )
  }

  for (const status of [408, 429, 500, 502, 503, 504]) {
    it.live(`status ${status} is tried again until it passes`, () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response, count) => (count < 3 ? response.writeHead(status).end() : response.end("ok")))
        const response = yield* get(`${server.base}/x`)
        assert.strictEqual(Buffer.from(response.body).toString(), "ok")
        assert.strictEqual(server.requests.length, 4)
      })
    )
  }

  it.live("gives up after the configured number of retries", () =>
    Effect.gen(function* () {
      const server = yield* serve((_, response) => response.writeHead(503).end())
      const error = yield* failure(get(`${server.base}/x`, { retries: 2 }))
      assert.strictEqual(error._tag, "HttpStatus")
      assert.strictEqual(server.requests.length, 3)
    })
  )

  it.live("waits as long as Retry-After says, in seconds", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const server = yield* serve((_, response, count) => {
        times.push(Date.now())
        if (count === 0) response.writeHead(429, { "retry-after": "1" }).end()
        else response.end("ok")
      })
      yield* get(`${server.base}/x`)
      assert.isAtLeast(times[1]! - times[0]!, 990)
    })
  )

  it.live("does not wait for a Retry-After beyond the limit", () =>
    Effect.gen(function* () {
      const server = yield* serve((_, response) => response.writeHead(503, { "retry-after": "86400" }).end())
      const error = yield* failure(get(`${server.base}/x`))
      assert.strictEqual(error._tag === "HttpStatus" ? error.retryAfter : undefined, 86_400)
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it("reads Retry-After in both forms and nothing else", () => {
    const now = Date.parse("2026-01-01T00:00:00Z")
    assert.strictEqual(Http.parseRetryAfter("17", now), 17)
    assert.strictEqual(Http.parseRetryAfter("Thu, 01 Jan 2026 00:00:30 GMT", now), 30)
    assert.strictEqual(Http.parseRetryAfter("Wed, 31 Dec 2025 00:00:30 GMT", now), 0)
    assert.isUndefined(Http.parseRetryAfter("soon", now))
    assert.isUndefined(Http.parseRetryAfter(undefined, now))
  })

  it("reads Content-Range and refuses impossible ones", () => {
    assert.deepStrictEqual(Http.parseContentRange("bytes 5-9/10"), { first: 5, last: 9, total: 10 })
    assert.deepStrictEqual(Http.parseContentRange("bytes 5-9/*"), { first: 5, last: 9, total: undefined })
    for (const bad of ["bytes 9-5/10", "bytes 5-10/10", "bytes */10", "5-9/10", "", "bytes 5-9/10x"]) {
      assert.isUndefined(Http.parseContentRange(bad), bad)
    }
  })

  describe("connections", () => {
    it.live("a refused connection is tried again and then named", () =>
      Effect.gen(function* () {
        const error = yield* failure(get("http://127.0.0.1:1/x", { retries: 2 }))
        assert.strictEqual(error._tag, "Unreachable")
        if (error._tag === "Unreachable") assert.deepStrictEqual([error.code, error.attempts], ["ECONNREFUSED", 3])
        assert.include(error.message, "127.0.0.1:1")
      })
    )

    it.live("a server that accepts and never answers runs into the time limit", () =>
      Effect.gen(function* () {
        const server = yield* serve(() => {})
        const error = yield* failure(get(`${server.base}/x`, { retries: 0 }))
        assert.strictEqual(error._tag === "TimedOut" ? error.phase : error._tag, "answer")
      })
    )

    it.live("a body that stalls runs into the time limit", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => {
          response.writeHead(200, { "content-length": 100 })
          response.write("abc")
        })
        const error = yield* failure(get(`${server.base}/x`, { retries: 0 }))
        assert.strictEqual(error._tag === "TimedOut" ? error.phase : error._tag, "body")
        assert.include(error.message, "3 bytes")
      })
    )

    it.live("a body that only drips counts as stalled", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => {
          response.writeHead(200, { "content-length": 100_000 })
          const timer = setInterval(() => response.write("x"), 30)
          response.on("close", () => clearInterval(timer))
        })
        const error = yield* failure(get(`${server.base}/x`, { retries: 0, minimumRate: 500 }))
        assert.strictEqual(error._tag === "TimedOut" ? error.phase : error._tag, "body")
      })
    )

    it.live("a slow consumer is no stalled server", () =>
      Effect.gen(function* () {
        const content = someBytes(1_000_000)
        const server = yield* serve((request, response) => serveContent(content, request, response))
        const size = yield* Effect.flatMap(Http.Http, (http) =>
          Effect.scoped(
            Effect.flatMap(http.open({ url: `${server.base}/x` }), (response) =>
              response.body.pipe(
                Stream.mapEffect((piece, i) => Effect.as(i < 2 ? Effect.sleep("700 millis") : Effect.void, piece.length)),
                Stream.runFold(
                  () => 0,
                  (sum, n) => sum + n
                )
              )
            )
          )
        ).pipe(Effect.provide(Http.layer({ ...quick, retries: 0 })))
        assert.strictEqual(size, 1_000_000)
      })
    )

    it.live("interrupting closes the connection", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => {
          response.writeHead(200, { "content-length": 1_000_000 })
          response.write("abc")
        })
        const fiber = yield* Effect.forkChild(get(`${server.base}/x`, { stallSeconds: 30 }), { startImmediately: true })
        while (server.requests.length === 0) yield* Effect.sleep("10 millis")
        yield* Effect.sleep("50 millis")
        const before = Date.now()
        yield* Fiber.interrupt(fiber)
        assert.isBelow(Date.now() - before, 500)
        yield* Effect.sleep("50 millis")
        assert.strictEqual(server.sockets.size, 0)
      })
    )

    it.live("a kept-alive connection that was closed meanwhile goes unnoticed", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => response.end("ok"))
        yield* Effect.gen(function* () {
          const http = yield* Http.Http
          yield* http.bytes({ url: `${server.base}/a` })
          // Reset without a goodbye, so that the client learns of it only when it writes.
          for (const socket of server.sockets) socket.resetAndDestroy()
          const second = yield* http.bytes({ url: `${server.base}/a` })
          assert.strictEqual(Buffer.from(second.body).toString(), "ok")
        }).pipe(Effect.provide(Http.layer({ ...quick, retries: 0 })))
      })
    )

    it.live("headers beyond the cap are refused", () =>
      Effect.gen(function* () {
        const server = yield* rawServer((_, socket) => {
          socket.write(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(200_000)}\r\n\r\n`)
        })
        const error = yield* failure(get(`${server.base}/x`))
        assert.strictEqual(error._tag, "BadAnswer")
      })
    )

    it.live("an answer that is not HTTP is refused", () =>
      Effect.gen(function* () {
        const server = yield* rawServer((_, socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n"))
        const error = yield* failure(get(`${server.base}/x`))
        assert.strictEqual(error._tag, "BadAnswer")
      })
    )

    it.live("a header value with a line end is an error, not a second header", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => response.end("ok"))
        const exit = yield* Effect.exit(get({ url: `${server.base}/x`, headers: { "x-a": "b\r\nx-evil: 1" } }))
        assert.isTrue(Exit.isFailure(exit))
        assert.strictEqual(server.requests.length, 0)
      })
    )
  })

  describe("redirects", () => {
    it.live("are followed, relative ones too", () =>
      Effect.gen(function* () {
        const server = yield* serve((request, response) => {
          if (request.url === "/a/b") response.writeHead(302, { location: "../c" }).end()
          else if (request.url === "/c") response.writeHead(308, { location: "/d?x=1" }).end()
          else response.end("there")
        })
        const response = yield* get(`${server.base}/a/b`)
        assert.strictEqual(response.url, `${server.base}/d?x=1`)
      })
    )

    it.live("in a circle end with an error", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => response.writeHead(302, { location: "/a" }).end())
        const error = yield* failure(get(`${server.base}/a`))
        assert.strictEqual(error._tag === "RedirectRefused" ? error.reason : error._tag, "too many")
        assert.strictEqual(server.requests.length, 11)
      })
    )

    for (const location of ["file:///etc/passwd", "ftp://example.com/x", "unix:/run/x", "gopher://x"]) {
      it.live(`to ${location} are refused`, () =>
        Effect.gen(function* () {
          const server = yield* serve((_, response) => response.writeHead(302, { location }).end())
          const error = yield* failure(get(`${server.base}/a`))
          assert.strictEqual(error._tag === "RedirectRefused" ? error.reason : error._tag, "scheme")
        })
      )
    }

    it.live("without a location are refused", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => response.writeHead(302).end())
        const error = yield* failure(get(`${server.base}/a`))
        assert.strictEqual(error._tag === "RedirectRefused" ? error.reason : error._tag, "no location")
      })
    )

    it.live("to another host do not carry credentials along", () =>
      Effect.gen(function* () {
        const other = yield* serve((_, response) => response.end("ok"))
        const server = yield* serve((_, response) => response.writeHead(302, { location: `${other.base}/x` }).end())
        const url = `${server.base}/a`.replace("http://", "http://user:secret@")
        yield* get({ url, headers: { "private-token": "t", cookie: "c" } })
        const { headers } = other.requests[0]!
        assert.deepStrictEqual([headers.authorization, headers["private-token"], headers.cookie], [undefined, undefined, undefined])
        assert.strictEqual(server.requests[0]!.headers.authorization, `Basic ${Buffer.from("user:secret").toString("base64")}`)
      })
    )

    it.live("on the same host keep credentials", () =>
      Effect.gen(function* () {
        const server = yield* serve((request, response) =>
          request.url === "/a" ? response.writeHead(302, { location: "/b" }).end() : response.end("ok")
        )
        yield* get(`${server.base}/a`.replace("http://", "http://u:p@"))
        assert.isDefined(server.requests[1]!.headers.authorization)
      })
    )
  })

  it.live("never shows a password in an error", () =>
    Effect.gen(function* () {
      const server = yield* serve((_, response) => response.writeHead(404).end())
      const error = yield* failure(get(`${server.base}/a`.replace("http://", "http://user:secret@")))
      assert.notInclude(JSON.stringify(error) + error.message, "secret")
    })
  )

  describe("a body that breaks off", () => {
    const content = someBytes(400_000)
    const cut = (
      response: import("node:http").ServerResponse,
      from: number,
      at: number,
      headers: Record<string, string | number>,
      status = 200
    ) => {
      response.writeHead(status, headers)
      response.write(content.subarray(from, at), () => setTimeout(() => response.destroy(), 5))
    }

    for (const at of [0, 1, 65_536, 200_000, 399_999]) {
      it.live(`after ${at} bytes is continued by Range`, () =>
        Effect.gen(function* () {
          const server = yield* serve((request, response, count) =>
            count === 0
              ? cut(response, 0, at, { etag: '"v1"', "content-length": content.length })
              : serveContent(content, request, response)
          )
          const response = yield* get(`${server.base}/x`)
          assert.isTrue(same(response.body, content))
          if (at > 0) assert.match(server.requests[1]!.headers.range!, /^bytes=\d+-$/)
        })
      )
    }

    it.live("is continued from the start of a server without ranges, whose ETag is the same", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response, count) => {
          if (count === 0) cut(response, 0, 100_000, { etag: '"v1"', "content-length": content.length })
          else response.writeHead(200, { etag: '"v1"' }).end(content)
        })
        const response = yield* get(`${server.base}/x`)
        assert.isTrue(same(response.body, content))
      })
    )

    it.live("several times is continued as often", () =>
      Effect.gen(function* () {
        const server = yield* serve((request, response) => {
          const from = Number(/\d+/.exec(request.headers.range ?? "0")![0])
          const headers = { etag: '"v1"', "content-length": content.length - from, "content-range": `bytes ${from}-399999/400000` }
          if (from + 90_000 < content.length) cut(response, from, from + 90_000, headers, from === 0 ? 200 : 206)
          else serveContent(content, request, response)
        })
        const response = yield* get(`${server.base}/x`)
        assert.isTrue(same(response.body, content))
      })
    )

    it.live("starts over when the content changed meanwhile, and mixes nothing", () =>
      Effect.gen(function* () {
        const other = someBytes(400_000, 7)
        const server = yield* serve((request, response, count) =>
          count === 0
            ? cut(response, 0, 100_000, { etag: '"v1"', "content-length": 400_000 })
            : serveContent(other, request, response, '"v2"')
        )
        const response = yield* get(`${server.base}/x`)
        assert.isTrue(same(response.body, other))
      })
    )

    it.live("without anything to recognise it by is continued only when the caller checks a hash", () =>
      Effect.gen(function* () {
        const server = yield* serve((request, response, count) => {
          if (count === 0) return cut(response, 0, 100_000, { "content-length": content.length })
          const from = Number(/\d+/.exec(request.headers.range ?? "0")![0])
          response.writeHead(206, { "content-range": `bytes ${from}-399999/400000` }).end(content.subarray(from))
        })
        const open = (verified: boolean, path: string) =>
          Effect.gen(function* () {
            const http = yield* Http.Http
            const response = yield* http.open({ url: `${server.base}/${path}`, verified })
            return Buffer.concat(yield* Stream.runCollect(response.body))
          }).pipe(Effect.scoped, Effect.provide(Http.layer(quick)))
        assert.isTrue(same(yield* open(true, "a"), content))
        const error = yield* failure(open(false, "b"))
        assert.strictEqual(error._tag, "ContentChanged")
      })
    )

    it.live("because more was announced than there is ends as truncated", () =>
      Effect.gen(function* () {
        const server = yield* serve((request, response) => {
          if (request.headers.range !== undefined) return response.writeHead(416).end()
          return cut(response, 0, 1000, { etag: '"v1"', "content-length": 5000 })
        })
        const error = yield* failure(get(`${server.base}/x`))
        assert.strictEqual(error._tag, "Truncated")
        assert.include(error.message, "1000 of 5000")
      })
    )

    it.live("again and again at the same place ends as truncated", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => cut(response, 0, 1000, { etag: '"v1"', "content-length": 5000 }))
        const error = yield* failure(get(`${server.base}/x`, { retries: 3 }))
        assert.strictEqual(error._tag, "Truncated")
        assert.strictEqual(server.requests.length, 4)
      })
    )

    it.live("of an answer for another range is refused", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response, count) => {
          if (count === 0) cut(response, 0, 1000, { etag: '"v1"', "content-length": 5000 })
          else response.writeHead(206, { etag: '"v1"', "content-range": "bytes 0-4999/5000" }).end(content.subarray(0, 5000))
        })
        const error = yield* failure(get(`${server.base}/x`))
        assert.strictEqual(error._tag, "BadAnswer")
      })
    )

    it.live("in chunked form is noticed", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => cut(response, 0, 1000, {}))
        const error = yield* failure(get(`${server.base}/x`, { retries: 0 }))
        assert.strictEqual(error._tag, "Truncated")
      })
    )
  })

  it.live("content beyond an announced length is not taken for content", () =>
    Effect.gen(function* () {
      const server = yield* rawServer((_, socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdefgh"))
      const response = yield* get(`${server.base}/x`)
      assert.strictEqual(Buffer.from(response.body).toString(), "abc")
    })
  )

  it.live("refuses a body beyond the cap, announced or not", () =>
    Effect.gen(function* () {
      const server = yield* serve((request, response) => {
        if (request.url === "/announced") response.writeHead(200, { "content-length": 5000 })
        response.end(Buffer.alloc(5000))
      })
      for (const path of ["announced", "silent"]) {
        const error = yield* failure(get({ url: `${server.base}/${path}`, maxBytes: 4999 }))
        assert.strictEqual(error._tag, "TooLarge", path)
        const response = yield* get({ url: `${server.base}/${path}`, maxBytes: 5000 })
        assert.strictEqual(response.body.length, 5000)
      }
    })
  )

  it.live("an encoding that the server put on is told and not undone", () =>
    Effect.gen(function* () {
      const server = yield* serve((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("not gzip at all"))
      const response = yield* get(`${server.base}/x`)
      assert.strictEqual(response.contentEncoding, "gzip")
      assert.strictEqual(Buffer.from(response.body).toString(), "not gzip at all")
    })
  )

  for (const ranges of [true, false]) {
    it.live(`a part of the content comes from a server ${ranges ? "with" : "without"} ranges`, () =>
      Effect.gen(function* () {
        const content = someBytes(200_000)
        const server = yield* serve((request, response) => (ranges ? serveContent(content, request, response) : response.end(content)))
        for (const range of [
          { offset: 0, length: 10 },
          { offset: 100_000, length: 70_000 },
          { offset: 199_000, length: 5000 },
          { offset: 150_000 },
          { offset: 5, length: 0 }
        ]) {
          const response = yield* get({ url: `${server.base}/x`, range })
          const end = range.length === undefined ? undefined : range.offset + range.length
          assert.isTrue(same(response.body, content.subarray(range.offset, end)), JSON.stringify(range))
        }
      })
    )
  }

  it.live("uploads from memory and as a stream, and repeats the stream from its start", () =>
    Effect.gen(function* () {
      const got: Array<string> = []
      const server = yield* serve((request, response, count) => {
        const pieces: Array<Buffer> = []
        request.on("data", (piece: Buffer) => pieces.push(piece))
        request.on("end", () => {
          if (request.url === "/stream" && count === 0) return response.writeHead(503).end()
          got.push(Buffer.concat(pieces).toString())
          return response.writeHead(201).end()
        })
      })
      yield* get({ url: `${server.base}/memory`, method: "PUT", body: Buffer.from("abc") })
      const body = async function* () {
        yield Buffer.from("x".repeat(100_000))
        yield Buffer.from("end")
      }
      yield* get({ url: `${server.base}/stream`, method: "PUT", body })
      assert.deepStrictEqual(got, ["abc", `${"x".repeat(100_000)}end`])
    })
  )

  it.live("an upload that the server broke is not repeated by itself", () =>
    Effect.gen(function* () {
      const server = yield* serve((_, response) => response.writeHead(500).end())
      const error = yield* failure(get({ url: `${server.base}/x`, method: "PUT", body: Buffer.from("abc") }))
      assert.strictEqual(error._tag, "HttpStatus")
      assert.strictEqual(server.requests.length, 1)
    })
  )

  it.live("HEAD gives the length without a body", () =>
    Effect.gen(function* () {
      const server = yield* serve((_, response) => response.writeHead(200, { "content-length": 12_345 }).end())
      const response = yield* get({ url: `${server.base}/x`, method: "HEAD", maxBytes: 10 })
      assert.deepStrictEqual([response.length, response.body.length], [12_345, 0])
    })
  )

  it.live("only http and https are spoken", () =>
    Effect.gen(function* () {
      for (const url of ["ftp://example.com/x", "file:///etc/passwd", "nonsense", "http://", "javascript:alert(1)"]) {
        const error = yield* failure(get(url))
        assert.strictEqual(error._tag, "BadUrl", url)
      }
    })
  )

  describe("over TLS", () => {
    /** A server with a certificate of its own making for `localhost`, and the file that says to trust it. */
    const secure = Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "yix-tls-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true })))
      const [key, certificate] = [join(directory, "key.pem"), join(directory, "certificate.pem")]
      execFileSync(
        "openssl",
        `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${key} -out ${certificate}`.split(
          " "
        ),
        { stdio: "ignore" }
      )
      const plain = yield* serve((_, response) => response.end("plain"))
      const server = createSecureServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
        if (request.url === "/to-plain") response.writeHead(302, { location: `${plain.base}/x` }).end()
        else response.end("secret")
      })
      yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
      )
      return { base: `https://localhost:${(server.address() as AddressInfo).port}`, certificate, plain }
    })

    it.live("an unknown certificate is refused at once, a trusted one taken", () =>
      Effect.gen(function* () {
        const { base, certificate } = yield* secure
        const error = yield* failure(get(`${base}/x`))
        assert.strictEqual(error._tag === "Unreachable" ? error.attempts : error._tag, 1)
        assert.include(error.message, "certificate")
        const response = yield* get(`${base}/x`, { certificates: certificate })
        assert.strictEqual(Buffer.from(response.body).toString(), "secret")
      })
    )

    it.live("a certificate for another name is refused", () =>
      Effect.gen(function* () {
        const { base, certificate } = yield* secure
        const error = yield* failure(get(`${base.replace("localhost", "127.0.0.1")}/x`, { certificates: certificate }))
        assert.strictEqual(error._tag === "Unreachable" ? error.code : error._tag, "ERR_TLS_CERT_ALTNAME_INVALID")
      })
    )

    it.live("a redirect to an unencrypted address is refused", () =>
      Effect.gen(function* () {
        const { base, certificate, plain } = yield* secure
        const error = yield* failure(get(`${base}/to-plain`, { certificates: certificate }))
        assert.strictEqual(error._tag === "RedirectRefused" ? error.reason : error._tag, "insecure")
        assert.strictEqual(plain.requests.length, 0)
      })
    )

    it.live("a certificate file that cannot be read is an error that names it", () =>
      Effect.gen(function* () {
        const { base } = yield* secure
        const error = yield* failure(get(`${base}/x`, { certificates: "/nowhere/ca.pem" }))
        assert.include(error.message, "/nowhere/ca.pem")
      })
    )
  })

  describe("with public addresses only", () => {
    it.live("loopback is refused, by number and by name, first or after a redirect", () =>
      Effect.gen(function* () {
        const server = yield* serve((_, response) => response.end("secret"))
        const port = server.base.slice(server.base.lastIndexOf(":"))
        for (const host of ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]) {
          const error = yield* failure(get(`http://${host}${port}/x`, { addresses: "public" }))
          assert.strictEqual(error._tag, "AddressRefused", host)
        }
        assert.strictEqual(server.requests.length, 0)
      })
    )

    it("addresses are told apart", () => {
      for (const address of [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "172.31.0.1",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255"
      ]) {
        assert.isFalse(isPublicAddress(address), address)
      }
      for (const address of ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "198.20.0.1"]) {
        assert.isTrue(isPublicAddress(address), address)
      }
    })
  })
})
