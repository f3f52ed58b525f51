/**
 * The fetcher of this process: brings what a `Fetch` asks for into the castore.
 *
 * A limited number of fetches run at a time, fewer to one host. Where a flat hash is known and mirrors are configured, those are asked first, by hash; what they
 * lack or have wrong is then taken from the URL itself. A server's content that changed while a broken download was continued is fetched anew. Sharing of equal
 * fetches under way is the realiser's.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { type NixHash, printHash, sameHash } from "../nix/Hash.ts"
import { StorePathError, checkName } from "../nix/StorePath.ts"
import { calculate } from "../store/Nar.ts"
import { type Compression, decompress } from "../wire/Decompress.ts"
import type { Content, Source, Verify } from "./Content.ts"
import { fetchFile } from "./Executable.ts"
import { contentAddress, type Fetch, methodOf, pathWith } from "./Fetch.ts"
import { type Fetched, Fetcher, type FetchProgress } from "./Fetcher.ts"
import { BadName, type FetchError, HashMismatch } from "./FetchError.ts"
import { fetchNar } from "./Nar.ts"
import { fetchTarball } from "./Tarball.ts"
import type { TreeAttributes } from "./tree/FetchedTree.ts"
import { GitProgress } from "./tree/GitProcess.ts"
import { fetchTree } from "./tree/FetchTree.ts"
import { makeMirrors } from "./tree/GitRepository.ts"
import { schemeOf, shown, Transfer } from "./Transfer.ts"
import { fetchUrl } from "./Url.ts"

export interface FetcherOptions {
  /** Fetches at a time. */
  readonly concurrency: number
  /** Fetches from one host at a time. */
  readonly perHost: number
  /** Base URLs of mirrors that hold files by hash, `{mirror}/{algorithm}/{hex}`; asked in this order before the URL where a flat hash is known. */
  readonly mirrors: ReadonlyArray<string>
  /** Bytes that a fetch may bring, at most. */
  readonly maxBytes: number | undefined
  /** Bytes that an archive may decompress to, at most. */
  readonly maxUnpacked: number
  /** Directory for mirrors of git repositories. `undefined`: neither repositories nor directories of this machine are read. */
  readonly repositories: string | undefined
}

export const defaultOptions: FetcherOptions = {
  concurrency: 16,
  perHost: 8,
  mirrors: [],
  maxBytes: undefined,
  maxUnpacked: 64 * 2 ** 30,
  repositories: undefined
}

/** Times that a fetch is begun again because its content changed on the way. */
const restarts = 2

/** Compressions that servers put on for the way, by their names in `Content-Encoding`. */
const encodings: ReadonlyMap<string, Compression> = new Map([
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["br", "br"],
  ["zstd", "zstd"],
  ["bzip2", "bzip2"],
  ["xz", "xz"]
])

const make = Effect.fnUntraced(function* (options: FetcherOptions) {
  const transfer = yield* Transfer
  // Just these, and not the span that the layer was made in: each operation belongs to its caller.
  const services = Context.pick(BlobService, DirectoryService)(yield* Effect.context<BlobService | DirectoryService>())
  const all = yield* Semaphore.make(options.concurrency)
  const hosts = new Map<string, Semaphore.Semaphore>()
  const mirrors = options.repositories === undefined ? undefined : makeMirrors(options.repositories)

  /** Waits for a place at the host first, so that a busy host does not hold the places of others. */
  const limited = <A, E, R>(url: ByteString, run: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const scheme = schemeOf(url)
      if ((scheme !== "http" && scheme !== "https") || !URL.canParse(url)) return all.withPermits(1)(run)
      const { host } = new URL(url)
      let semaphore = hosts.get(host)
      if (semaphore === undefined) hosts.set(host, (semaphore = Semaphore.makeUnsafe(options.perHost)))
      return semaphore.withPermits(1)(all.withPermits(1)(run))
    })

  /**
   * The bytes at an address. `decode`: undo a compression that the server says it put on for the way; `onEncoding` hears that there was one.
   */
  const bytesOf = (
    url: ByteString,
    verified: boolean,
    decode: boolean,
    onProgress: (progress: FetchProgress) => void,
    onEncoding: () => void
  ): Stream.Stream<Uint8Array, FetchError> =>
    Stream.unwrap(
      Effect.map(transfer.open(url, { verified, maxBytes: options.maxBytes }), ({ length, contentEncoding, body }) => {
        let done = 0
        const counted = Stream.map(body, (piece) => {
          done += piece.length
          onProgress({ done, total: length })
          return piece
        })
        const compression = contentEncoding === undefined ? undefined : encodings.get(contentEncoding)
        if (compression === undefined) return counted
        onEncoding()
        return decode ? decompress({ source: shown(url), compression, maxBytes: options.maxUnpacked })(counted) : counted
      })
    )

  const contentFrom = (
    fetch: Fetch,
    url: ByteString,
    decode: boolean,
    onProgress: (progress: FetchProgress) => void,
    onEncoding: () => void
  ): Effect.Effect<Content & { readonly attributes?: TreeAttributes }, FetchError, BlobService | DirectoryService> => {
    const bytes = bytesOf(url, fetch.hash !== undefined, decode, onProgress, onEncoding)
    const source: Source = { source: shown(url), bytes, maxUnpacked: options.maxUnpacked }
    const algorithm = fetch.hash?.algorithm ?? "sha256"
    const verify: Verify = (hash) =>
      fetch.hash === undefined || sameHash(fetch.hash, hash)
        ? Effect.void
        : Effect.fail(
            new HashMismatch({
              url: shown(url),
              method: methodOf(fetch),
              expected: printHash(fetch.hash, "sri"),
              got: printHash(hash, "sri")
            })
          )
    switch (fetch._tag) {
      case "Url":
        return fetchUrl(algorithm, source, verify)
      case "Tarball":
        return fetchTarball(algorithm, source, verify)
      case "Nar":
        return fetchNar(algorithm, source, verify)
      case "Executable":
      case "File":
        return fetchFile(algorithm, fetch._tag === "Executable", source, verify)
      case "Tree":
        return contentOfTree(fetch, verify, onProgress)
    }
  }

  const contentOfTree = Effect.fnUntraced(function* (
    fetch: Extract<Fetch, { readonly _tag: "Tree" }>,
    verify: Verify,
    onProgress: (progress: FetchProgress) => void
  ) {
    const open = (url: ByteString): Source => ({
      source: shown(url),
      bytes: bytesOf(url, fetch.hash !== undefined, true, onProgress, () => {}),
      maxUnpacked: options.maxUnpacked
    })
    const tree = yield* fetchTree(fetch.input, { open, mirrors }).pipe(
      Effect.provideService(Transfer, transfer),
      Effect.provideService(GitProgress, (done) => onProgress({ done, total: undefined }))
    )
    const { node, attributes } = tree
    const nar = tree.nar ?? (yield* calculate(node))
    const hash: NixHash = { algorithm: "sha256", digest: nar.narHash }
    yield* verify(hash)
    return { node, hash, nar, attributes } satisfies Content & { readonly attributes: TreeAttributes }
  })

  /** From one address, begun again when the content changed on the way. */
  const fetchFrom = (fetch: Fetch, url: ByteString, onProgress: (progress: FetchProgress) => void) => {
    let encoded = false
    const run = (decode: boolean) =>
      Effect.retry(
        contentFrom(fetch, url, decode, onProgress, () => {
          encoded = true
        }),
        { times: restarts, while: (error) => error._tag === "ContentChanged" }
      )
    // Some servers call a .tar.gz "encoded"; then the hash is of the bytes as they come.
    return Effect.catchIf(
      run(true),
      (error) => fetch.hash !== undefined && encoded && (error._tag === "HashMismatch" || error._tag === "Undecodable"),
      (error) => Effect.mapError(run(false), () => error)
    )
  }

  const mirrorsOf = (hash: NixHash | undefined): ReadonlyArray<string> =>
    hash === undefined
      ? []
      : options.mirrors.map((mirror) => `${mirror.replace(/\/+$/, "")}/${hash.algorithm}/${printHash(hash, "base16")}`)

  const fetchContent = Effect.fn("Fetcher.fetch")(function* (fetch: Fetch, onProgress: (progress: FetchProgress) => void) {
    yield* Effect.annotateCurrentSpan({ "yix.fetch.kind": fetch._tag, "url.full": shown(fetch.url), "yix.fetch.name": fetch.name })
    const own = limited(fetch.url, fetchFrom(fetch, fetch.url, onProgress))
    if (fetch._tag !== "Url") return yield* own
    return yield* mirrorsOf(fetch.hash).reduceRight(
      (rest, mirror) =>
        Effect.catch(limited(mirror, fetchFrom(fetch, mirror, onProgress)), (error) =>
          Effect.andThen(Effect.logDebug(`mirror: ${error.message}`), rest)
        ),
      own
    )
  })

  return {
    fetch: Effect.fnUntraced(function* (
      fetch: Fetch,
      onProgress?: (progress: FetchProgress) => void
    ): Effect.fn.Return<Fetched, FetchError> {
      yield* Effect.try({
        try: () => checkName(fetch.name),
        catch: (error) => {
          if (!(error instanceof StorePathError)) throw error
          return new BadName({ url: shown(fetch.url), name: fetch.name, detail: error.message })
        }
      })
      const { node, hash, nar, attributes } = yield* Effect.provideContext(fetchContent(fetch, onProgress ?? (() => {})), services)
      return {
        path: pathWith(fetch, hash),
        node,
        references: [],
        narSize: nar.narSize,
        narHash: nar.narHash,
        signatures: [],
        deriver: undefined,
        ca: contentAddress(fetch, hash),
        registrationTime: Math.floor((yield* Clock.currentTimeMillis) / 1000),
        ...(attributes === undefined ? {} : { tree: attributes })
      }
    })
  } satisfies Fetcher["Service"]
})

/** The fetcher with `options` over `defaultOptions`; `Transfer.layer` gives it the outside. */
export const layer = (options: Partial<FetcherOptions> = {}): Layer.Layer<Fetcher, never, Transfer | BlobService | DirectoryService> =>
  Layer.effect(Fetcher, make({ ...defaultOptions, ...options }))
