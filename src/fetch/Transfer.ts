/**
 * Reading an address: the one place where fetchers touch the outside. `http:` and `https:` go to the HTTP client, `file:` and absolute paths to the disk,
 * and a map in memory may stand for both (`layerMemory`).
 */
import { constants } from "node:fs"
import { type FileHandle, open as openFile } from "node:fs/promises"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { Http } from "../wire/Http.ts"
import { HttpStatus, shownUrl, TooLarge } from "../wire/HttpError.ts"
import { FileUnreadable, type TransferError, UnsupportedScheme } from "./FetchError.ts"

export interface TransferOptions {
  /** The caller checks the whole content against a hash. */
  readonly verified: boolean
  /** Bytes that may come, at most. */
  readonly maxBytes?: number | undefined
}

export interface Transferred {
  /** Announced length in bytes. */
  readonly length: number | undefined
  /** A compression that the server put on for the way, lower case, such as `gzip`; not undone in `body`. */
  readonly contentEncoding: string | undefined
  /** To be read once, while the scope is open. */
  readonly body: Stream.Stream<Uint8Array, TransferError>
}

export class Transfer extends Context.Service<
  Transfer,
  {
    open(url: ByteString, options: TransferOptions): Effect.Effect<Transferred, TransferError, Scope.Scope>
  }
>()("yix/fetch/Transfer") {}

/** What stands at an address, as text; it is not compared with a hash. */
export const readText = (url: ByteString, maxBytes: number): Effect.Effect<string, TransferError, Transfer> =>
  Effect.scoped(
    Effect.flatMap(Transfer, (transfer) =>
      Effect.flatMap(transfer.open(url, { verified: false, maxBytes }), ({ body }) =>
        Effect.map(Stream.runCollect(body), (pieces) => Buffer.concat(pieces).toString("utf8"))
      )
    )
  )

/** Read at a time: three times as fast as 64 KiB. */
const pieceSize = 1 << 20

/** The address as people may see it: no password, bytes read as UTF-8. */
export const shown = (url: ByteString): string => shownUrl(toUnicode(url))

/** Percent signs and two digits as the bytes they stand for. */
export const percentDecode = (text: ByteString): ByteString =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

/** Bytes beyond ASCII as percent signs and two digits, as URLs have them. */
export const percentEncode = (text: ByteString): string =>
  text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`)

/** The scheme of a URL in lower case; "" where there is none. */
export const schemeOf = (url: ByteString): string => /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? ""

/** The path that a `file:` URL or an absolute path names; `undefined` for others, and for files of other hosts. */
export const localPath = (url: ByteString): ByteString | undefined => {
  if (url.startsWith("/")) return url
  if (schemeOf(url) !== "file") return undefined
  const rest = url.slice("file:".length).replace(/[?#].*$/s, "")
  const path = rest.startsWith("//") ? rest.slice(2).replace(/^localhost(?=\/)/i, "") : rest
  return path.startsWith("/") ? percentDecode(path) : undefined
}

const failureAt = (path: ByteString, code: string): FileUnreadable => new FileUnreadable({ path: toUnicode(path), code })

/** Opens a file of the disk. */
export const openLocal = Effect.fnUntraced(function* (
  path: ByteString,
  options: TransferOptions
): Effect.fn.Return<Transferred, TransferError, Scope.Scope> {
  const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, FileUnreadable> =>
    Effect.tryPromise({ try: run, catch: (error) => failureAt(path, (error as NodeJS.ErrnoException).code ?? String(error)) })
  if (path.includes("\0")) return yield* failureAt(path, "ENOENT")
  // Without O_NONBLOCK, opening a pipe would wait for its other end.
  const handle: FileHandle = yield* Effect.acquireRelease(
    attempt(() => openFile(Buffer.from(path, "latin1"), constants.O_RDONLY | constants.O_NONBLOCK)),
    (handle) => Effect.promise(() => handle.close())
  )
  const stat = yield* attempt(() => handle.stat())
  if (!stat.isFile()) return yield* failureAt(path, stat.isDirectory() ? "EISDIR" : "ENOTREG")
  const tooLarge = new TooLarge({ url: toUnicode(path), limit: options.maxBytes ?? 0, announced: stat.size })
  if (options.maxBytes !== undefined && stat.size > options.maxBytes) return yield* tooLarge
  const body = Stream.paginate(0, (offset) =>
    Effect.flatMap(
      attempt(() => handle.read(new Uint8Array(pieceSize), 0, pieceSize, offset)),
      ({ buffer, bytesRead }): Effect.Effect<readonly [ReadonlyArray<Uint8Array>, Option.Option<number>], TransferError> => {
        if (bytesRead === 0) return Effect.succeed([[], Option.none()])
        if (options.maxBytes !== undefined && offset + bytesRead > options.maxBytes) return Effect.fail(tooLarge)
        return Effect.succeed([[buffer.subarray(0, bytesRead)], Option.some(offset + bytesRead)])
      }
    )
  )
  return { length: stat.size, contentEncoding: undefined, body }
})

/** The real outside. */
export const layer: Layer.Layer<Transfer, never, Http> = Layer.effect(
  Transfer,
  Effect.gen(function* () {
    const http = yield* Http
    return {
      open: (url, options) => {
        const path = localPath(url)
        if (path !== undefined) return openLocal(path, options)
        const scheme = schemeOf(url)
        if (scheme !== "http" && scheme !== "https") return Effect.fail(new UnsupportedScheme({ url: shown(url), scheme }))
        return http.open({
          url: percentEncode(url),
          verified: options.verified,
          ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes })
        })
      }
    }
  })
)

/** Addresses and what they give; every other is a 404. */
export const layerMemory = (contents: ReadonlyMap<ByteString, Uint8Array>): Layer.Layer<Transfer> =>
  Layer.succeed(Transfer, {
    open: (url, options) => {
      const bytes = contents.get(url)
      if (bytes === undefined) {
        return Effect.fail(new HttpStatus({ url: shown(url), method: "GET", status: 404, retryAfter: undefined, body: "" }))
      }
      if (options.maxBytes !== undefined && bytes.length > options.maxBytes) {
        return Effect.fail(new TooLarge({ url: shown(url), limit: options.maxBytes, announced: bytes.length }))
      }
      return Effect.succeed({ length: bytes.length, contentEncoding: undefined, body: Stream.succeed(bytes) })
    }
  })
