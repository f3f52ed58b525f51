/**
 * Many blobs at a time: in few calls where the server takes batches, one by one where it does not, and believed in neither.
 */
import { rmSync } from "node:fs"
import { create } from "@bufbuild/protobuf"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { BlobService } from "../../../src/castore/blob/BlobService.ts"
import { make } from "../../../src/castore/blob/Grpc.ts"
import * as MemoryBlobs from "../../../src/castore/blob/Memory.ts"
import * as Digest from "../../../src/castore/Digest.ts"
import { blobHandlers } from "../../../src/serve/grpc/Blobs.ts"
import { BlobBatchService, BlobDigestsSchema } from "../../../src/wire/gen/yix/castore/v1/batch_pb.ts"
import { open } from "../../../src/wire/grpc/Channel.ts"
import { rpc } from "../../../src/wire/grpc/Rpc.ts"
import { type Handler, listen, unary } from "../../../src/wire/grpc/Server.ts"
import { randomBytes } from "../../castore/bytes.ts"
import { freshAddress, root } from "./world.ts"

afterAll(() => rmSync(root, { recursive: true }))

/** The driver over a server with these of its methods; the calls that came are counted by path. */
const over = (handlers: ReadonlyArray<Handler<BlobService>>) =>
  Effect.gen(function* () {
    const calls = new Map<string, number>()
    const counted = handlers.map(
      (handler) =>
        ({
          ...handler,
          run: (request: never) => {
            calls.set(handler.path, (calls.get(handler.path) ?? 0) + 1)
            return handler.run(request)
          }
        }) as Handler<BlobService>
    )
    const { address } = yield* Effect.provideService(listen(freshAddress("a Unix socket"), counted), BlobService, MemoryBlobs.make())
    return { calls, blobs: make(yield* open(address)) }
  })

const isBatch = ({ path }: { readonly path: string }) => path.includes("BlobBatchService")

// Small ones in more than one batch, one that is larger than a batch, one twice, the empty one.
const all = [
  ...Array.from({ length: 300 }, (_, i) => randomBytes(i, (i % 40) * 500)),
  randomBytes(1, 3 << 20),
  randomBytes(7, 7),
  new Uint8Array(0)
]
const digests = all.map(Digest.ofBytes)
const unknown = Digest.ofBytes(randomBytes(99, 99_999))

describe("many blobs over gRPC", () => {
  for (const [name, handlers, most] of [
    ["go in few calls", blobHandlers, 10],
    ["go one by one to a server of another make", blobHandlers.filter((each) => !isBatch(each)), Infinity]
  ] as const) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { blobs, calls } = yield* over(handlers)
        assert.deepStrictEqual(
          yield* blobs.missing!(digests),
          digests.filter((digest) => digest !== Digest.empty)
        )
        assert.deepStrictEqual(yield* blobs.putMany(all), digests)
        assert.deepStrictEqual(yield* blobs.missing!([unknown, ...digests, unknown]), [unknown, unknown])
        const some = [0, 1, 199, 299, 300, 301, 302]
        const found = yield* blobs.getMany(some.map((index) => digests[index]!))
        assert.deepStrictEqual(
          found.map(Option.getOrThrow).map(Digest.ofBytes),
          some.map((index) => digests[index]!)
        )
        const sent = [...calls].filter(([path]) => !path.endsWith("/Read")).reduce((sum, [, count]) => sum + count, 0)
        assert.isAtMost(sent, most)
        if (most === Infinity) assert.strictEqual(calls.get("/snix.castore.v1.BlobService/Put"), all.length)
        assert.deepStrictEqual(yield* blobs.putMany([]), [])
        assert.deepStrictEqual(yield* blobs.missing!([]), [])
      }).pipe(Effect.scoped)
    )
  }

  it.live("that a server says it stored otherwise, or not at all, are an error", () =>
    Effect.gen(function* () {
      for (const answer of [[], digests.slice(3, 5).map(Digest.toBytes), [new Uint8Array(3), new Uint8Array(3)]]) {
        const { blobs } = yield* over([
          ...blobHandlers.filter((each) => !isBatch(each)),
          unary(rpc(BlobBatchService.method.put), () => Effect.succeed(create(BlobDigestsSchema, { digests: answer }))),
          unary(rpc(BlobBatchService.method.findMissing), () => Effect.succeed(create(BlobDigestsSchema, { digests: answer })))
        ])
        const error = yield* Effect.flip(blobs.putMany(all.slice(1, 3)))
        assert.include(["CorruptData", "StoreUnavailable"], error._tag)
      }
    }).pipe(Effect.scoped)
  )
})
