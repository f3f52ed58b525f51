/**
 * A fetcher that serves from directories and never uses the network: for mirrors on disk, vendored sources and machines without a network.
 *
 * Promises: nothing outside of the directories is read, whatever an address says (links that lie in them are followed: they are their owner's). A file stands
 * for an address, asked in this order, in the order of the directories:
 * - where a flat hash is known, `{root}/{algorithm}/{hex}`, as mirrors have it (`NetworkFetcher.ts`);
 * - for a `file:` address or an absolute path, that path itself, if it lies below a root;
 * - for `http:` and `https:`, `{root}/{host}/{path}`, as `wget --force-directories` writes it, with `?query` as part of the last name.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { openInner } from "../castore/NearFar.ts"
import { type ByteString, fromUnicode, toUnicode } from "../nix/Bytes.ts"
import { Fetcher } from "./Fetcher.ts"
import { NotServed, UnsupportedScheme } from "./FetchError.ts"
import * as LocalFetcher from "./LocalFetcher.ts"
import { localPath, openLocal, percentDecode, percentEncode, schemeOf, shown, Transfer } from "./Transfer.ts"

export interface FileFetcherOptions {
  /** Absolute paths of directories. */
  readonly roots: ReadonlyArray<string>
  /** Over `LocalFetcher.defaultOptions`; mirrors are the roots, and no repositories are read. */
  readonly fetcher?: Partial<Omit<LocalFetcher.FetcherOptions, "mirrors" | "repositories">> | undefined
}

/** The file for an address below a root, `undefined` when it would lie outside. */
const fileIn = (root: ByteString, url: ByteString): ByteString | undefined => {
  const below = root.endsWith("/") ? root : `${root}/`
  const local = localPath(url)
  const address = local === undefined ? URL.parse(percentEncode(url)) : undefined
  const file =
    local ?? (address === null || address === undefined ? "" : `${below}${address.host}${percentDecode(address.pathname + address.search)}`)
  const normal = path.posix.normalize(file)
  return normal.startsWith(below) ? normal : undefined
}

const layerTransfer = (given: ReadonlyArray<string>): Layer.Layer<Transfer> => {
  const roots = given.map((root) => path.posix.normalize(fromUnicode(root)))
  return Layer.succeed(Transfer, {
    open: (url, options) => {
      const scheme = schemeOf(url)
      if (localPath(url) === undefined && scheme !== "http" && scheme !== "https") {
        return Effect.fail(new UnsupportedScheme({ url: shown(url), scheme }))
      }
      const files = roots.flatMap((root) => fileIn(root, url) ?? [])
      const absent = new NotServed({
        url: shown(url),
        roots: roots.map(toUnicode),
        wanted: files[0] === undefined ? undefined : toUnicode(files[0])
      })
      const isAbsent = (error: { readonly _tag: string; readonly code?: unknown }): boolean =>
        error._tag === "FileUnreadable" && (error.code === "ENOENT" || error.code === "ENOTDIR")
      return files.reduceRight<ReturnType<Transfer["Service"]["open"]>>(
        (rest, file) => Effect.catchIf(openLocal(file, options), isAbsent, () => rest),
        Effect.fail(absent)
      )
    }
  })
}

/** The fetcher of files below `roots`. */
export const layer = ({ roots, fetcher }: FileFetcherOptions): Layer.Layer<Fetcher, never, BlobService | DirectoryService> =>
  openInner(
    Fetcher,
    LocalFetcher.layer({ ...fetcher, mirrors: roots.map((root) => path.posix.normalize(fromUnicode(root))) }).pipe(
      Layer.provide(layerTransfer(roots))
    ),
    (whole) => Effect.succeed({ ...whole, offline: true })
  )
