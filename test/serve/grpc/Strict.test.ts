/**
 * Servers that are no yix take one whole tree an upload (shared/reference/anchors.md §2.3): this one does, and says nothing but a status code.
 */
import { rmSync } from "node:fs"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { create } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Digest from "../../../src/castore/Digest.ts"
import * as Directory from "../../../src/castore/Directory.ts"
import { make } from "../../../src/castore/directory/Grpc.ts"
import { DirectoryService } from "../../../src/castore/directory/DirectoryService.ts"
import { toFault } from "../../../src/castore/GrpcFaults.ts"
import type { Directory as DirectoryData } from "../../../src/castore/Node.ts"
import { directoryHandlers } from "../../../src/serve/grpc/Directories.ts"
import { DirectoryService as Service, PutDirectoryResponseSchema } from "../../../src/wire/gen/snix/castore/v1/rpc_directory_pb.ts"
import { open } from "../../../src/wire/grpc/Channel.ts"
import { asBytes, rpc } from "../../../src/wire/grpc/Rpc.ts"
import { code, RpcFault } from "../../../src/wire/grpc/RpcError.ts"
import { clientStream, listen } from "../../../src/wire/grpc/Server.ts"
import { freshAddress, memory, root } from "./world.ts"

afterAll(() => rmSync(root, { recursive: true }))

const refused = new RpcFault({ code: code.invalidArgument, details: "not one whole tree" })

const uploads: Array<number> = []
const strictPut = clientStream({ ...rpc(Service.method.put), request: asBytes }, (requests) =>
  Effect.gen(function* () {
    const all = (yield* Stream.runCollect(requests)).map((bytes) => Directory.decode(bytes))
    const referred = new Set<string>()
    const seen = new Set<string>()
    for (const directory of all) {
      for (const { node } of directory.entries) {
        if (node._tag !== "Directory") continue
        if (!seen.has(node.digest)) return yield* refused
        referred.add(node.digest)
      }
      seen.add(Directory.digest(directory))
    }
    const roots = [...seen].filter((digest) => !referred.has(digest))
    const last = Directory.digest(all[all.length - 1]!)
    if (roots.length !== 1 || roots[0] !== last || seen.size !== all.length) return yield* refused
    const directories = yield* DirectoryService
    yield* Effect.mapError(directories.putMany(all), toFault)
    uploads.push(all.length)
    return create(PutDirectoryResponseSchema, { rootDigest: Digest.toBytes(last) })
  })
)

const file = (name: string) => ({ name, node: { _tag: "File" as const, digest: Digest.empty, size: 0, executable: false } })
const below = (name: string, directory: DirectoryData) => ({ name, node: Directory.nodeOf(directory) })

describe("directories sent to a server that takes whole trees only", () => {
  it.live("arrive tree by tree, each with all that is below it, also what was sent before", () =>
    Effect.gen(function* () {
      const { address } = yield* listen(freshAddress("a Unix socket"), [
        ...directoryHandlers.filter(({ path }) => path !== strictPut.path),
        strictPut
      ])
      const directories = make(yield* open(address))
      const leaf = { entries: [file("leaf")] }
      const other = { entries: [file("other")] }
      const middle = { entries: [below("a", leaf), below("b", { entries: [] })] }
      yield* directories.putMany([leaf, middle])
      yield* directories.putMany([leaf, other])
      const top = { entries: [below("m", middle), below("n", other)] }
      yield* directories.putMany([top])
      // The middle again with its leaf and the empty directory, then two trees, then everything below the top and itself.
      assert.deepStrictEqual(uploads, [3, 1, 1, 5])
      const all = yield* Stream.runCollect(directories.getRecursive(Directory.digest(top)))
      assert.strictEqual(all.length, 5)
    }).pipe(Effect.provide(memory()), Effect.scoped)
  )
})
