import * as http from "node:http"
import * as net from "node:net"
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MissingData } from "../../../src/castore/CastoreError.ts"
import * as Base32 from "../../../src/nix/Base32.ts"
import { hash } from "../../../src/nix/Crypto.ts"
import { parseNarInfo } from "../../../src/nix/NarInfo.ts"
import { NarLister, printListing } from "../../../src/nix/NarListing.ts"
import { hashPart } from "../../../src/nix/StorePath.ts"
import { parseRange } from "../../../src/serve/http/ByteRange.ts"
import { add, fileNar, memorySide, serving, treeNar } from "./world.ts"

interface Reply {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

const ask = (url: string, method = "GET", headers: Record<string, string> = {}, body?: Uint8Array | string): Effect.Effect<Reply> =>
  Effect.promise(
    () =>
      new Promise((resolve, reject) => {
        const request = http.request(url, { method, headers, agent: false }, (response) => {
          const pieces: Array<Buffer> = []
          response.on("data", (piece: Buffer) => pieces.push(piece))
          response.on("error", reject)
          response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(pieces) }))
        })
        request.on("error", reject)
        request.end(body)
      })
  )

const sha = (bytes: Uint8Array) => Base32.encode(hash("sha256", bytes))
const without = (headers: http.IncomingHttpHeaders) => ({ ...headers, date: undefined })

describe("a store served as a binary cache", () => {
  it.live("tells of itself, of paths, of their NARs and of what is in them, and HEAD has the headers of GET", () =>
    Effect.gen(function* () {
      const side = memorySide()
      const nar = treeNar("one")
      const lib = yield* add(side, "lib", fileNar("library"))
      const info = yield* add(side, "tree", nar, [lib.path], { signatures: ["k-1:c2lnbmF0dXJl"] })
      const base = yield* serving(side)
      const about = yield* ask(`${base}/nix-cache-info`)
      assert.strictEqual(about.body.toString(), "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 39\n")
      const narInfo = yield* ask(`${base}/${hashPart(info.path)}.narinfo`)
      assert.strictEqual(narInfo.headers["content-type"], "text/x-nix-narinfo")
      const told = parseNarInfo(narInfo.body, hashPart(info.path))
      assert.deepStrictEqual(
        [told.path, told.narSize, told.references, told.signatures, told.ca],
        [info.path, nar.length, [lib.path], info.signatures, info.ca]
      )
      const whole = yield* ask(`${base}/${told.url}`)
      assert.isTrue(whole.body.equals(nar))
      const lister = new NarLister()
      lister.push(nar)
      const listing = yield* ask(`${base}/${hashPart(info.path)}.ls`)
      assert.strictEqual(listing.body.toString(), printListing(lister.end()))
      for (const path of ["nix-cache-info", `${hashPart(info.path)}.narinfo`, told.url, `${hashPart(info.path)}.ls`, "nothing"]) {
        const [get, head] = [yield* ask(`${base}/${path}`), yield* ask(`${base}/${path}`, "HEAD")]
        assert.deepStrictEqual([head.status, without(head.headers), head.body.length], [get.status, without(get.headers), 0])
      }
    })
  )

  it.live("gives any range of a NAR as the NAR has it there", () =>
    Effect.gen(function* () {
      const side = memorySide()
      const nar = treeNar("ranges")
      const info = yield* add(side, "tree", nar)
      const base = yield* serving(side)
      const url = `${base}/nar/${hashPart(info.path)}-${Base32.encode(info.narHash)}.nar`
      const cut = async (first: number, last: number) => {
        const part = await Effect.runPromise(ask(url, "GET", { range: `bytes=${first}-${last}` }))
        assert.strictEqual(part.status, 206)
        assert.strictEqual(part.headers["content-range"], `bytes ${first}-${Math.min(last, nar.length - 1)}/${nar.length}`)
        assert.isTrue(part.body.equals(nar.subarray(first, last + 1)), `${first}-${last}`)
      }
      // Every border between framing and contents lies near the start or the end of this tree.
      for (let at = 0; at < 1400; at += 37) yield* Effect.promise(() => cut(at, at + 61))
      for (let at = nar.length - 900; at < nar.length; at += 53) yield* Effect.promise(() => cut(at, at + 200))
      yield* Effect.promise(() => cut(0, nar.length))
      yield* Effect.promise(() => cut(1000, 1_400_000))
      const suffix = yield* ask(url, "GET", { range: "bytes=-100" })
      assert.isTrue(suffix.body.equals(nar.subarray(-100)))
      const beyond = yield* ask(url, "GET", { range: `bytes=${nar.length}-` })
      assert.deepStrictEqual([beyond.status, beyond.headers["content-range"]], [416, `bytes */${nar.length}`])
      const several = yield* ask(url, "GET", { range: "bytes=0-1,5-6" })
      assert.deepStrictEqual([several.status, several.body.length], [200, nar.length])
      const otherVersion = yield* ask(url, "GET", { range: "bytes=5-6", "if-range": '"other"' })
      assert.strictEqual(otherVersion.status, 200)
    })
  )

  it.live("sends a NAR that the client has already only if it is another one, and says 404 to whatever is not here", () =>
    Effect.gen(function* () {
      const side = memorySide()
      const info = yield* add(side, "tree", treeNar("conditions"))
      const base = yield* serving(side)
      const url = `${base}/nar/${hashPart(info.path)}-${Base32.encode(info.narHash)}.nar`
      const etag = (yield* ask(url, "HEAD")).headers.etag!
      assert.match(etag, /^"[0-9a-z]{52}"$/)
      for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
        const { status, body, headers } = yield* ask(url, "GET", { "if-none-match": condition })
        assert.deepStrictEqual([status, body.length, headers.etag], [304, 0, etag], condition)
      }
      assert.strictEqual((yield* ask(url, "GET", { "if-none-match": '"other"' })).status, 200)
      const part = hashPart(info.path)
      const absent = [
        ...[
          `${"0".repeat(32)}.narinfo`,
          `${part}.narinfo/`,
          `${part}`,
          `${part.toUpperCase()}.narinfo`,
          `${part}.narinfo.gz`,
          `x/${part}.narinfo`
        ],
        ...[
          `${"0".repeat(32)}.ls`,
          `nar/${part}-${"0".repeat(52)}.nar`,
          `nar/${part}.nar`,
          `nar/${Base32.encode(info.narHash)}.nar`,
          "nar/",
          "nar"
        ],
        ...["nar/..%2f..%2fetc%2fpasswd", "realisations/x.doi", "log/x.drv"]
      ]
      for (const name of absent) {
        for (const method of ["GET", "HEAD"]) assert.strictEqual((yield* ask(`${base}/${name}`, method)).status, 404, name)
      }
      // Query strings are for caches on the way.
      assert.strictEqual((yield* ask(`${base}/${part}.narinfo?fresh=1`)).status, 200)
    })
  )

  it.live("answers what is no request with what is wrong, and goes on", () =>
    Effect.gen(function* () {
      const base = yield* serving(memorySide())
      const sent = (text: string) =>
        Effect.promise(
          () =>
            new Promise<string>((resolve) => {
              let answer = ""
              const socket = net.connect(Number(new URL(base).port), "127.0.0.1", () => socket.write(text))
              socket.on("data", (piece: Buffer) => (answer += piece.toString()))
              socket.on("error", () => {})
              socket.on("close", () => resolve(answer.split("\r\n")[0]!))
            })
        )
      const close = "host: x\r\nconnection: close\r\n"
      for (const target of [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/nar/../nix-cache-info",
        "//nix-cache-info",
        "/nix-cache-info\0"
      ]) {
        assert.match(yield* sent(`GET ${target} HTTP/1.1\r\n${close}\r\n`), /^HTTP\/1.1 40[04] /, target)
      }
      assert.match(yield* sent("what is this\r\n\r\n"), /^HTTP\/1.1 400 /)
      assert.match(yield* sent(`GET /nix-cache-info HTTP/1.1\r\n${close}x: ${"y".repeat(20_000)}\r\n\r\n`), /^HTTP\/1.1 431 /)
      assert.match(yield* sent("GET /nix-cache-info HTTP/1.1\r\n\r\n"), /^HTTP\/1.1 400 /)
      assert.match(yield* sent(`GET /%zz HTTP/1.1\r\n${close}\r\n`), /^HTTP\/1.1 400 /)
      assert.match(yield* sent(`GET http://other/nix-cache-info HTTP/1.1\r\n${close}\r\n`), /^HTTP\/1.1 400 /)
      assert.match(
        yield* sent(`PUT /nar/x HTTP/1.1\r\n${close}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`),
        /^HTTP\/1.1 400 /
      )
      assert.match(yield* sent(`PUT /nar/x HTTP/1.1\r\n${close}content-length: -3\r\n\r\n`), /^HTTP\/1.1 400 /)
      assert.match(yield* sent(`POST /nix-cache-info HTTP/1.1\r\n${close}content-length: 0\r\n\r\n`), /^HTTP\/1.1 405 /)
      assert.strictEqual((yield* ask(`${base}/nix-cache-info`)).status, 200)
    })
  )

  it.live("takes the same path from several clients at once, and forgets what was cut off", () =>
    Effect.gen(function* () {
      const elsewhere = memorySide()
      const side = memorySide()
      const base = yield* serving(side)
      const nar = treeNar("same")
      const info = yield* add(elsewhere, "tree", nar)
      const url = `nar/${sha(nar)}.nar`
      const about = (signature: string) =>
        `StorePath: ${info.path}\nURL: ${url}\nCompression: none\nNarHash: sha256:${sha(nar)}\nNarSize: ${nar.length}\nReferences: \nSig: ${signature}\n`
      // A client that goes away in the middle: its NAR is none, and its narinfo has nothing to stand on.
      yield* Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            const request = http.request(`${base}/${url}`, { method: "PUT", agent: false, headers: { "content-length": nar.length } })
            request.on("error", () => resolve())
            request.write(nar.subarray(0, 700_000), () => setTimeout(() => request.destroy(), 50))
            request.on("close", () => resolve())
          })
      )
      assert.strictEqual((yield* ask(`${base}/${hashPart(info.path)}.narinfo`, "PUT", {}, about("a:YQ=="))).status, 400)
      const uploads = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, i) => i),
        (i) =>
          Effect.gen(function* () {
            const first = yield* ask(`${base}/${url}`, "PUT", {}, nar)
            const second = yield* ask(`${base}/${hashPart(info.path)}.narinfo`, "PUT", {}, about(`k${i}:YQ==`))
            return [first.status, second.status]
          }),
        { concurrency: "unbounded" }
      )
      // One of them made it, the others found it there.
      assert.deepStrictEqual(
        uploads.map(([first]) => first),
        Array<number>(12).fill(201)
      )
      assert.deepStrictEqual(uploads.map(([, second]) => second!).sort(), [...Array<number>(11).fill(200), 201])
      const stored = Option.getOrThrow(yield* side.pathInfos.get(info.path))
      assert.deepStrictEqual(stored.node, info.node)
      assert.strictEqual(stored.signatures.length, 12)
      assert.strictEqual((yield* Stream.runCollect(side.pathInfos.list())).length, 1)
    })
  )

  it("reads ranges as RFC 9110 has them", () => {
    assert.deepStrictEqual(parseRange("bytes=0-0", 10), { offset: 0, length: 1 })
    assert.deepStrictEqual(parseRange("bytes=3-", 10), { offset: 3, length: 7 })
    assert.deepStrictEqual(parseRange("bytes=-30", 10), { offset: 0, length: 10 })
    assert.strictEqual(parseRange("bytes=10-", 10), "unsatisfiable")
    assert.strictEqual(parseRange("bytes=-0", 10), "unsatisfiable")
    for (const header of [undefined, "", "bytes=", "bytes=-", "bytes=5-3", "items=1-2", "bytes=1-2,4-5"]) {
      assert.strictEqual(parseRange(header, 10), "whole")
    }
  })

  it.live("takes a NAR in every compression, then its narinfo, and keeps the signatures of all who send it", () =>
    Effect.gen(function* () {
      const elsewhere = memorySide()
      const side = memorySide()
      const base = yield* serving(side)
      const packed: ReadonlyArray<readonly [string, string, (nar: Uint8Array) => Uint8Array]> = [
        ["", "none", (nar) => nar],
        ["", "gzip", zlib.gzipSync],
        [".br", "br", zlib.brotliCompressSync],
        [".zst", "zstd", zlib.zstdCompressSync]
      ]
      for (const [suffix, compression, pack] of packed) {
        const nar = treeNar(compression)
        const info = yield* add(elsewhere, `tree-${compression}`, nar)
        const file = pack(nar)
        const url = `nar/${sha(file)}.nar${suffix}`
        const about = (signature: string) =>
          `StorePath: ${info.path}\nURL: ${url}\nCompression: ${compression}\nFileHash: sha256:${sha(file)}\nFileSize: ${file.length}\n` +
          `NarHash: sha256:${sha(nar)}\nNarSize: ${nar.length}\nReferences: \nSig: ${signature}\nCA: ${info.ca}\n`
        assert.strictEqual((yield* ask(`${base}/${url}`, "PUT", {}, file)).status, 201)
        assert.strictEqual((yield* ask(`${base}/${hashPart(info.path)}.narinfo`, "PUT", {}, about("a:YQ=="))).status, 201)
        assert.strictEqual((yield* ask(`${base}/${hashPart(info.path)}.narinfo`, "PUT", {}, about("b:Yg=="))).status, 200)
        const stored = Option.getOrThrow(yield* side.pathInfos.get(info.path))
        assert.deepStrictEqual(stored.node, info.node)
        assert.deepStrictEqual(stored.signatures, ["a:YQ==", "b:Yg=="])
      }
    })
  )

  it.live("refuses every upload that does not hold together, and stores no path for it", () =>
    Effect.gen(function* () {
      const side = memorySide()
      const base = yield* serving(side, { narLimit: 1_000_000 })
      const nar = fileNar("hello")
      const url = `nar/${sha(nar)}.nar`
      const part = "1".repeat(32)
      const fields = {
        StorePath: `/nix/store/${part}-x`,
        URL: url,
        Compression: "none",
        FileHash: `sha256:${sha(nar)}`,
        FileSize: String(nar.length),
        NarHash: `sha256:${sha(nar)}`,
        NarSize: String(nar.length),
        References: ""
      }
      const send = (change: Record<string, string>, name = `${part}.narinfo`) => {
        const body = Object.entries({ ...fields, ...change }).map(([key, value]) => `${key}: ${value}\n`)
        return Effect.map(ask(`${base}/${name}`, "PUT", {}, body.join("")), ({ status }) => status)
      }
      const sendNar = (name: string, body: Uint8Array, headers = {}) =>
        Effect.map(ask(`${base}/${name}`, "PUT", headers, body), ({ status }) => status)
      // A narinfo before its NAR.
      assert.strictEqual(yield* send({}), 400)
      // NARs.
      assert.strictEqual(yield* sendNar(`nar/${"0".repeat(52)}.nar`, nar), 400, "another hash than its name")
      const junk = Buffer.from("no NAR at all, however long it may be")
      assert.strictEqual(yield* sendNar(`nar/${sha(junk)}.nar`, junk), 400, "no NAR")
      const cut = nar.subarray(0, 60)
      assert.strictEqual(yield* sendNar(`nar/${sha(cut)}.nar`, cut), 400, "a cut NAR")
      const trailing = Buffer.concat([nar, nar])
      assert.strictEqual(yield* sendNar(`nar/${sha(trailing)}.nar`, trailing), 400, "more after its end")
      assert.strictEqual(yield* sendNar(`nar/${sha(nar)}.nar.xz`, nar), 400, "not compressed as its name says")
      assert.strictEqual(yield* sendNar(`nar/${sha(nar)}.nar.lz4`, nar), 415, "an unknown compression")
      assert.strictEqual(yield* sendNar(url, nar, { "content-encoding": "gzip" }), 415, "an encoding")
      const bomb = zlib.gzipSync(fileNar("0".repeat(3_000_000)))
      assert.strictEqual(yield* sendNar(`nar/${sha(bomb)}.nar`, bomb), 400, "unpacks to more than is allowed")
      for (const name of ["nar/", "nar/x", "nar/../x.nar", "nar/..%2f..%2fetc.nar", "x", `${part}.narinfo/x`, "%ff", "nix-cache-info"]) {
        const status = yield* sendNar(name, nar)
        assert.isTrue(status === 400 || status === 404, `${name}: ${status}`)
      }
      // Narinfos for a NAR that is here.
      assert.strictEqual(yield* sendNar(url, nar), 201)
      assert.strictEqual(yield* send({}, `${"2".repeat(32)}.narinfo`), 400, "about another path than its name")
      assert.strictEqual(yield* send({ NarSize: String(nar.length + 1) }), 400, "another size (D18)")
      assert.strictEqual(yield* send({ NarHash: `sha256:${"0".repeat(52)}` }), 400, "another NAR hash")
      assert.strictEqual(yield* send({ FileHash: `sha256:${"0".repeat(52)}` }), 400, "another file hash")
      assert.strictEqual(yield* send({ FileSize: "7" }), 400, "another file size")
      assert.strictEqual(yield* send({ References: `${"3".repeat(32)}-absent` }), 400, "a reference that is not here (D12)")
      assert.strictEqual(yield* send({ References: "x/../y" }), 400, "a reference that is no path")
      assert.strictEqual(yield* send({ URL: "x" }), 400, "a short URL (D17)")
      assert.strictEqual(yield* send({ URL: `../${url}` }), 400)
      assert.strictEqual(yield* send({ StorePath: `/nix/store/${part}-..` }), 400, "a bad name")
      assert.strictEqual(yield* send({ StorePath: `/gnu/store/${part}-x` }), 400, "another store")
      assert.strictEqual(yield* send({ CA: `fixed:r:sha256:${sha(nar)}` }), 400, "a content address that belongs to another path")
      assert.strictEqual(yield* send({ Sig: "no signature" }), 400)
      assert.strictEqual(yield* send({ Compression: "zip" }), 400)
      assert.strictEqual(yield* send({ X: "y".repeat(2_000_000) }), 413)
      assert.isTrue(Option.isNone(yield* side.pathInfos.getByHashPart(part)))
      // What is here stays.
      assert.strictEqual(yield* send({ References: `${part}-x` }), 201)
      const other = fileNar("other")
      assert.strictEqual(yield* sendNar(`nar/${sha(other)}.nar`, other), 201)
      const swap = {
        ...{ URL: `nar/${sha(other)}.nar`, FileHash: `sha256:${sha(other)}`, NarHash: `sha256:${sha(other)}`, References: `${part}-x` },
        ...{ NarSize: String(other.length), FileSize: String(other.length) }
      }
      assert.strictEqual(yield* send(swap), 409, "other content for a path that is here")
      assert.strictEqual(yield* send({ StorePath: `/nix/store/${part}-y`, References: "" }), 409, "another name for the hash part")
      const stored = Option.getOrThrow(yield* side.pathInfos.getByHashPart(part))
      assert.deepStrictEqual(stored.narHash, Uint8Array.from(hash("sha256", nar)))
      assert.strictEqual((yield* ask(`${base}/${part}.narinfo`, "DELETE")).status, 405)
    })
  )

  it.live("takes no uploads where that is forbidden", () =>
    Effect.gen(function* () {
      const base = yield* serving(memorySide(), { readOnly: true })
      const nar = fileNar("x")
      assert.strictEqual((yield* ask(`${base}/nar/${sha(nar)}.nar`, "PUT", {}, nar)).status, 403)
    })
  )

  it.live("answers fifty at the same time, and what clients leave in mid-NAR goes", () =>
    Effect.gen(function* () {
      const side = memorySide()
      const nar = treeNar("many")
      const info = yield* add(side, "tree", nar)
      let reading = 0
      const counted = {
        ...side,
        blobs: {
          ...side.blobs,
          read: (...args: Parameters<typeof side.blobs.read>) => {
            reading++
            return Stream.ensuring(
              side.blobs.read(...args),
              Effect.sync(() => reading--)
            )
          }
        }
      }
      const base = yield* serving(counted)
      const url = `${base}/nar/${hashPart(info.path)}-${Base32.encode(info.narHash)}.nar`
      const replies = yield* Effect.forEach(Array.from({ length: 50 }), () => ask(url), { concurrency: "unbounded" })
      for (const { status, body } of replies) assert.isTrue(status === 200 && body.equals(nar))
      const { port } = new URL(base)
      for (let i = 0; i < 20; i++) {
        yield* Effect.promise(
          () =>
            new Promise<void>((resolve) => {
              const socket = net.connect(Number(port), "127.0.0.1", () =>
                socket.write(`GET ${new URL(url).pathname} HTTP/1.1\r\nhost: x\r\n\r\n`)
              )
              socket.once("data", () => {
                socket.destroy()
                resolve()
              })
            })
        )
      }
      yield* Effect.sleep("200 millis")
      assert.strictEqual(reading, 0)
      assert.strictEqual((yield* ask(`${base}/nix-cache-info`)).status, 200)
    })
  )

  it.live("lets go of who asks for a NAR and does not read it", () =>
    Effect.gen(function* () {
      const side = memorySide()
      // More than the buffers of both ends of a connection hold.
      const info = yield* add(side, "large", fileNar("0123456789abcdef".repeat(2 * 1024 * 1024)))
      const progress = { reading: 0, begun: 0 }
      const counted = {
        ...side,
        blobs: {
          ...side.blobs,
          read: (...args: Parameters<typeof side.blobs.read>) => {
            progress.reading++
            progress.begun++
            return Stream.ensuring(
              side.blobs.read(...args),
              Effect.sync(() => progress.reading--)
            )
          }
        }
      }
      const base = yield* serving(counted, {}, 300)
      const socket = net.connect(Number(new URL(base).port), "127.0.0.1")
      socket.on("error", () => {})
      socket.write(`GET /nar/${hashPart(info.path)}-${Base32.encode(info.narHash)}.nar HTTP/1.1\r\nhost: x\r\n\r\n`)
      for (let i = 0; i < 100 && (progress.begun === 0 || progress.reading > 0); i++) yield* Effect.sleep("50 millis")
      assert.deepStrictEqual(progress, { reading: 0, begun: 1 })
      // It was cut off: what comes is less than the whole.
      let received = 0
      yield* Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            socket.on("data", (piece: Buffer) => (received += piece.length))
            socket.on("close", () => resolve())
          })
      )
      assert.isBelow(received, info.narSize)
    })
  )

  it.live("cuts off who sends nothing, and breaks off an answer that it cannot finish", () =>
    Effect.gen(function* () {
      const side = memorySide()
      const nar = treeNar("broken")
      const info = yield* add(side, "tree", nar)
      const missing = Stream.fail(new MissingData({ store: "s", kind: "blob", digest: "d" }))
      const damaged = {
        ...side,
        blobs: { ...side.blobs, read: (...args: Parameters<typeof side.blobs.read>) => Stream.concat(side.blobs.read(...args), missing) }
      }
      const base = yield* serving(damaged, {}, 300)
      const url = `${base}/nar/${hashPart(info.path)}-${Base32.encode(info.narHash)}.nar`
      const broken = yield* Effect.promise(
        () =>
          new Promise<string>((resolve) => {
            http
              .get(url, { agent: false }, (response) => {
                response.on("data", () => {})
                response.on("end", () => resolve("whole"))
                response.on("error", () => resolve("broken off"))
              })
              .on("error", () => resolve("broken off"))
          })
      )
      assert.strictEqual(broken, "broken off")
      const slow = yield* Effect.promise(
        () =>
          new Promise<string>((resolve) => {
            const socket = net.connect(Number(new URL(base).port), "127.0.0.1", () =>
              socket.write(`PUT /nar/${"0".repeat(52)}.nar HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nab`)
            )
            socket.on("error", () => {})
            socket.on("close", () => resolve("cut off"))
            setTimeout(() => resolve("waits"), 5000).unref()
          })
      )
      assert.strictEqual(slow, "cut off")
    })
  )
})
