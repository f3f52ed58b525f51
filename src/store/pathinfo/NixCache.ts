/**
 * Path infos of a Nix binary cache, over http, https or in a directory (`file:`).
 *
 * A narinfo is believed only when it is about the path that was asked for and a trusted key signed it (or the path is content-addressed and the content proves to
 * be that): that is an offer, and no NAR has moved for it. When the offer is taken up, the NAR is fetched, unpacked and taken into the blob and directory
 * services given here; the file must be what the narinfo says, and the NAR have the hash and size that were signed.
 * 404 and 403 mean that the cache does not have the path; `Offline`, that one on the network has none. `put` uploads NAR and narinfo; what a cache holds cannot be listed.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BlobService } from "../../castore/blob/BlobService.ts"
import { type CastoreError, isCastoreError, StoreUnavailable } from "../../castore/CastoreError.ts"
import { DirectoryService } from "../../castore/directory/DirectoryService.ts"
import { ingestNar } from "../../castore/ingest/Nar.ts"
import * as Base32 from "../../nix/Base32.ts"
import { fromBytes, toBytes } from "../../nix/Bytes.ts"
import * as Crypto from "../../nix/Crypto.ts"
import { printHash } from "../../nix/Hash.ts"
import type { PublicKey } from "../../nix/Keys.ts"
import { NarError } from "../../nix/Nar.ts"
import { type NarInfo, narInfoLimit, parseNarInfo, printNarInfo, verifyNarInfo } from "../../nix/NarInfo.ts"
import { printListing } from "../../nix/NarListing.ts"
import { hashPart, type StorePath, storeDir } from "../../nix/StorePath.ts"
import { type Compression, decompress, ExpandsTooFar } from "../../wire/Decompress.ts"
import type { Http } from "../../wire/Http.ts"
import { Offline } from "../../wire/Offline.ts"
import { hasItsContent } from "../ContentCheck.ts"
import { render } from "../Nar.ts"
import { listingOf } from "../NarLayout.ts"
import type { Offer, PathClaim } from "../Offer.ts"
import type { PathInfo } from "../PathInfo.ts"
import { PathInfoService } from "../PathInfoService.ts"
import { check } from "./Rules.ts"
import { isContentAddressed, sign } from "../Signing.ts"
import { openTransport } from "./NixCacheTransport.ts"
import { pack, type UploadSettings, uploadSettings } from "./NixCacheUpload.ts"

/** What a cache says of a path is not to be believed or not to be used. The cause of a `StoreUnavailable`. */
export class CacheRefused extends Schema.TaggedError<CacheRefused>()("CacheRefused", {
  /** The path or hash part that was asked for. */
  path: Schema.String,
  reason: Schema.Literals(["narinfo", "unsigned", "nar", "compression", "store directory", "listing"]),
  detail: Schema.String
}) {
  override get message(): string {
    switch (this.reason) {
      case "unsigned":
        return `'${this.path}' is not signed by a trusted key (${this.detail}); trust its signer with --trusted-public-key NAME:KEY, or among the public_keys in yix.toml, if you know it`
      case "narinfo":
        return `its narinfo of '${this.path}' cannot be used: ${this.detail}`
      case "nar":
        return `its NAR of '${this.path}' is not what its narinfo says: ${this.detail}; the cache is damaged or lies`
      default:
        return this.detail
    }
  }
}

export interface NixCacheOptions {
  /** `http:`, `https:` or `file:`, with parameters for what is written; see `NixCacheUpload.ts`. */
  readonly url: string
  /** Whose signatures count. `undefined`: nobody's is needed, the cache itself is trusted. */
  readonly trustedKeys: ReadonlyArray<PublicKey> | undefined
  /** Hears how many bytes of a path's NAR have been written. */
  readonly onWritten?: ((path: StorePath, done: number) => void) | undefined
}

const unpackers: ReadonlyMap<string, Compression> = new Map(
  (["none", "gzip", "bzip2", "xz", "zstd", "br"] as const).map((name) => [name, name])
)

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((byte, i) => byte === right[i])

const sriOf = (digest: Uint8Array): string => printHash({ algorithm: "sha256", digest }, "sri")

const hashPartForm = /^[0-9a-df-np-sv-z]{32}$/

export const make = Effect.fnUntraced(function* (
  options: NixCacheOptions
): Effect.fn.Return<PathInfoService["Service"], StoreUnavailable, Http | BlobService | DirectoryService> {
  const url = options.url.replace(/[?#].*$/, "").replace(/\/+$/, "")
  const onNetwork = !/^file:/i.test(url)
  const transport = yield* openTransport(url)
  const services = Context.make(BlobService, yield* BlobService).pipe(Context.add(DirectoryService, yield* DirectoryService))
  const unavailable =
    (operation: string) =>
    (cause: unknown): CastoreError =>
      isCastoreError(cause) ? cause : new StoreUnavailable({ store: url, operation, cause })

  /** That the cache is one for our store directory, and whether it says so; asked once, and again only when asking failed. */
  const [checkCache, forget] = yield* Effect.cachedInvalidateWithTTL(
    Effect.gen(function* () {
      const bytes = yield* transport.read("nix-cache-info", 64 * 1024)
      if (Option.isNone(bytes)) return false
      const directory = /^StoreDir:\s*(\S+)\s*$/m.exec(fromBytes(bytes.value))?.[1]
      if (directory === undefined || directory === storeDir) return true
      const detail = `it is a cache for the store directory '${directory}', not '${storeDir}'`
      return yield* new CacheRefused({ path: url, reason: "store directory", detail })
    }),
    "7 days"
  )
  const usable = Effect.tapError(checkCache, () => forget)

  const [introduce, forgetIntroduction] = yield* Effect.cachedInvalidateWithTTL(
    Effect.gen(function* () {
      const settings = yield* uploadSettings(options.url, storeDir)
      const info = toBytes(settings.cacheInfo)
      if (!(yield* usable)) yield* transport.write("nix-cache-info", Stream.succeed(info), info.length)
      return settings
    }),
    "7 days"
  )
  /** How to write to the cache, which has told of itself by then. */
  const writable = Effect.tapError(introduce, () => forgetIntroduction)

  const narInfoOf = Effect.fnUntraced(function* (part: string) {
    if (!hashPartForm.test(part) || (onNetwork && (yield* Offline))) return Option.none<NarInfo>()
    yield* usable
    const bytes = yield* transport.read(`${part}.narinfo`, narInfoLimit)
    if (Option.isNone(bytes)) return Option.none<NarInfo>()
    return Option.some(
      yield* Effect.try({
        try: () => parseNarInfo(bytes.value, part),
        catch: (error) =>
          new CacheRefused({ path: part, reason: "narinfo", detail: error instanceof Error ? error.message : String(error) })
      })
    )
  })

  /** A file's bytes as they come, counted and compared with what was said of it. */
  const checkedFile = (
    file: Stream.Stream<Uint8Array, unknown>,
    { path, fileHash, fileSize }: NarInfo,
    onProgress: (done: number) => void
  ): Stream.Stream<Uint8Array, unknown> =>
    Stream.suspend(() => {
      const refuse = (detail: string) => new CacheRefused({ path, reason: "nar", detail })
      const hasher = fileHash === undefined ? undefined : Crypto.hasher(fileHash.algorithm)
      let done = 0
      const counted = Stream.mapEffect(file, (piece) => {
        done += piece.length
        if (fileSize !== undefined && done > fileSize) return Effect.fail(refuse(`its file has more than ${fileSize} bytes`))
        hasher?.update(piece)
        onProgress(done)
        return Effect.succeed(piece)
      })
      const end = Stream.suspend(() => {
        if (fileSize !== undefined && done !== fileSize) return Stream.fail(refuse(`its file has ${done} bytes instead of ${fileSize}`))
        if (fileHash === undefined || sameBytes(hasher!.digest(), fileHash.digest)) return Stream.empty
        return Stream.fail(refuse(`its file has not the hash ${printHash(fileHash, "sri")}`))
      })
      return Stream.concat(counted, end)
    })

  /** The NAR, taken in and compared with what was said of it. */
  const takeIn = Effect.fnUntraced(function* (told: NarInfo, onProgress: (done: number) => void) {
    const refuse = (detail: string) => new CacheRefused({ path: told.path, reason: "nar", detail })
    const compression = unpackers.get(told.compression)
    if (compression === undefined) {
      const detail = `the NAR of '${told.path}' is compressed by ${told.compression}, which is not known here`
      return yield* new CacheRefused({ path: told.path, reason: "compression", detail })
    }
    return yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* transport.open(told.url)
        if (Option.isNone(file)) return yield* refuse(`there is nothing at '${told.url}'`)
        const nar = checkedFile(file.value, told, onProgress).pipe(decompress({ source: told.url, compression, maxBytes: told.narSize }))
        const ingested = yield* ingestNar(nar, { sizeLimit: told.narSize }).pipe(
          Effect.mapError((error) => (error instanceof NarError || error instanceof ExpandsTooFar ? refuse(error.message) : error))
        )
        if (ingested.narSize !== told.narSize) return yield* refuse(`it has ${ingested.narSize} bytes instead of ${told.narSize}`)
        if (!sameBytes(ingested.narHash, told.narHash)) {
          return yield* refuse(`its hash is ${sriOf(ingested.narHash)} instead of ${sriOf(told.narHash)}`)
        }
        return ingested
      })
    )
  })

  /** What a narinfo amounts to, if it is to be believed. */
  const offerOfNarInfo = Effect.fnUntraced(function* (narInfo: NarInfo): Effect.fn.Return<Offer, CacheRefused> {
    const { path, references, signatures, deriver, ca, narHash, narSize, compression, fileHash, fileSize } = narInfo
    const registrationTime = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const told: PathClaim = { path, references, signatures, deriver, ca, narHash, narSize, registrationTime }
    const unsigned = () => {
      const signers = signatures.map((signature) => signature.slice(0, Math.max(0, signature.indexOf(":"))))
      const detail = signers.length === 0 ? "it has no signature" : `it has signatures of ${signers.join(", ")}`
      return new CacheRefused({ path, reason: "unsigned", detail })
    }
    const keys = options.trustedKeys
    const vouched = keys === undefined || verifyNarInfo(narInfo, keys) !== undefined
    // Before anything is fetched: what nobody trusted has signed must at least claim to be content-addressed.
    if (!vouched && !isContentAddressed(told)) return yield* unsigned()
    const fetched = Effect.fnUntraced(function* (onProgress: (done: number) => void) {
      const { node } = yield* takeIn(narInfo, onProgress)
      const info: PathInfo = { ...told, node }
      if (!vouched && !(yield* hasItsContent(info))) return yield* unsigned()
      yield* Effect.try({ try: () => check(info), catch: (error) => error as CastoreError })
      return info
    })
    return {
      told,
      here: undefined,
      file: { url: narInfo.url, compression, hash: fileHash === undefined ? undefined : printHash(fileHash, "sri"), size: fileSize },
      fetch: (onProgress = () => {}) =>
        fetched(onProgress).pipe(
          Effect.provideContext(services),
          Effect.mapError(unavailable(`give '${path}'`)),
          Effect.withSpan("NixCache.fetch", { attributes: { "yix.cache": url, "yix.path": path } })
        )
    }
  })

  const offerOfPart = Effect.fnUntraced(function* (part: string) {
    const narInfo = yield* narInfoOf(part)
    return Option.isNone(narInfo) ? Option.none<Offer>() : Option.some(yield* offerOfNarInfo(narInfo.value))
  })

  const offer = Effect.fn("NixCache.offer")(function* (part: string): Effect.fn.Return<Option.Option<Offer>, CastoreError> {
    yield* Effect.annotateCurrentSpan({ "yix.cache": url, "yix.hash_part": part })
    return yield* Effect.mapError(offerOfPart(part), unavailable(`tell of the path with hash part ${part}`))
  })

  const getByHashPart = (part: string): Effect.Effect<Option.Option<PathInfo>, CastoreError> =>
    Effect.flatMap(offer(part), (found) => (Option.isNone(found) ? Effect.succeedNone : Effect.asSome(found.value.fetch())))

  const get = (path: StorePath): Effect.Effect<Option.Option<PathInfo>, CastoreError> =>
    Effect.flatMap(offer(hashPart(path)), (found) => {
      if (Option.isNone(found)) return Effect.succeedNone
      if (found.value.told.path === path) return Effect.asSome(found.value.fetch())
      const detail = `it is about '${found.value.told.path}'`
      return Effect.fail(unavailable(`give '${path}'`)(new CacheRefused({ path, reason: "narinfo", detail })))
    })

  /** The NAR as it is uploaded: a tree that changed since its hash was computed breaks the upload off. */
  const checkedNar = (info: PathInfo) =>
    Stream.suspend(() => {
      const hasher = Crypto.hasher("sha256")
      let done = 0
      const nar = Stream.map(render(info.node), (piece) => {
        hasher.update(piece)
        done += piece.length
        options.onWritten?.(info.path, done)
        return piece
      })
      const end = Stream.suspend(() =>
        sameBytes(hasher.digest(), info.narHash)
          ? Stream.empty
          : Stream.fail(
              new CacheRefused({ path: info.path, reason: "nar", detail: "the tree here has another NAR hash than its path info says" })
            )
      )
      return Stream.concat(nar, end)
    }).pipe(Stream.provideContext(services))

  /** Writes the NAR; gives what the narinfo says of it. */
  const writeNar = Effect.fnUntraced(function* (info: PathInfo, settings: UploadSettings) {
    const { compression } = settings
    const about = (url: string, digest: Uint8Array, fileSize: number) => ({
      ...{ url, compression, fileSize },
      fileHash: { algorithm: "sha256" as const, digest }
    })
    if (compression === "none") {
      // Nothing has to be known that is not known: the bytes can be sent as they are made.
      const file = about(`nar/${Base32.encode(info.narHash)}.nar`, info.narHash, info.narSize)
      yield* transport.write(file.url, checkedNar(info), info.narSize)
      return file
    }
    const packed = yield* pack(checkedNar(info), settings, transport.staging)
    const file = about(`nar/${Base32.encode(packed.hash)}.nar${packed.suffix}`, packed.hash, packed.size)
    yield* transport.adopt(file.url, packed.file, packed.size)
    return file
  })

  const put = Effect.fn("NixCache.put")(function* (info: PathInfo): Effect.fn.Return<PathInfo, CastoreError> {
    yield* Effect.annotateCurrentSpan({ "yix.cache": url, "yix.path": info.path })
    yield* Effect.try({ try: () => check(info), catch: (error) => error as CastoreError })
    return yield* Effect.scoped(
      Effect.gen(function* () {
        const settings = yield* writable
        const signed = settings.key === undefined ? info : sign(info, settings.key)
        const file = yield* writeNar(signed, settings)
        if (settings.listing) {
          const listing = toBytes(printListing(yield* Effect.provideContext(listingOf(info.node), services)))
          yield* transport.write(`${hashPart(info.path)}.ls`, Stream.succeed(listing), listing.length)
        }
        const text = toBytes(printNarInfo({ ...signed, ...file, system: undefined, unknownKeys: [] }))
        yield* transport.write(`${hashPart(info.path)}.narinfo`, Stream.succeed(text), text.length)
        return signed
      })
    ).pipe(Effect.mapError(unavailable(`take '${info.path}'`)))
  })

  const unlisted = Stream.fail(
    new StoreUnavailable({
      store: url,
      operation: "list its paths",
      cause: new CacheRefused({ path: url, reason: "listing", detail: "a binary cache cannot be listed; name the paths that you want" })
    })
  )

  return PathInfoService.of({ get, getByHashPart, put, paths: () => unlisted, list: () => unlisted, offer })
})

/** The cache as the path-info service; NARs go to the blob and directory services around it. */
export const layer = (options: NixCacheOptions): Layer.Layer<PathInfoService, StoreUnavailable, Http | BlobService | DirectoryService> =>
  Layer.effect(PathInfoService, make(options))
