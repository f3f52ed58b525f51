/**
 * Directories of another process: the client of `snix.castore.v1.DirectoryService`.
 *
 * Directories travel in their canonical encoding and are verified when they arrive. A batch is checked here first (its children that are elsewhere are looked up), then
 * sent in one call. Servers that are no yix want each call to be one whole tree; what such a server refuses is sent again tree by tree, each with all that is below it.
 */
import { create } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { DirectoryService as Service } from "../../wire/gen/snix/castore/v1/rpc_directory_pb.ts"
import { ListingService } from "../../wire/gen/yix/castore/v1/listing_pb.ts"
import type { BadGrpcAddress } from "../../wire/grpc/Address.ts"
import { type Channel, open } from "../../wire/grpc/Channel.ts"
import { asBytes, rpc } from "../../wire/grpc/Rpc.ts"
import { code, type RpcFailed } from "../../wire/grpc/RpcError.ts"
import { attempt, type CastoreError, CorruptData, MissingData } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import * as Directory from "../Directory.ts"
import { answered, fromFailure, isUnknown } from "../GrpcFaults.ts"
import type { Directory as DirectoryData } from "../Node.ts"
import { encodeAll, type EncodedDirectory } from "./Closure.ts"
import { DirectoryService, type StoredDirectory } from "./DirectoryService.ts"

const getDirectory = { ...rpc(Service.method.get), response: asBytes }
const putDirectories = { ...rpc(Service.method.put), request: asBytes }
const listDirectories = rpc(ListingService.method.listDirectories)

/** Calls under way at a time for one request. */
const concurrency = 16

const childrenOf = (directory: DirectoryData): ReadonlyArray<Digest.Digest> =>
  directory.entries.flatMap(({ node }) => (node._tag === "Directory" ? [node.digest] : []))

/** Directories over a channel. */
export const make = (channel: Channel): DirectoryService["Service"] => {
  const store = channel.peer

  const ask = (digest: Digest.Digest, recursive: boolean) =>
    channel.serverStream(
      getDirectory,
      create(Service.method.get.input, { byWhat: { case: "digest", value: Digest.toBytes(digest) }, recursive })
    )

  const decoded = (digest: Digest.Digest, bytes: Uint8Array): Effect.Effect<DirectoryData, CastoreError> =>
    Effect.try({
      try: () => Directory.decode(bytes),
      catch: (cause) =>
        new CorruptData({ store, digest: Digest.toText(digest), detail: cause instanceof Error ? cause.message : String(cause) })
    })

  const get = (digest: Digest.Digest): Effect.Effect<Option.Option<DirectoryData>, CastoreError> => {
    if (digest === Digest.empty) return Effect.succeedSome({ entries: [] })
    return Stream.runHead(ask(digest, false)).pipe(
      Effect.catch((error) => (isUnknown(error) ? Effect.succeedNone : Effect.fail(fromFailure("read a directory")(error)))),
      Effect.flatMap((bytes) =>
        Option.isNone(bytes)
          ? Effect.succeedNone
          : Digest.verified(store, digest, bytes.value).pipe(
              Effect.flatMap((bytes) => decoded(digest, bytes)),
              Effect.asSome
            )
      )
    )
  }

  const getRecursive = (root: Digest.Digest): Stream.Stream<StoredDirectory, CastoreError> => {
    if (root === Digest.empty) return Stream.succeed({ digest: root, directory: { entries: [] } })
    return Stream.suspend(() => {
      const expected = new Set([root])
      const seen = new Set<Digest.Digest>()
      const accept = (bytes: Uint8Array): Effect.Effect<StoredDirectory, CastoreError> => {
        const digest = Digest.ofBytes(bytes)
        if (!expected.delete(digest)) {
          const detail = `the server sent ${Digest.toText(digest)}, which nothing before it refers to, or sent it twice`
          return Effect.fail(new CorruptData({ store, digest: Digest.toText(root), detail }))
        }
        seen.add(digest)
        return Effect.map(decoded(digest, bytes), (directory) => {
          for (const child of childrenOf(directory)) if (!seen.has(child)) expected.add(child)
          return { digest, directory }
        })
      }
      return ask(root, true).pipe(
        Stream.catch((error) => (isUnknown(error) && seen.size === 0 ? Stream.empty : Stream.fail(fromFailure("read directories")(error)))),
        Stream.mapEffect(accept),
        Stream.concat(
          Stream.suspend((): Stream.Stream<StoredDirectory, CastoreError> => {
            // The empty directory need not be sent to be there.
            const implied: ReadonlyArray<StoredDirectory> = expected.delete(Digest.empty)
              ? [{ digest: Digest.empty, directory: { entries: [] } }]
              : []
            const [missing] = expected
            if (missing === undefined || seen.size === 0) return Stream.fromIterable(implied)
            return Stream.fail(new MissingData({ store, kind: "directory", digest: Digest.toText(missing) }))
          })
        )
      )
    })
  }

  const send = (batch: ReadonlyArray<Uint8Array>, root: Digest.Digest): Effect.Effect<void, RpcFailed | CastoreError> =>
    Effect.flatMap(channel.clientStream(putDirectories, Stream.fromIterable(batch)), (answer) =>
      Effect.flatMap(
        answered(channel, "store directories", () => Digest.fromBytes(answer.rootDigest)),
        (stored) =>
          stored === root
            ? Effect.void
            : Effect.fail(
                new CorruptData({ store, digest: Digest.toText(root), detail: `the server stored it as ${Digest.toText(stored)}` })
              )
      )
    )

  /** Each root of a batch in a call of its own, after everything that is below it. */
  const sendTrees = Effect.fnUntraced(function* (batch: ReadonlyArray<DirectoryData>, encoded: ReadonlyArray<EncodedDirectory>) {
    const own = new Map(encoded.map((each, index) => [each.digest, { ...each, directory: batch[index]! }]))
    const referred = new Set(batch.flatMap(childrenOf))
    for (const { digest: root } of own.values()) {
      if (referred.has(root)) continue
      const order = new Map<Digest.Digest, Uint8Array>()
      const visit = (digest: Digest.Digest): Effect.Effect<void, CastoreError> =>
        Effect.gen(function* () {
          if (order.has(digest)) return
          const inBatch = own.get(digest)
          if (inBatch === undefined) {
            const below = new Map((yield* Stream.runCollect(getRecursive(digest))).map((each) => [each.digest, each.directory]))
            const place = (at: Digest.Digest): void => {
              if (order.has(at)) return
              const directory = below.get(at) ?? { entries: [] }
              for (const child of childrenOf(directory)) place(child)
              order.set(at, Directory.encode(directory))
            }
            return place(digest)
          }
          for (const child of childrenOf(inBatch.directory)) yield* visit(child)
          order.set(digest, inBatch.bytes)
        })
      yield* visit(root)
      yield* send([...order.values()], root)
    }
  })

  const putMany = Effect.fnUntraced(function* (
    directories: ReadonlyArray<DirectoryData>
  ): Effect.fn.Return<ReadonlyArray<Digest.Digest>, CastoreError> {
    if (directories.length === 0) return []
    const own = yield* attempt(store, "store directories", () => new Set(directories.map(Directory.digest)))
    const elsewhere = [...new Set(directories.flatMap(childrenOf))].filter((digest) => !own.has(digest))
    const found = yield* Effect.forEach(elsewhere, (digest) => Effect.map(get(digest), (answer) => [digest, answer] as const), {
      concurrency
    })
    const sizes = new Map(
      found.flatMap(([digest, answer]) => (Option.isSome(answer) ? [[digest, Directory.size(answer.value)] as const] : []))
    )
    const encoded = yield* attempt(store, "store directories", () => encodeAll(directories, (digest) => sizes.get(digest)))
    const bytes = encoded.map((each) => each.bytes)
    yield* send(bytes, encoded[encoded.length - 1]!.digest).pipe(
      Effect.catchIf(
        (error) => error._tag === "RpcFailed" && error.code === code.invalidArgument && error.data === undefined,
        () => sendTrees(directories, encoded)
      ),
      Effect.mapError((error) => (error._tag === "RpcFailed" ? fromFailure("store directories")(error) : error))
    )
    return encoded.map(({ digest }) => digest)
  })

  return DirectoryService.of({
    get,
    getRecursive,
    putMany,
    list: () =>
      channel.serverStream(listDirectories, create(ListingService.method.listDirectories.input)).pipe(
        Stream.mapError(fromFailure("list directories")),
        Stream.mapEffect(({ digests }) => answered(channel, "list directories", () => digests.map(Digest.fromBytes))),
        Stream.flattenIterable
      )
  })
}

/** Directories of the server at `address` (`wire/grpc/Address.ts`). */
export const layer = (address: string): Layer.Layer<DirectoryService, BadGrpcAddress | RpcFailed> =>
  Layer.effect(DirectoryService, Effect.map(open(address), make))
