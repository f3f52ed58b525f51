/**
 * How paths are written to a binary cache: what the parameters of its address say (`?compression=zstd&secret-key=/etc/key`, named as Nix names them), and NARs
 * compressed into a file whose hash and size the narinfo tells.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { pipeline } from "node:stream/promises"
import { type Duplex, PassThrough, Readable, Transform } from "node:stream"
import * as zlib from "node:zlib"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SecretKey } from "../../nix/Keys.ts"
import { readKey } from "./KeyfileSigning.ts"

/** A parameter in a cache's address has a value that it cannot have. */
export class BadCacheParameter extends Schema.TaggedError<BadCacheParameter>()("BadCacheParameter", {
  name: Schema.String,
  value: Schema.String,
  /** Says what it may be. */
  expected: Schema.String
}) {
  override get message(): string {
    return `'${this.name}=${this.value}' cannot be: expected ${this.expected}`
  }
}

const packings = {
  none: { suffix: "", packer: (): Duplex => new PassThrough() },
  gzip: { suffix: ".gz", packer: (level: number | undefined): Duplex => zlib.createGzip(level === undefined ? {} : { level }) },
  zstd: {
    suffix: ".zst",
    packer: (level: number | undefined): Duplex =>
      zlib.createZstdCompress({ params: { [zlib.constants.ZSTD_c_compressionLevel]: level ?? 3 } })
  },
  br: {
    suffix: ".br",
    packer: (level: number | undefined): Duplex =>
      zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: level ?? 6 } })
  }
} as const

export type Packing = keyof typeof packings

const levels: Readonly<Record<Packing, readonly [least: number, most: number]>> = { none: [0, 0], gzip: [0, 9], zstd: [1, 22], br: [0, 11] }

export interface UploadSettings {
  readonly compression: Packing
  readonly level: number | undefined
  /** Write the listing of each NAR, too. */
  readonly listing: boolean
  readonly key: SecretKey | undefined
  /** What a cache that is made by this upload says of itself. */
  readonly cacheInfo: string
}

const isPacking = (name: string): name is Packing => Object.hasOwn(packings, name)

/**
 * Reads `compression` (where it is not said: zstd for `file:`; none else, where the other end may be one that unpacks), `compression-level`, `write-nar-listing`,
 * `secret-key`, `want-mass-query` and `priority`. Other parameters are for other programs.
 */
export const uploadSettings = Effect.fnUntraced(function* (address: string, storeDir: string) {
  const given = new URLSearchParams(/\?([^#]*)/.exec(address)?.[1] ?? "")
  const wrong = (name: string, expected: string) => new BadCacheParameter({ name, value: given.get(name)!, expected })
  const compression = given.get("compression") ?? (/^file:/i.test(address) ? "zstd" : "none")
  if (!isPacking(compression)) return yield* wrong("compression", `one of ${Object.keys(packings).join(", ")} (the others are read only)`)
  const number = Effect.fnUntraced(function* (name: string, [least, most]: readonly [number, number]) {
    const value = given.get(name)
    if (value === null) return undefined
    if (!/^\d{1,9}$/.test(value) || Number(value) < least || Number(value) > most)
      return yield* wrong(name, `a number from ${least} to ${most}`)
    return Number(value)
  })
  const level = yield* number("compression-level", levels[compression])
  const priority = yield* number("priority", [0, 999_999_999])
  const flag = (name: string) => /^(true|1|yes)$/.test(given.get(name) ?? "")
  const keyFile = given.get("secret-key")
  return {
    compression,
    level,
    listing: flag("write-nar-listing"),
    key: keyFile === null ? undefined : yield* readKey(keyFile),
    cacheInfo:
      `StoreDir: ${storeDir}\n` +
      (flag("want-mass-query") ? "WantMassQuery: 1\n" : "") +
      (priority === undefined ? "" : `Priority: ${priority}\n`)
  } satisfies UploadSettings
})

/** A NAR could not be read, or not be written into its file. */
export class PackingFailed extends Data.TaggedError("PackingFailed")<{ readonly file: string; readonly cause: unknown }> {
  override get message(): string {
    return this.cause instanceof Error ? this.cause.message : `'${this.file}' cannot be written: ${String(this.cause)}`
  }
}

/** What was packed. */
export interface PackedFile {
  readonly file: string
  /** SHA-256 of the file. */
  readonly hash: Uint8Array
  readonly size: number
  /** Such as `.zst`. */
  readonly suffix: string
}

/** Writes the packed bytes into a file of its own in `directory`; what is left of it goes when the scope ends. */
export const pack = Effect.fnUntraced(function* (
  bytes: Stream.Stream<Uint8Array, unknown>,
  { compression, level }: UploadSettings,
  directory: string
): Effect.fn.Return<PackedFile, PackingFailed, Scope.Scope> {
  const { packer, suffix } = packings[compression]
  const file = path.join(directory, `.yix-${process.pid}-${Math.random().toString(36).slice(2)}.tmp`)
  yield* Effect.addFinalizer(() => Effect.promise(() => fs.promises.rm(file, { force: true }).catch(() => {})))
  const hasher = createHash("sha256")
  let size = 0
  const counting = new Transform({
    transform(piece: Uint8Array, _encoding, done) {
      hasher.update(piece)
      size += piece.length
      done(null, piece)
    }
  })
  yield* Effect.tryPromise({
    try: async (signal) => {
      await fs.promises.mkdir(directory, { recursive: true })
      const written = fs.createWriteStream(file, { flags: "wx", flush: true })
      await pipeline(Readable.from(Stream.toAsyncIterable(bytes)), packer(level), counting, written, { signal })
    },
    catch: (cause) => new PackingFailed({ file, cause })
  })
  return { file, hash: Uint8Array.from(hasher.digest()), size, suffix }
})
