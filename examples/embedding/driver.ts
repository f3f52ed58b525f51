/**
 * A driver of one's own: blobs in a directory, each compressed with gzip. As `type = "gzip"` in a `yix.toml` it stands beside those that yix brings along.
 *
 *     [blobservices.root]
 *     type = "gzip"
 *     path = "blobs"      # relative to the file
 *     level = 9           # 0 to 9; 6 when left out
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as zlib from "node:zlib"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BlobService } from "yix/castore/blob/BlobService"
import { attempt, MissingData } from "yix/castore/CastoreError"
import * as Digest from "yix/castore/Digest"
import { type Driver, driver } from "yix/config/Driver"
import { standardDrivers } from "yix/config/Drivers"

export interface GzipOptions {
  readonly directory: string
  /** 0 (stored) to 9 (smallest). */
  readonly level: number
}

const make = ({ directory, level }: GzipOptions): BlobService["Service"] => {
  const store = `gzip:${directory}`
  const fileOf = (digest: Digest.Digest): string => path.join(directory, `${digest}.gz`)

  const load = (digest: Digest.Digest): Uint8Array | undefined => {
    if (digest === Digest.empty) return new Uint8Array(0)
    if (!fs.existsSync(fileOf(digest))) return undefined
    return new Uint8Array(zlib.gunzipSync(fs.readFileSync(fileOf(digest))))
  }
  const keep = (bytes: Uint8Array): Digest.Digest => {
    const digest = Digest.ofBytes(bytes)
    if (fs.existsSync(fileOf(digest))) return digest
    // Nobody sees a file before it is whole.
    const temporary = `${fileOf(digest)}.${crypto.randomUUID()}`
    fs.writeFileSync(temporary, zlib.gzipSync(bytes, { level }))
    fs.renameSync(temporary, fileOf(digest))
    return digest
  }
  /** What is read is what its digest says, or an error. */
  const get = (digest: Digest.Digest) =>
    Effect.flatMap(
      attempt(store, "read a blob", () => load(digest)),
      (bytes) => (bytes === undefined ? Effect.succeedNone : Effect.asSome(Digest.verified(store, digest, bytes)))
    )
  const putMany = (blobs: ReadonlyArray<Uint8Array>) => attempt(store, "write blobs", () => blobs.map(keep))

  return BlobService.of({
    has: (digest) => attempt(store, "look for a blob", () => digest === Digest.empty || fs.existsSync(fileOf(digest))),
    get,
    getMany: (digests) => Effect.forEach(digests, get),
    read: (digest, { offset = 0, length } = {}) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const blob = yield* get(digest)
          if (Option.isNone(blob)) return yield* new MissingData({ store, kind: "blob", digest })
          return Stream.succeed(blob.value.subarray(offset, length === undefined ? undefined : offset + length))
        })
      ),
    putMany,
    putStream: (bytes) =>
      Effect.gen(function* () {
        // A copy of each piece: its producer may reuse the buffer.
        const blob = Buffer.concat(yield* Stream.runCollect(Stream.map(bytes, (piece) => piece.slice())))
        const [digest] = yield* putMany([blob])
        return { digest: digest!, size: blob.length }
      }),
    list: () =>
      Stream.unwrap(
        Effect.map(
          attempt(store, "list blobs", () => fs.readdirSync(directory)),
          (names) => Stream.fromIterable(names.map((name) => name.replace(/\.gz$/, "")).filter(Digest.isDigest))
        )
      )
  })
}

/** In code: the driver as a layer, like those of yix. */
export const layer = (options: GzipOptions) =>
  Layer.effect(
    BlobService,
    attempt(`gzip:${options.directory}`, "open", () => {
      fs.mkdirSync(options.directory, { recursive: true })
      return make(options)
    })
  )

/** In `yix.toml`: the type, the schema of its keys, and the layer that they make. */
export const gzip = driver({
  kind: "blobservices",
  type: "gzip",
  fields: {
    path: Schema.NonEmptyString,
    level: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })).pipe(Schema.withDecodingDefaultKey(Effect.succeed(6)))
  },
  complete: (keys, place) => ({ ...keys, path: path.resolve(place.directory, keys.path) }),
  layer: ({ path, level }) => layer({ directory: path, level })
})

/** What a `yix.toml` may name: everything that yix brings along, and this. */
export const drivers: ReadonlyArray<Driver> = [...standardDrivers, gzip]
