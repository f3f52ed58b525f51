/**
 * What holds of gRPC in motion: memory, clients that go away, errors that travel, trees larger than a message, addresses.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { BlobService } from "../../../src/castore/blob/BlobService.ts"
import * as GrpcBlobs from "../../../src/castore/blob/Grpc.ts"
import * as MemoryBlobs from "../../../src/castore/blob/Memory.ts"
import { StoreUnavailable } from "../../../src/castore/CastoreError.ts"
import * as Digest from "../../../src/castore/Digest.ts"
import * as Directory from "../../../src/castore/Directory.ts"
import { DirectoryService } from "../../../src/castore/directory/DirectoryService.ts"
import { serveStore } from "../../../src/serve/grpc/GrpcServer.ts"
import { calculate } from "../../../src/store/Nar.ts"
import { calculateNar } from "../../../src/store/pathinfo/Grpc.ts"
import { BadGrpcAddress, parse } from "../../../src/wire/grpc/Address.ts"
import { open } from "../../../src/wire/grpc/Channel.ts"
import { CannotListen } from "../../../src/wire/grpc/Server.ts"
import { randomBytes } from "../../castore/bytes.ts"
import { clients, freshAddress, memory, Peer, root } from "./world.ts"

afterAll(() => rmSync(root, { recursive: true }))

const piece = randomBytes(1, 1 << 18)
const large = 200 << 20
const pieces = large / piece.length

/** A blob service that holds one large blob without holding its bytes, and counts what it is given without keeping it. */
const bottomless = () => {
  const seen = { written: 0, reading: 0, writing: 0 }
  const layer = Layer.sync(BlobService, () => ({
    ...MemoryBlobs.make(),
    has: () => Effect.succeed(true),
    read: () =>
      Stream.unwrap(
        Effect.acquireRelease(
          Effect.sync(() => void seen.reading++),
          () => Effect.sync(() => void seen.reading--)
        ).pipe(
          Effect.as(
            Stream.fromIterable(Array.from({ length: pieces })).pipe(
              Stream.rechunk(1),
              Stream.map(() => piece)
            )
          )
        )
      ),
    putStream: <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          seen.writing++
          return Digest.incremental()
        }),
        (hasher) =>
          Effect.map(
            Stream.runForEach(bytes, (each) =>
              Effect.sync(() => {
                seen.written += each.length
                hasher.update(each)
              })
            ),
            () => ({ digest: hasher.end(), size: seen.written })
          ),
        () => Effect.sync(() => void seen.writing--)
      )
  }))
  return { seen, layer: Layer.merge(memory(), layer) }
}

const wholeDigest = (() => {
  const hasher = Digest.incremental()
  for (let i = 0; i < pieces; i++) hasher.update(piece)
  return hasher.end()
})()

/** Highest growth of the process's memory in bytes while `self` runs. */
const growth = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    globalThis.gc?.()
    const before = process.memoryUsage().rss
    let highest = before
    const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage().rss)), 5)
    yield* Effect.ensuring(
      self,
      Effect.sync(() => clearInterval(watch))
    )
    return highest - before
  })

const eventually = (what: string, holds: () => boolean) =>
  Effect.gen(function* () {
    for (let i = 0; i < 300; i++) {
      if (holds()) return
      yield* Effect.sleep(10)
    }
    assert.fail(what)
  })

describe("a blob of 200 MB over gRPC", () => {
  it.live("is read and written in bounded memory", () => {
    const { seen, layer } = bottomless()
    return Effect.gen(function* () {
      const blobs = yield* BlobService
      let read = 0
      const reading = yield* growth(Stream.runForEach(blobs.read(wholeDigest), (bytes) => Effect.sync(() => (read += bytes.length))))
      assert.strictEqual(read, large)
      const source = Stream.fromIterable(Array.from({ length: pieces })).pipe(
        Stream.rechunk(1),
        Stream.map(() => piece)
      )
      const writing = yield* growth(
        Effect.map(blobs.putStream(source), (stored) => assert.deepStrictEqual(stored, { digest: wholeDigest, size: large }))
      )
      assert.strictEqual(seen.written, large)
      assert.isBelow(reading, 120 << 20)
      assert.isBelow(writing, 120 << 20)
    }).pipe(Effect.provide(clients("a Unix socket", layer)))
  })

  it.live("waits for a reader that does not read", () => {
    const { layer } = bottomless()
    let given = 0
    const counted = Layer.effect(
      BlobService,
      Effect.map(BlobService, (blobs) => ({
        ...blobs,
        read: (digest: Digest.Digest) => Stream.tap(blobs.read(digest), (bytes) => Effect.sync(() => void (given += bytes.length)))
      }))
    ).pipe(Layer.provide(layer))
    return Effect.gen(function* () {
      const blobs = yield* BlobService
      yield* Stream.runForEach(Stream.take(blobs.read(wholeDigest), 1), () => Effect.sleep(500))
      assert.isBelow(given, 40 << 20)
    }).pipe(Effect.provide(clients("TCP", Layer.merge(layer, counted))))
  })
})

describe("a client that goes away", () => {
  for (const transport of ["TCP", "a Unix socket"] as const) {
    it.live(`in the middle of a download or an upload leaves nothing running on the server (${transport})`, () => {
      const { seen, layer } = bottomless()
      return Effect.gen(function* () {
        const { calls } = yield* Peer
        const blobs = yield* BlobService
        for (let round = 0; round < 20; round++) {
          yield* Stream.runDrain(Stream.take(blobs.read(wholeDigest), 3))
          const upload = yield* Effect.forkChild(blobs.putStream(Stream.concat(Stream.make(piece, piece), Stream.never)))
          const before = seen.written
          yield* eventually("the upload arrives", () => seen.written > before)
          yield* Fiber.interrupt(upload)
        }
        yield* eventually("calls end", () => calls() === 0 && seen.reading === 0 && seen.writing === 0)
      }).pipe(Effect.provide(clients(transport, layer)))
    })
  }

  it.live("by losing its connection leaves no part of its upload", () =>
    Effect.gen(function* () {
      const held = new Map<Digest.Digest, Uint8Array>()
      const services = Layer.merge(
        memory(),
        Layer.sync(BlobService, () => MemoryBlobs.make(held))
      )
      yield* Effect.gen(function* () {
        const { address, calls } = yield* Peer
        yield* Effect.gen(function* () {
          const blobs = yield* BlobService
          yield* Effect.forkScoped(blobs.putStream(Stream.concat(Stream.make(piece, piece), Stream.never)))
          yield* eventually("the upload begins", () => calls() === 1)
        }).pipe(Effect.provide(GrpcBlobs.layer(address)), Effect.scoped)
        yield* eventually("the call ends", () => calls() === 0)
        assert.strictEqual(held.size, 0)
      }).pipe(Effect.provide(clients("a Unix socket", services)))
    })
  )
})

describe("a gRPC server", () => {
  it.live("that is stopped in the middle of a call ends it with an error, and its socket is gone", () =>
    Effect.gen(function* () {
      const { layer } = bottomless()
      const address = freshAddress("a Unix socket")
      const path = address.slice("unix:".length)
      const reader = yield* Effect.gen(function* () {
        yield* serveStore(address)
        assert.isTrue(existsSync(path))
        const reader = yield* Effect.forkDetach(
          Effect.flatMap(BlobService, (blobs) => Stream.runForEach(blobs.read(wholeDigest), () => Effect.sleep(50))).pipe(
            Effect.provide(GrpcBlobs.layer(address)),
            Effect.flip
          )
        )
        yield* Effect.sleep(300)
        return reader
      }).pipe(Effect.provide(layer), Effect.scoped)
      assert.instanceOf(yield* Fiber.join(reader), StoreUnavailable)
      assert.isFalse(existsSync(path))
    })
  )

  it.live("refuses a socket where another server listens or another file lies, and takes over one that was left", () =>
    Effect.gen(function* () {
      const address = freshAddress("a Unix socket")
      yield* serveStore(address)
      assert.instanceOf(yield* Effect.flip(serveStore(address)), CannotListen)
      const file = freshAddress("a Unix socket")
      writeFileSync(file.slice(5), "precious")
      assert.instanceOf(yield* Effect.flip(serveStore(file)), CannotListen)
      assert.isTrue(existsSync(file.slice(5)))
    }).pipe(Effect.provide(memory()), Effect.scoped)
  )

  it.live("that is read-only gives what it has and refuses uploads", () =>
    Effect.gen(function* () {
      const address = freshAddress("a Unix socket")
      const [digest] = yield* Effect.flatMap(BlobService, (blobs) => blobs.putMany([piece]))
      yield* serveStore(address, { readOnly: true })
      yield* Effect.gen(function* () {
        const blobs = yield* BlobService
        assert.isTrue(yield* blobs.has(digest!))
        const error = yield* Effect.flip(blobs.putMany([randomBytes(2, 10)]))
        assert.include(error.message, "takes no uploads")
      }).pipe(Effect.provide(GrpcBlobs.layer(address)))
    }).pipe(Effect.provide(memory()), Effect.scoped)
  )

  it.live("that is not there is named by the error", () =>
    Effect.gen(function* () {
      const address = freshAddress("a Unix socket")
      const error = yield* Effect.flip(
        Effect.flatMap(BlobService, (blobs) => blobs.has(wholeDigest)).pipe(Effect.provide(GrpcBlobs.layer(address)))
      )
      assert.instanceOf(error, StoreUnavailable)
      assert.include((error as StoreUnavailable).message, address)
      const eager = yield* Effect.flip(Effect.scoped(open("grpc+http://127.0.0.1:1?wait-connect=1")))
      assert.include(String(eager), "127.0.0.1:1")
    })
  )
})

describe("a tree", () => {
  it.live("has the same NAR calculated here and there, and a directory may be larger than 4 MiB", () =>
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const directories = yield* DirectoryService
      const [digest] = yield* blobs.putMany([randomBytes(4, 100_000)])
      const wide = {
        entries: Array.from({ length: 20_000 }, (_, i) => ({
          name: String(i).padStart(200, "0"),
          node: { _tag: "File" as const, digest: Digest.empty, size: 0, executable: false }
        }))
      }
      assert.isAbove(Directory.encode(wide).length, 4 << 20)
      const top = {
        entries: [
          { name: "f", node: { _tag: "File" as const, digest: digest!, size: 100_000, executable: true } },
          { name: "w", node: Directory.nodeOf(wide) }
        ]
      }
      yield* directories.putMany([wide, top])
      const node = Directory.nodeOf(top)
      const { address } = yield* Peer
      const there = yield* Effect.scoped(Effect.flatMap(open(address), (channel) => calculateNar(channel, node)))
      assert.deepStrictEqual(there, yield* calculate(node))
    }).pipe(Effect.provide(clients("TCP")))
  )
})

describe("addresses", () => {
  it("are read in all their forms", () => {
    const targets: ReadonlyArray<readonly [string, string, string | undefined, boolean]> = [
      ["unix:/a/b.sock", "unix:/a/b.sock", "/a/b.sock", false],
      ["/a/b.sock", "unix:/a/b.sock", "/a/b.sock", false],
      ["grpc+unix:///a/b.sock", "unix:/a/b.sock", "/a/b.sock", false],
      ["[::1]:8000", "[::1]:8000", undefined, false],
      ["host.example:1", "host.example:1", undefined, false],
      ["grpc+http://[::1]", "[::1]:8000", undefined, false],
      ["grpc+http://host:81/", "host:81", undefined, false],
      ["grpc+https://host?wait-connect=1", "host:8000", undefined, true]
    ]
    for (const [text, target, socket, tls] of targets) {
      const address = parse(text)
      assert.deepStrictEqual([address.target, address.socket, address.tls], [target, socket, tls], text)
    }
  })

  it("that are none are refused with what to write", () => {
    for (const text of [
      "",
      "host",
      "host:99999",
      "unix:relative",
      "grpc+unix://host/a",
      "grpc+http://h/path",
      "h:1?x=1",
      "h:1?wait-connect=y",
      "ftp://h:1"
    ]) {
      assert.throws(() => parse(text), BadGrpcAddress)
    }
  })
})
