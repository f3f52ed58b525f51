/**
 * A store as a Nix binary cache: `nix-cache-info`, narinfos, NARs rendered from the castore (whole or by ranges), listings, and uploads.
 *
 * URLs carry nothing that is believed: a NAR is asked for by hash part and NAR hash of its path, and both must be those of a path that is here, so
 * nothing of the store is reachable that no path leads to.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { BlobService } from "../../castore/blob/BlobService.ts"
import type { CastoreError } from "../../castore/CastoreError.ts"
import type { DirectoryService } from "../../castore/directory/DirectoryService.ts"
import type { Ingested } from "../../castore/ingest/FileSystem.ts"
import * as Base32 from "../../nix/Base32.ts"
import { toBytes } from "../../nix/Bytes.ts"
import { printNarInfo } from "../../nix/NarInfo.ts"
import { printListing } from "../../nix/NarListing.ts"
import { hashPart, storeDir } from "../../nix/StorePath.ts"
import { render } from "../../store/Nar.ts"
import { listingOf, renderRange } from "../../store/NarLayout.ts"
import { offerOfPart, type PathClaim } from "../../store/Offer.ts"
import type { PathInfo } from "../../store/PathInfo.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { type Answer, type Asked, type BodyError, text } from "./Answer.ts"
import { parseRange } from "./ByteRange.ts"
import { storedXz, storedXzSize } from "./StoredXz.ts"
import * as Uploads from "./Uploads.ts"

export interface BinaryCacheOptions {
  /** Lower is asked first; cache.nixos.org has 40. Default 39. */
  readonly priority?: number | undefined
  /** Refuse uploads. */
  readonly readOnly?: boolean | undefined
  /** Bytes that an uploaded NAR may have. */
  readonly narLimit?: number | undefined
}

export type Routes = (asked: Asked) => Effect.Effect<Answer, CastoreError | BodyError, BlobService | DirectoryService>

const part = "[0-9a-df-np-sv-z]{32}"
const narInfoPath = new RegExp(`^/(${part})\\.narinfo$`)
const listingPath = new RegExp(`^/(${part})\\.ls$`)
const narPath = new RegExp(`^/nar/(${part})-([0-9a-z]{52})\\.nar$`)

const narUrl = (info: PathClaim): string => `nar/${hashPart(info.path)}-${Base32.encode(info.narHash)}.nar`

const narInfoText = (info: PathClaim): string =>
  printNarInfo({
    ...info,
    url: narUrl(info),
    compression: "none",
    fileHash: { algorithm: "sha256", digest: info.narHash },
    fileSize: info.narSize,
    system: undefined,
    unknownKeys: []
  })

const absent = text(404, "not here\n")

const header = (asked: Asked, name: string): string | undefined => {
  const value = asked.headers[name]
  return typeof value === "string" ? value : undefined
}

/** Whether an `If-None-Match` (RFC 9110 §13.1.2) names this tag: one of several, weak or not, or any. */
const hasTag = (condition: string | undefined, etag: string): boolean =>
  condition !== undefined && condition.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag)

const narAnswer = (info: PathInfo, asked: Asked): Answer => {
  const etag = `"${Base32.encode(info.narHash)}"`
  const headers = {
    "content-type": "application/x-nix-nar",
    "cache-control": "public, max-age=31536000, immutable",
    "accept-ranges": "bytes",
    etag
  }
  if (hasTag(header(asked, "if-none-match"), etag)) return { status: 304, headers, length: 0, body: new Uint8Array(0) }
  const condition = header(asked, "if-range")
  const range = condition === undefined || condition === etag ? parseRange(header(asked, "range"), info.narSize) : "whole"
  if (range === "unsatisfiable") return text(416, "the NAR is not that long\n", { "content-range": `bytes */${info.narSize}` })
  if (range === "whole") return { status: 200, headers, length: info.narSize, body: render(info.node) }
  const { offset, length } = range
  const contentRange = `bytes ${offset}-${offset + length - 1}/${info.narSize}`
  return { status: 206, headers: { ...headers, "content-range": contentRange }, length, body: renderRange(info.node, offset, length) }
}

/** What was uploaded, for the client that remembers the address it had then. */
const uploadAnswer = ({ node, narSize }: Ingested, xz: boolean): Answer => {
  const headers = { "content-type": "application/x-nix-nar" }
  if (!xz) return { status: 200, headers, length: narSize, body: render(node) }
  return { status: 200, headers, length: storedXzSize(narSize), body: storedXz(render(node), narSize) }
}

/** The routes over the store. */
export const make = Effect.fnUntraced(function* (options: BinaryCacheOptions = {}): Effect.fn.Return<Routes, never, PathInfoService> {
  const pathInfos = yield* PathInfoService
  const uploads = yield* Uploads.make(options)
  const info = text(200, `StoreDir: ${storeDir}\nWantMassQuery: 1\nPriority: ${options.priority ?? 39}\n`, {
    "content-type": "text/x-nix-cache-info"
  })

  const get = Effect.fnUntraced(function* (asked: Asked) {
    const { path } = asked
    if (path === "/nix-cache-info") return info
    if (path === "/") return text(200, "This is a Nix binary cache, served by yix. Name its address as a substituter.\n")
    const asNarInfo = narInfoPath.exec(path)
    if (asNarInfo !== null) {
      const found = yield* offerOfPart(pathInfos, asNarInfo[1]!)
      if (Option.isNone(found)) return absent
      const bytes = toBytes(narInfoText(found.value.told))
      return { status: 200, headers: { "content-type": "text/x-nix-narinfo" }, length: bytes.length, body: bytes }
    }
    const asNar = narPath.exec(path)
    if (asNar !== null) {
      const found = yield* pathInfos.getByHashPart(asNar[1]!)
      return Option.isNone(found) || Base32.encode(found.value.narHash) !== asNar[2] ? absent : narAnswer(found.value, asked)
    }
    const upload = uploads.uploaded(path.slice(1))
    if (upload !== undefined) return uploadAnswer(upload, path.endsWith(".xz"))
    const asListing = listingPath.exec(path)
    if (asListing !== null) {
      const found = yield* pathInfos.getByHashPart(asListing[1]!)
      if (Option.isNone(found)) return absent
      return text(200, printListing(yield* listingOf(found.value.node)), { "content-type": "application/json" })
    }
    return absent
  })

  const put = (asked: Asked): ReturnType<Routes> => {
    if (options.readOnly === true) return Effect.succeed(text(403, "this cache takes no uploads\n"))
    const asNarInfo = narInfoPath.exec(asked.path)
    if (asNarInfo !== null) return uploads.putNarInfo(asNarInfo[1]!, asked)
    if (asked.path.startsWith("/nar/")) return uploads.putNar(asked.path.slice(1), asked)
    // Listings are made here, whatever a client thinks of them.
    if (listingPath.test(asked.path)) return Effect.succeed(text(200, ""))
    return Effect.succeed(text(404, "only NARs and narinfos are taken here\n"))
  }

  return (asked) => {
    switch (asked.method) {
      case "GET":
      case "HEAD":
        return get(asked)
      case "PUT":
        return put(asked)
      default:
        return Effect.succeed(text(405, "only GET, HEAD and PUT\n", { allow: "GET, HEAD, PUT" }))
    }
  }
})
