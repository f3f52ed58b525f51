/**
 * A client that shares no code with the server: frames written by hand from the published field numbers (shared/reference/anchors.md §3), over Node's HTTP/2.
 */
import { rmSync } from "node:fs"
import * as http2 from "node:http2"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { memory, Peer, root, server } from "./world.ts"

afterAll(() => rmSync(root, { recursive: true }))

/** A field with its length: `number` below 16. */
const field = (number: number, bytes: Uint8Array | string): Buffer => {
  const value = Buffer.from(bytes)
  const length = value.length < 128 ? [value.length] : [(value.length & 127) | 128, value.length >> 7]
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), value])
}
const number = (at: number, value: number): Buffer => Buffer.from([at << 3, value])
const frame = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

interface Answer {
  readonly status: string
  readonly details: string
  readonly messages: ReadonlyArray<Buffer>
}

const call = (address: string, path: string, ...messages: ReadonlyArray<Uint8Array>): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const session = http2.connect(`http://${address}`)
    const request = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" })
    let status = ""
    let details = ""
    const heads = (headers: http2.IncomingHttpHeaders) => {
      status = String(headers["grpc-status"] ?? status)
      details = String(headers["grpc-message"] ?? details)
    }
    const data: Array<Buffer> = []
    request.on("response", heads)
    request.on("trailers", heads)
    request.on("data", (bytes: Buffer) => data.push(bytes))
    request.on("close", () => {
      session.close()
      const all = Buffer.concat(data)
      const answers: Array<Buffer> = []
      for (let at = 0; at < all.length;) {
        const length = all.readUInt32BE(at + 1)
        answers.push(all.subarray(at + 5, at + 5 + length))
        at += 5 + length
      }
      resume(Effect.succeed({ status, details: decodeURI(details), messages: answers }))
    })
    for (const message of messages) request.write(frame(message))
    request.end()
  })

const hex = (text: string): Buffer => Buffer.from(text, "hex")
const base64 = (text: string): Buffer => Buffer.from(text, "base64")

// Golden vectors: shared/reference/anchors.md, appendix A.
const empty = hex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
const helloWorld = base64("XKeBWty0hOmhNsEe/mnB1TAXbVSbXRjQOOtSgLSzRww=")
const keep = hex("12290a052e6b6565701220af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
const keepDigest = base64("i1tdZCtka7jtUEsIYsOUE+h+V0kUl9570HWVP3uDgQ4=")
const complicatedDigest = base64("P5UaFa/VhvsxIe9NE9WC6BHODlp/IcBJf9h0kOniNVo=")
const complicated = Buffer.concat([
  field(1, Buffer.concat([field(1, "keep"), field(2, keepDigest), number(3, 1)])),
  field(2, Buffer.concat([field(1, ".keep"), field(2, empty)])),
  field(3, Buffer.concat([field(1, "aa"), field(2, "/nix/store/somewhereelse")]))
])

const ok = (answer: Answer): ReadonlyArray<Buffer> => {
  assert.strictEqual(answer.status, "0", answer.details)
  return answer.messages
}

for (const package_ of ["snix", "tvix"]) {
  const blob = `/${package_}.castore.v1.BlobService`
  const directory = `/${package_}.castore.v1.DirectoryService`
  const pathInfo = `/${package_}.store.v1.PathInfoService`
  const test = (name: string, body: (address: string) => Effect.Effect<unknown, unknown>) =>
    it.live(name, () =>
      Effect.provide(
        Effect.flatMap(Peer, ({ address }) => body(address)),
        server("TCP", memory()) as Layer.Layer<Peer>
      )
    )

  describe(`a foreign client of ${package_}.*.v1`, () => {
    test("stores a blob in pieces, finds it and reads it", (address) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(ok(yield* call(address, `${blob}/Put`, field(1, "Hello "), Buffer.alloc(0), field(1, "World!"))), [
          field(1, helloWorld)
        ])
        assert.deepStrictEqual(ok(yield* call(address, `${blob}/Stat`, field(1, helloWorld))), [Buffer.alloc(0)])
        assert.deepStrictEqual(ok(yield* call(address, `${blob}/Read`, field(1, helloWorld))), [field(1, "Hello World!")])
        assert.deepStrictEqual(ok(yield* call(address, `${blob}/Put`)), [field(1, empty)])
        assert.deepStrictEqual(ok(yield* call(address, `${blob}/Read`, field(1, empty))), [])
      }))

    test("is told what is wrong by status codes", (address) =>
      Effect.gen(function* () {
        const statuses: ReadonlyArray<readonly [path: string, message: Buffer, status: string]> = [
          [`${blob}/Stat`, field(1, helloWorld), "5"],
          [`${blob}/Read`, field(1, helloWorld), "5"],
          [`${blob}/Stat`, field(1, "short"), "3"],
          [`${blob}/Stat`, hex("0aff"), "3"],
          [`${directory}/Get`, field(1, keepDigest), "5"],
          [`${directory}/Get`, number(2, 1), "3"],
          // A name with a slash; fields in another order; a child that nobody has.
          [`${directory}/Put`, field(2, Buffer.concat([field(1, "a/b"), field(2, empty)])), "3"],
          [`${directory}/Put`, field(2, Buffer.concat([field(2, empty), field(1, "a")])), "3"],
          [`${directory}/Put`, complicated, "3"],
          [`${pathInfo}/Get`, field(1, Buffer.alloc(20)), "5"],
          [`${pathInfo}/Get`, field(1, Buffer.alloc(19)), "3"],
          [`${pathInfo}/Put`, Buffer.alloc(0), "3"],
          [`${pathInfo}/CalculateNAR`, field(3, Buffer.concat([field(1, "named"), field(2, "x")])), "3"],
          [`${pathInfo}/CalculateNAR`, field(2, field(2, helloWorld)), "5"],
          [`${blob}/Nothing`, Buffer.alloc(0), "12"]
        ]
        for (const [path, message, status] of statuses) {
          const answer = yield* call(address, path, message)
          assert.strictEqual(answer.status, status, `${path} ${message.toString("hex")}: ${answer.details}`)
          assert.isAbove(answer.details.length, 10)
        }
        // A whole tree that is unknown is empty, as in Snix.
        assert.deepStrictEqual(ok(yield* call(address, `${directory}/Get`, Buffer.concat([field(1, keepDigest), number(2, 1)]))), [])
      }))

    test("stores directories under the digests that everybody computes, and gets the same bytes back", (address) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(ok(yield* call(address, `${directory}/Put`, keep, complicated)), [field(1, complicatedDigest)])
        assert.deepStrictEqual(ok(yield* call(address, `${directory}/Get`, field(1, keepDigest))), [keep])
        const all = ok(yield* call(address, `${directory}/Get`, Buffer.concat([field(1, complicatedDigest), number(2, 1)])))
        assert.deepStrictEqual(all, [complicated, keep])
      }))

    test("has the NAR of a tree calculated, and stores and lists path infos", (address) =>
      Effect.gen(function* () {
        yield* call(address, `${directory}/Put`, keep, complicated)
        const entry = (name: string) =>
          field(1, Buffer.concat([name === "" ? Buffer.alloc(0) : field(1, name), field(2, complicatedDigest), number(3, 4)]))
        const narHash = hex("ebd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a")
        const size = Buffer.from([8, 0xc8, 6])
        assert.deepStrictEqual(ok(yield* call(address, `${pathInfo}/CalculateNAR`, entry(""))), [Buffer.concat([size, field(2, narHash)])])
        const digest = Buffer.alloc(20)
        const name = `${"0".repeat(32)}-thing`
        const narinfo = (referenceName: string, signature: number) =>
          Buffer.concat([
            size,
            field(2, narHash),
            field(3, Buffer.concat([field(1, "key"), field(2, Buffer.alloc(signature, 7))])),
            field(4, referenceName),
            field(5, Buffer.concat([field(1, "thing"), field(2, digest)])),
            field(6, Buffer.concat([number(1, 7), field(2, narHash)]))
          ])
        const info = (inner: Buffer, at = name) => Buffer.concat([field(1, entry(at)), field(2, digest), field(3, inner)])
        const whole = info(narinfo(name, 64))
        assert.deepStrictEqual(ok(yield* call(address, `${pathInfo}/Put`, whole)), [whole])
        assert.deepStrictEqual(ok(yield* call(address, `${pathInfo}/Get`, field(1, digest))), [whole])
        assert.deepStrictEqual(ok(yield* call(address, `${pathInfo}/List`, Buffer.alloc(0))), [whole])
        for (const wrong of [
          info(narinfo(name, 63)),
          info(narinfo(`${"1".repeat(32)}-thing`, 64)),
          info(narinfo("thing", 64)),
          info(narinfo(name, 64), "thing"),
          Buffer.concat([field(1, entry(name)), field(2, digest), field(3, Buffer.concat([size, field(2, narHash)]))]),
          Buffer.concat([field(1, entry(name)), field(3, Buffer.concat([size, field(2, narHash.subarray(1))]))])
        ]) {
          assert.strictEqual((yield* call(address, `${pathInfo}/Put`, wrong)).status, "3")
        }
      }))

    test("may ask whether a service is there", (address) =>
      Effect.gen(function* () {
        for (const service of ["", blob.slice(1), directory.slice(1), pathInfo.slice(1)]) {
          const asked = service === "" ? Buffer.alloc(0) : field(1, service)
          assert.deepStrictEqual(ok(yield* call(address, "/grpc.health.v1.Health/Check", asked)), [number(1, 1)])
        }
        assert.strictEqual((yield* call(address, "/grpc.health.v1.Health/Check", field(1, "other.Service"))).status, "5")
      }))
  })
}
