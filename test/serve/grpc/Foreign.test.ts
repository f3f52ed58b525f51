/**
 * A client that shares no code with the server: frames written by hand from the published field numbers (shared/reference/anchors.md §3), over Node's HTTP/2.
 */
import { rmSync } from "node:fs"
import * as http2 from "node:http2"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BuilderFailed } from "../../../src/build/BuildError.ts"
import type { BuildRequest } from "../../../src/build/BuildRequest.ts"
import { layerTest } from "../../../src/build/MemoryBuilder.ts"
import { buildServer, memory, Peer, root, server } from "./world.ts"

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

/** A list of small numbers, packed as proto3 has them. */
const packed = (at: number, ...values: ReadonlyArray<number>): Buffer => field(at, Uint8Array.from(values))
const message = (...fields: ReadonlyArray<Buffer>): Buffer => Buffer.concat(fields)

/** The fields of a message that have a length, by number. */
const lengthFields = (bytes: Buffer): ReadonlyMap<number, ReadonlyArray<Buffer>> => {
  const found = new Map<number, Array<Buffer>>()
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    if ((tag & 7) === 0) varint()
    else {
      assert.strictEqual(tag & 7, 2)
      const length = varint()
      found.set(tag >> 3, [...(found.get(tag >> 3) ?? []), bytes.subarray(at, (at += length))])
    }
  }
  return found
}
const textsOf = (bytes: Buffer, number: number): ReadonlyArray<string> => (lengthFields(bytes).get(number) ?? []).map(String)

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

const needles = ["0", "1", "2"].map((digit) => digit.repeat(32))
const outputPaths = [`nix/store/${needles[0]}-b`, `nix/store/${needles[1]}-a`]

const buildRequest = (script: string, more: Buffer = Buffer.alloc(0)) =>
  message(
    field(1, field(2, message(field(1, "input"), field(2, helloWorld), number(3, 12), number(4, 1)))),
    field(1, field(3, message(field(1, "link"), field(2, "input")))),
    ...["/bin/sh", "-c", script].map((arg) => field(2, arg)),
    field(3, "build"),
    field(4, "build"),
    field(4, "nix/store"),
    field(5, "nix/store"),
    ...outputPaths.map((path) => field(6, path)),
    field(7, message(field(1, "a"), field(2, Buffer.from([0xff, 10])))),
    field(7, message(field(1, "b"))),
    field(8, message(field(1, "x86_64-linux"), number(2, 99), number(5, 1))),
    field(9, message(field(1, "build/extra"), field(2, Buffer.from([0, 1])))),
    ...needles.map((needle) => field(10, needle)),
    more
  )

/** What a builder must be given for it. */
const understood = (script: string): BuildRequest => ({
  inputs: [
    { name: "input", node: { _tag: "File", digest: helloWorld.toString("hex") as never, size: 12, executable: true } },
    { name: "link", node: { _tag: "Symlink", target: "input" } }
  ],
  commandArgs: ["/bin/sh", "-c", script],
  workingDir: "build",
  scratchPaths: ["build", "nix/store"],
  inputsDir: "nix/store",
  outputs: outputPaths,
  environmentVars: [
    { key: "a", value: "\xff\n" },
    { key: "b", value: "" }
  ],
  constraints: { system: "x86_64-linux", minMemory: 99, availableReadOnlyPaths: [], networkAccess: false, provideBinSh: true },
  additionalFiles: [{ path: "build/extra", contents: Uint8Array.from([0, 1]) }],
  refscanNeedles: needles
})

const builder = layerTest((request, { onLog, timeout, maxSilent }) =>
  Effect.gen(function* () {
    const script = request.commandArgs[2]!
    assert.deepStrictEqual(request, understood(script))
    onLog(Buffer.from(`${script} ${timeout} ${maxSilent}\n`))
    if (script === "fail") return yield* new BuilderFailed({ status: 3, signal: undefined, lastLines: ["the end"] })
    return new Map([
      [outputPaths[0]!, { link: `x${needles[2]} ${needles[0]}` }],
      [outputPaths[1]!, { file: Buffer.from("Hello World!"), executable: true }]
    ])
  })
).pipe(Layer.provideMerge(memory()))

describe("a foreign client of a builder", () => {
  const test = (name: string, body: (address: string) => Effect.Effect<unknown, unknown>) =>
    it.live(name, () =>
      Effect.provide(
        Effect.flatMap(Peer, ({ address }) => body(address)),
        buildServer("TCP", builder) as Layer.Layer<Peer>
      )
    )
  const snix = "/snix.build.v1.BuildService/DoBuild"
  const link = (name: Buffer) => field(3, message(name, field(2, `x${needles[2]} ${needles[0]}`)))
  const file = (name: Buffer) => field(2, message(name, field(2, helloWorld), number(3, 12), number(4, 1)))
  const nameless = Buffer.alloc(0)

  test("gets outputs in the order asked for from snix.build.v1, and by name from tvix.build.v1", (address) =>
    Effect.gen(function* () {
      const request = buildRequest("do")
      assert.deepStrictEqual(ok(yield* call(address, snix, request)), [
        message(field(1, message(field(1, link(nameless)), packed(2, 0, 2))), field(1, field(1, file(nameless))))
      ])
      const [tvix] = ok(yield* call(address, "/tvix.build.v1.BuildService/DoBuild", request))
      const fields = lengthFields(tvix!)
      assert.deepStrictEqual(fields.get(1), [request])
      const names = outputPaths.map((path) => field(1, path.slice("nix/store/".length)))
      assert.deepStrictEqual(fields.get(2), [link(names[0]!), file(names[1]!)])
      assert.deepStrictEqual(fields.get(3), [packed(1, 0, 2), Buffer.alloc(0)])
    }))

  test("gets the log and how the build failed from yix.build.v1, a status and words from the others", (address) =>
    Effect.gen(function* () {
      const limits = message(number(2, 60), number(3, 9))
      const yix = (script: string) => call(address, "/yix.build.v1.BuildService/Build", message(field(1, buildRequest(script)), limits))
      const built = ok(yield* yix("do"))
      assert.deepStrictEqual(built[0], field(1, "do 60 9\n"))
      assert.strictEqual(lengthFields(built[1]!).get(2)?.length, 1)
      const failed = ok(yield* yix("fail"))
      assert.deepStrictEqual(failed[0], field(1, "fail 60 9\n"))
      const [failure] = lengthFields(failed[1]!).get(3)!
      assert.include(textsOf(failure!, 1)[0], "exit code 3")
      assert.deepInclude(JSON.parse(textsOf(failure!, 2)[0]!) as object, { _tag: "BuilderFailed", status: 3, lastLines: ["the end"] })
      assert.include(failure!.toString("hex"), "1864")
      const plain = yield* call(address, snix, buildRequest("fail"))
      assert.strictEqual(plain.status, "10")
      assert.include(plain.details, "exit code 3")
      assert.include(plain.details, "the end")
    }))

  test("is told what is wrong with a request before anything runs", (address) =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [request: Buffer, status: string]> = [
        [Buffer.alloc(0), "3"],
        [hex("0aff"), "3"],
        // Texts that are no UTF-8; names and paths that lead elsewhere; what is there twice or out of order.
        [buildRequest("do", field(2, Buffer.from([0xff]))), "3"],
        [buildRequest("do", field(1, field(3, message(field(1, "../x"), field(2, "y"))))), "3"],
        [buildRequest("do", field(1, field(3, message(field(1, "link"), field(2, "y"))))), "3"],
        [buildRequest("do", field(1, field(2, message(field(1, "short"), field(2, "digest"))))), "3"],
        [buildRequest("do", field(3, "/build")), "3"],
        [buildRequest("do", field(4, "../etc")), "3"],
        [buildRequest("do", field(4, "nix/store")), "3"],
        [buildRequest("do", field(6, "nix/store/./x")), "3"],
        [buildRequest("do", field(6, outputPaths[0]!)), "3"],
        [buildRequest("do", field(7, message(field(1, "c=d")))), "3"],
        [buildRequest("do", field(7, message(field(1, "c"), field(2, "\0")))), "3"],
        [buildRequest("do", field(7, message(field(1, "a")))), "3"],
        [buildRequest("do", field(9, message(field(1, "a//b")))), "3"],
        [buildRequest("do", field(2, "nul\0")), "3"],
        [buildRequest("do", field(3, "a/".repeat(3000))), "8"],
        // What is this machine's own.
        [buildRequest("do", field(8, field(3, "/root"))), "7"],
        [buildRequest("do", field(8, number(4, 1))), "7"]
      ]
      for (const [request, status] of wrong) {
        for (const [path, sent] of [
          [snix, request],
          ["/tvix.build.v1.BuildService/DoBuild", request],
          ["/yix.build.v1.BuildService/Build", field(1, request)]
        ] as const) {
          const answer = yield* call(address, path, sent)
          assert.strictEqual(answer.status, status, `${path} ${request.subarray(-40).toString("hex")}: ${answer.details}`)
        }
      }
      const inputs = Array.from({ length: 70_000 }, (_, i) =>
        field(1, field(3, message(field(1, String(i).padStart(6, "0")), field(2, "y"))))
      )
      assert.strictEqual((yield* call(address, snix, buildRequest("do", Buffer.concat(inputs)))).status, "8")
      assert.strictEqual((yield* call(address, snix, buildRequest("do"))).status, "0")
    }))
})

describe("a foreign client of the reflection services", () => {
  const listServices = field(7, "")
  const namesIn = (answer: Buffer) => {
    const [list] = lengthFields(answer).get(6)!
    return (lengthFields(list!).get(1) ?? []).map((service) => textsOf(service, 1)[0]!)
  }

  for (const version of ["v1", "v1alpha"]) {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`

    it.live(`${version} learns what is served, and can read the messages of every method`, () =>
      Effect.gen(function* () {
        const { address } = yield* Peer
        const [listed] = ok(yield* call(address, path, listServices))
        const services = namesIn(listed!)
        const expected = [
          ...["blob", "directory"].flatMap((kind) =>
            ["snix", "tvix"].map((name) => `${name}.castore.v1.${kind === "blob" ? "Blob" : "Directory"}Service`)
          ),
          ...["snix", "tvix"].map((name) => `${name}.store.v1.PathInfoService`),
          ...["snix", "tvix", "yix"].map((name) => `${name}.build.v1.BuildService`),
          ...["v1", "v1alpha"].map((name) => `grpc.reflection.${name}.ServerReflection`),
          "grpc.health.v1.Health",
          "yix.castore.v1.BlobBatchService",
          "yix.castore.v1.ListingService"
        ]
        assert.deepStrictEqual([...services].sort(), expected.sort())
        // All are asked about in one call, as such clients do.
        const answers = ok(yield* call(address, path, ...services.map((name) => field(4, name))))
        assert.strictEqual(answers.length, services.length)
        for (const [index, service] of services.entries()) {
          const [found] = lengthFields(answers[index]!).get(4) ?? []
          const files = lengthFields(found!).get(1)!
          const names = files.map((file) => textsOf(file, 1)[0])
          for (const file of files) assert.includeMembers(names, [...textsOf(file, 3)])
          const declared = files.flatMap((file) =>
            (lengthFields(file).get(4) ?? []).map((type) => `.${textsOf(file, 2)[0]}.${textsOf(type, 1)[0]}`)
          )
          const package_ = textsOf(files[0]!, 2)[0]!
          const own = (lengthFields(files[0]!).get(6) ?? []).find((each) => `${package_}.${textsOf(each, 1)[0]}` === service)
          const methods = lengthFields(own!).get(2)!
          assert.isAbove(methods.length, 0)
          for (const method of methods) assert.includeMembers(declared, [...textsOf(method, 2), ...textsOf(method, 3)])
        }
      }).pipe(Effect.provide(buildServer("TCP", builder)))
    )

    it.live(`${version} finds files by name and methods and messages by theirs, and is told what is not there`, () =>
      Effect.gen(function* () {
        const { address } = yield* Peer
        const [named, method, nested, absent, file, extension, numbers, nothing] = ok(
          yield* call(
            address,
            path,
            ...["snix.store.v1.NARInfo.CA", "tvix.castore.v1.BlobService.Read", "snix.store.v1.NARInfo.CA.Hash", "other.Thing"].map(
              (symbol) => field(4, symbol)
            ),
            field(3, "tvix/store/v1/rpc_pathinfo.proto"),
            field(5, message(field(1, "snix.store.v1.PathInfo"), number(2, 1))),
            field(6, "snix.store.v1.PathInfo"),
            Buffer.alloc(0)
          )
        )
        const first = (answer: Buffer | undefined) => textsOf(lengthFields(lengthFields(answer!).get(4)![0]!).get(1)![0]!, 1)[0]
        assert.deepStrictEqual([named, method, nested, file].map(first), [
          "snix/store/v1/pathinfo.proto",
          "tvix/castore/v1/rpc_blobstore.proto",
          "snix/store/v1/pathinfo.proto",
          "tvix/store/v1/rpc_pathinfo.proto"
        ])
        for (const [answer, code] of [
          [absent, 5],
          [extension, 5],
          [nothing, 3]
        ] as const) {
          assert.strictEqual(lengthFields(answer!).get(7)![0]![1], code)
        }
        assert.deepStrictEqual(textsOf(lengthFields(numbers!).get(5)![0]!, 1), ["snix.store.v1.PathInfo"])
      }).pipe(Effect.provide(server("TCP", memory())))
    )
  }

  it.live("learns of no builder where there is none", () =>
    Effect.gen(function* () {
      const { address } = yield* Peer
      const [listed] = ok(yield* call(address, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", listServices))
      assert.notInclude(namesIn(listed!).join(" "), "build")
      assert.strictEqual((yield* call(address, "/snix.build.v1.BuildService/DoBuild", Buffer.alloc(0))).status, "12")
    }).pipe(Effect.provide(server("TCP", memory())))
  )
})
