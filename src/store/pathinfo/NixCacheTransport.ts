/**
 * How files of a binary cache are read and written: over HTTP, or in a directory. Absent is `None`.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { StoreUnavailable } from "../../castore/CastoreError.ts"
import { isRelativeUrl } from "../../nix/NarInfo.ts"
import type { Compression } from "../../wire/Decompress.ts"
import { decompress } from "../../wire/Decompress.ts"
import { Http } from "../../wire/Http.ts"

/** What a cache sent, or the file system answered, cannot be used. `code` is the system's, such as ENOENT. */
class TransportFailed extends Data.TaggedError("TransportFailed")<{ readonly detail: string; readonly code?: string | undefined }> {
  override get message(): string {
    return this.detail
  }
}

/** Names are relative to the cache, with `/`; `open` takes absolute URLs, too. Failures are whatever the medium gives. */
export interface Transport {
  /** A small file, whole. */
  read(name: string, maxBytes: number): Effect.Effect<Option.Option<Uint8Array>, unknown>
  /** A file as a stream, to be consumed while the scope is open. */
  open(name: string): Effect.Effect<Option.Option<Stream.Stream<Uint8Array, unknown>>, unknown, Scope.Scope>
  /** Writes a file of `length` bytes; nobody sees it before it is whole. */
  write(name: string, bytes: Stream.Stream<Uint8Array, unknown>, length: number): Effect.Effect<void, unknown>
  /** A directory for files that are prepared before they are written. */
  readonly staging: string
  /** Writes a prepared file of `length` bytes, which may be taken away by that. */
  adopt(name: string, file: string, length: number): Effect.Effect<void, unknown>
}

const isAbsent = (error: { readonly _tag: string; readonly status?: number }): boolean =>
  error._tag === "HttpStatus" && (error.status === 404 || error.status === 403 || error.status === 410)

/** Names of `Content-Encoding` that servers put around a file. */
const encodings: ReadonlyMap<string, Compression> = new Map([
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["br", "br"],
  ["zstd", "zstd"],
  ["xz", "xz"],
  ["bzip2", "bzip2"]
])

const overHttp = (base: string, http: Http["Service"]): Transport => {
  const urlOf = (name: string) => (isRelativeUrl(name) ? `${base}/${name}` : name)

  const open = (name: string) =>
    http.open({ url: urlOf(name), verified: true }).pipe(
      Effect.flatMap((response) => {
        const { contentEncoding } = response
        if (contentEncoding === undefined) return Effect.succeed(Option.some(response.body as Stream.Stream<Uint8Array, unknown>))
        const compression = encodings.get(contentEncoding)
        return compression === undefined
          ? Effect.fail(new TransportFailed({ detail: `'${urlOf(name)}' comes with the unknown Content-Encoding '${contentEncoding}'` }))
          : Effect.succeed(Option.some(response.body.pipe(decompress({ source: urlOf(name), compression }))))
      }),
      Effect.catchIf(
        (error) => !(error instanceof Error && !("_tag" in error)) && isAbsent(error as { readonly _tag: string }),
        () => Effect.succeed(Option.none<Stream.Stream<Uint8Array, unknown>>())
      )
    )

  const put = (name: string, length: number, body: () => AsyncIterable<Uint8Array>) =>
    Effect.scoped(
      http.open({
        url: urlOf(name),
        method: "PUT",
        headers: { "content-length": String(length), "content-type": "application/octet-stream" },
        body
      })
    ).pipe(Effect.asVoid)

  return {
    open,
    staging: os.tmpdir(),
    adopt: (name, file, length) => put(name, length, () => fs.createReadStream(file, { highWaterMark: 256 * 1024 })),
    read: (name, maxBytes) =>
      Effect.scoped(
        Effect.flatMap(open(name), (file) =>
          Option.isNone(file)
            ? Effect.succeed(Option.none<Uint8Array>())
            : Effect.map(collect(file.value, maxBytes, urlOf(name)), Option.some)
        )
      ),
    write: (name, bytes, length) => put(name, length, () => Stream.toAsyncIterable(bytes))
  }
}

const collect = Effect.fnUntraced(function* (bytes: Stream.Stream<Uint8Array, unknown>, maxBytes: number, name: string) {
  const pieces: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEach(bytes, (piece) => {
    size += piece.length
    pieces.push(piece)
    return size > maxBytes ? Effect.fail(new TransportFailed({ detail: `'${name}' has more than ${maxBytes} bytes` })) : Effect.void
  })
  return new Uint8Array(Buffer.concat(pieces))
})

const inDirectory = (directory: string, http: Http["Service"]): Transport => {
  const fileOf = (name: string) => path.join(directory, decodeURIComponent(name.replace(/[?#].*$/, "")))
  const attempt = <A>(run: () => Promise<A>) =>
    Effect.tryPromise({
      try: run,
      catch: (cause) => new TransportFailed({ detail: (cause as Error).message, code: (cause as NodeJS.ErrnoException).code })
    })
  const absentAsNone = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
    effect.pipe(
      Effect.map(Option.some),
      Effect.catch((error) => ((error as NodeJS.ErrnoException).code === "ENOENT" ? Effect.succeedNone : Effect.fail(error)))
    )

  const opened = (name: string) =>
    Effect.acquireRelease(
      attempt(() => fs.promises.open(fileOf(name), fs.constants.O_RDONLY)),
      (handle) => Effect.promise(() => handle.close().catch(() => {}))
    )
  const bytesOf = (handle: fs.promises.FileHandle): Stream.Stream<Uint8Array, unknown> =>
    Stream.suspend(() =>
      Stream.fromAsyncIterable(
        handle.createReadStream({ autoClose: false, highWaterMark: 256 * 1024 }) as AsyncIterable<Uint8Array>,
        (cause) => cause
      )
    )

  return {
    staging: directory,
    adopt: (name, file) =>
      attempt(async () => {
        await fs.promises.mkdir(path.dirname(fileOf(name)), { recursive: true })
        await fs.promises.rename(file, fileOf(name))
      }),
    open: (name) => (isRelativeUrl(name) ? absentAsNone(Effect.map(opened(name), bytesOf)) : overHttp("", http).open(name)),
    read: (name, maxBytes) =>
      absentAsNone(Effect.scoped(Effect.flatMap(opened(name), (handle) => collect(bytesOf(handle), maxBytes, fileOf(name))))),
    write: (name, bytes) => {
      const target = fileOf(name)
      const temporary = `${target}.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`
      return attempt(async () => {
        await fs.promises.mkdir(path.dirname(target), { recursive: true })
        await pipeline(Readable.from(Stream.toAsyncIterable(bytes)), fs.createWriteStream(temporary, { flags: "wx", flush: true }))
        await fs.promises.rename(temporary, target)
      }).pipe(Effect.onError(() => Effect.promise(() => fs.promises.rm(temporary, { force: true }))))
    }
  }
}

/** The transport for a cache's address without a slash at its end. */
export const openTransport = Effect.fnUntraced(function* (url: string): Effect.fn.Return<Transport, StoreUnavailable, Http> {
  const http = yield* Http
  if (/^https?:\/\//i.test(url)) return overHttp(url, http)
  if (/^file:\/\//i.test(url) && URL.canParse(url)) return inDirectory(fileURLToPath(url), http)
  const cause = new Error("a binary cache has an address that begins with http://, https:// or file:///")
  return yield* new StoreUnavailable({ store: url, operation: "be opened", cause })
})
