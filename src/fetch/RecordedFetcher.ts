/**
 * A fetcher that keeps the answers of another one in a directory and replays them without it: the same bytes today, tomorrow and offline.
 *
 * In the directory: `<key>.json` for each fetch, which says what was fetched and what came (`Recording`; the key is the SHA-256 of `keyOf`, so fetches of one hash
 * and name are one recording wherever their addresses lead), and `nar/<nix32 of the NAR hash>.nar.zst`, the content. Both are written whole or not at all, and
 * neither has a time in it: recording again what did not change changes no byte of the first.
 *
 * Promises: a replayed answer has the NAR hash that was recorded and the hash that the fetch demands, if it demands one, or fails. Failures are not recorded.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as zlib from "node:zlib"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BlobService } from "../castore/blob/BlobService.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { ingestNar } from "../castore/ingest/Nar.ts"
import { openInner } from "../castore/NearFar.ts"
import type { Node } from "../castore/Node.ts"
import { fromUnicode, toUnicode } from "../nix/Bytes.ts"
import { hasher } from "../nix/Crypto.ts"
import { showInput } from "../nix/FlakeRef.ts"
import { hashBytes, type NixHash, type NixHashAlgorithm, parseSri, printHash, sameHash } from "../nix/Hash.ts"
import { calculateWith, render } from "../store/Nar.ts"
import { decompress } from "../wire/Decompress.ts"
import { contentAddress, type Fetch, fetchKey, methodOf, pathWith } from "./Fetch.ts"
import { type Fetched, Fetcher } from "./Fetcher.ts"
import { type FetchError, HashMismatch, NotRecorded, RecordingDamaged, RecordingFailed } from "./FetchError.ts"
import { openLocal, shown } from "./Transfer.ts"

export interface RecordedFetcherOptions {
  /** Where the recordings are; made when something is recorded. */
  readonly directory: string
  /**
   * `auto`: replays what is recorded, else asks and records. `record`: asks, and records anew. `replay`: never asks; what is not recorded fails, and the other
   * fetcher is not even opened.
   */
  readonly mode: "auto" | "record" | "replay"
}

/** What is written about one fetch. */
const Recording = Schema.Struct({
  version: Schema.Literal(1),
  /** `keyOf`. */
  fetch: Schema.String,
  /** From where it came, for people; passwords are left out. */
  url: Schema.String,
  /** By the method of the fetch, as SRI. */
  hash: Schema.String,
  /** As SRI. */
  narHash: Schema.String,
  narSize: Schema.Natural,
  /** Of an input of `fetchTree`: what is known of it besides. */
  tree: Schema.optionalKey(Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])))
})
type Recording = typeof Recording.Type

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Recording))

/** Bytes of a recording's description, at most. */
const largest = 2 ** 16

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? (error as Error).message

/** `fetchKey`, and for trees the whole input as well, on which depends what is known of them. */
const keyOf = (fetch: Fetch): string => `${toUnicode(fetchKey(fetch))}${fetch._tag === "Tree" ? ` ${showInput(fetch.input)}` : ""}`

type Services = BlobService | DirectoryService

/** The hash of a tree by the method of a fetch. */
const hashOf = Effect.fnUntraced(function* (fetch: Fetch, node: Node, narHash: Uint8Array, algorithm: NixHashAlgorithm) {
  if (methodOf(fetch) === "recursive") {
    return { algorithm, digest: algorithm === "sha256" ? narHash : (yield* calculateWith(node, algorithm)).digest } satisfies NixHash
  }
  if (node._tag !== "File" || node.executable) return undefined
  const running = hasher(algorithm)
  yield* Stream.runForEach((yield* BlobService).read(node.digest), (piece) => Effect.sync(() => running.update(piece)))
  return { algorithm, digest: Uint8Array.from(running.digest()) } satisfies NixHash
})

const make = (inner: Fetcher["Service"] | undefined, { directory, mode }: RecordedFetcherOptions) =>
  Effect.gen(function* () {
    const services = Context.pick(BlobService, DirectoryService)(yield* Effect.context<Services>())
    const fileOf = (fetch: Fetch) =>
      path.join(directory, `${printHash(hashBytes("sha256", new TextEncoder().encode(keyOf(fetch))), "base16")}.json`)
    const narFileOf = (narHash: Uint8Array) =>
      path.join(directory, "nar", `${printHash({ algorithm: "sha256", digest: narHash }, "nix32")}.nar.zst`)

    /** Writes a file of the directory: nobody sees it before it is whole. */
    const write = (fetch: Fetch, file: string, content: (temporary: string, signal: AbortSignal) => Promise<unknown>) => {
      const temporary = `${file}.${randomBytes(8).toString("hex")}.tmp`
      return Effect.tryPromise({
        try: async (signal) => {
          await fs.promises.mkdir(path.dirname(file), { recursive: true })
          await content(temporary, signal)
          await fs.promises.rename(temporary, file)
        },
        catch: (error) => new RecordingFailed({ url: shown(fetch.url), directory, detail: codeOf(error) })
      }).pipe(Effect.onError(() => Effect.promise(() => fs.promises.rm(temporary, { force: true }).catch(() => {}))))
    }

    const record = Effect.fnUntraced(function* (fetch: Fetch, info: Fetched): Effect.fn.Return<void, FetchError, Services> {
      const node = info.node
      const hash = fetch.hash ?? (yield* hashOf(fetch, node, info.narHash, "sha256"))
      if (hash === undefined) return yield* Effect.die(new Error(`the fetch of '${shown(fetch.url)}' gave no plain file`))
      const recording: Recording = {
        version: 1,
        fetch: keyOf(fetch),
        url: shown(fetch.url),
        hash: printHash(hash, "sri"),
        narHash: printHash({ algorithm: "sha256", digest: info.narHash }, "sri"),
        narSize: info.narSize,
        ...(info.tree === undefined ? {} : { tree: Object.fromEntries(info.tree) })
      }
      const narFile = narFileOf(info.narHash)
      const nar = Stream.toAsyncIterableWith(render(node), services)
      yield* write(fetch, narFile, (temporary, signal) =>
        pipeline(Readable.from(nar), zlib.createZstdCompress(), fs.createWriteStream(temporary, { flags: "wx" }), { signal })
      )
      // Last: what the description names is there.
      yield* write(fetch, fileOf(fetch), (temporary) => fs.promises.writeFile(temporary, `${JSON.stringify(recording, undefined, 2)}\n`))
    })

    /** The description of a recording, if there is one. */
    const described = Effect.fnUntraced(function* (fetch: Fetch): Effect.fn.Return<Option.Option<Recording>, RecordingDamaged> {
      const file = fileOf(fetch)
      const damaged = (detail: string) => new RecordingDamaged({ file, detail })
      const text = yield* Effect.try({
        try: (): string | undefined => {
          const stat = fs.statSync(file, { throwIfNoEntry: false })
          if (stat === undefined) return undefined
          if (!stat.isFile() || stat.size > largest) throw new Error("it is no description of a fetch")
          return fs.readFileSync(file, "utf8")
        },
        catch: (error) => damaged(codeOf(error))
      })
      if (text === undefined) return Option.none()
      const recording = yield* Effect.mapError(Effect.fromResult(decode(text)), () => damaged("it is no description of a fetch"))
      if (recording.fetch !== keyOf(fetch)) return yield* damaged(`it is of another fetch, '${recording.fetch}'`)
      return Option.some(recording)
    })

    const replay = Effect.fnUntraced(function* (fetch: Fetch, recording: Recording): Effect.fn.Return<Fetched, FetchError, Services> {
      const [recordedHash, recordedNar] = yield* Effect.try({
        try: () => [parseSri(recording.hash), parseSri(recording.narHash)] as const,
        catch: (error) => new RecordingDamaged({ file: fileOf(fetch), detail: (error as Error).message })
      })
      const file = narFileOf(recordedNar.digest)
      const damaged = (detail: string) => new RecordingDamaged({ file, detail })
      const bytes = Stream.unwrap(Effect.map(openLocal(fromUnicode(file), { verified: true }), ({ body }) => body)).pipe(
        decompress({ source: file, compression: "zstd", maxBytes: recording.narSize })
      )
      const { node, narHash, narSize } = yield* Effect.catchTags(ingestNar(bytes, { sizeLimit: recording.narSize }), {
        NarError: (error) => damaged(error.message),
        FileUnreadable: (error) => damaged(error.message),
        Undecodable: (error) => damaged(error.message),
        ExpandsTooFar: (error) => damaged(error.message)
      })
      if (!sameHash(recordedNar, { algorithm: "sha256", digest: narHash }))
        return yield* damaged("its NAR has another hash than was recorded")
      const hash = yield* hashOf(fetch, node, narHash, fetch.hash?.algorithm ?? "sha256")
      if (hash === undefined) return yield* damaged("it is no plain file")
      const expected = fetch.hash ?? recordedHash
      if (!sameHash(expected, hash)) {
        return yield* new HashMismatch({
          url: file,
          method: methodOf(fetch),
          expected: printHash(expected, "sri"),
          got: printHash(hash, "sri")
        })
      }
      return {
        path: pathWith(fetch, hash),
        node,
        references: [],
        narSize,
        narHash,
        signatures: [],
        deriver: undefined,
        ca: contentAddress(fetch, hash),
        registrationTime: Math.floor((yield* Clock.currentTimeMillis) / 1000),
        ...(recording.tree === undefined ? {} : { tree: new Map(Object.entries(recording.tree)) })
      }
    })

    return Fetcher.of({
      offline: inner === undefined || inner.offline === true,
      fetch: (fetch, onProgress) =>
        Effect.gen(function* () {
          const recorded = mode === "record" ? Option.none<Recording>() : yield* described(fetch)
          if (Option.isSome(recorded)) return yield* replay(fetch, recorded.value)
          if (inner === undefined) return yield* new NotRecorded({ url: shown(fetch.url), directory })
          const info = yield* inner.fetch(fetch, onProgress)
          yield* record(fetch, info)
          return info
        }).pipe(Effect.provideContext(services))
    })
  })

/** Records and replays what `inner` fetches. */
export const layer = <E, R>(
  inner: Layer.Layer<Fetcher, E, R>,
  options: RecordedFetcherOptions
): Layer.Layer<Fetcher, E, R | BlobService | DirectoryService> =>
  options.mode === "replay" ? Layer.effect(Fetcher, make(undefined, options)) : openInner(Fetcher, inner, (inner) => make(inner, options))
