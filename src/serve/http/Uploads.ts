/**
 * Uploads to the binary cache: first a NAR, compressed or not, under the hash of its file; then the narinfo that says which path it is.
 *
 * Nothing that the client says is believed: the file's hash is compared with its name, the NAR is read whole and hashed, and a narinfo is accepted only when
 * it agrees with all that, names the path it was sent for, and everything it refers to is here. The path info is committed last; a path that is here with
 * other content stays as it is.
 */
import { Buffer } from "node:buffer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { BlobService } from "../../castore/blob/BlobService.ts"
import type { CastoreError } from "../../castore/CastoreError.ts"
import type { DirectoryService } from "../../castore/directory/DirectoryService.ts"
import type { Ingested } from "../../castore/ingest/FileSystem.ts"
import { ingestNar } from "../../castore/ingest/Nar.ts"
import * as Base32 from "../../nix/Base32.ts"
import * as Crypto from "../../nix/Crypto.ts"
import { sameHash } from "../../nix/Hash.ts"
import { type NarInfo, NarInfoError, narInfoLimit, parseNarInfo } from "../../nix/NarInfo.ts"
import { hasItsContent } from "../../store/ContentCheck.ts"
import { hashPart } from "../../nix/StorePath.ts"
import { has } from "../../store/Offer.ts"
import type { PathInfo } from "../../store/PathInfo.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { type Compression, decompress } from "../../wire/Decompress.ts"
import { type Answer, type Asked, BodyError, text } from "./Answer.ts"

/** Bytes that an uploaded NAR may have, unpacked; and its file. */
export const defaultNarLimit = 64 * 1024 ** 3

/** NARs remembered between their upload and that of their narinfo. */
const remembered = 4096

/** What is known of an uploaded NAR, under the URL that its narinfo has to name. */
interface Upload extends Ingested {
  readonly fileHash: Uint8Array
  readonly fileSize: number
  /** A narinfo for it was accepted. */
  accepted: boolean
}

const compressions: ReadonlyMap<string, Compression | "auto"> = new Map([
  // Nix gives gzip no suffix of its own.
  ["", "auto"],
  [".gz", "gzip"],
  [".bz2", "bzip2"],
  [".xz", "xz"],
  [".zst", "zstd"],
  [".br", "br"]
])

const narName = /^nar\/([0-9a-z]{52})\.nar(\.[a-z0-9]+)?$/

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((byte, i) => byte === right[i])

const refused = (detail: string, status = 400) => Effect.succeed(text(status, `${detail}\n`))

/** The whole body, if it is not longer than `limit`. */
const bodyOf = Effect.fnUntraced(function* (asked: Asked, limit: number) {
  const pieces: Array<Uint8Array> = []
  let size = 0
  yield* Stream.runForEach(asked.body, (piece) => {
    size += piece.length
    pieces.push(piece)
    return size > limit ? Effect.fail(new BodyError(413, `more than ${limit} bytes`)) : Effect.void
  })
  return Buffer.concat(pieces)
})

export const make = Effect.fnUntraced(function* (options: { readonly narLimit?: number | undefined }) {
  const pathInfos = yield* PathInfoService
  const limit = options.narLimit ?? defaultNarLimit
  const uploads = new Map<string, Upload>()
  /** Looking whether a path is there and committing it must not be mixed with another upload of it. */
  const committing = yield* Semaphore.make(1)

  const remember = (name: string, upload: Upload) => {
    uploads.delete(name)
    uploads.set(name, upload)
    if (uploads.size > remembered) uploads.delete(uploads.keys().next().value!)
  }

  /** `name`: such as `nar/<hash>.nar.xz`. */
  const putNar = Effect.fn("serve.putNar")(function* (
    name: string,
    asked: Asked
  ): Effect.fn.Return<Answer, CastoreError | BodyError, BlobService | DirectoryService> {
    const match = narName.exec(name)
    const compression = match === null ? undefined : compressions.get(match[2] ?? "")
    if (match === null) return yield* refused("a NAR is uploaded as nar/<hash of the file>.nar with the suffix of its compression")
    if (compression === undefined)
      return yield* refused(`compression '${match[2]}' is not known here; use none, xz, zstd, gzip, bzip2 or br`, 415)
    if ((asked.headers["content-encoding"] ?? "identity") !== "identity")
      return yield* refused("NARs are taken without Content-Encoding", 415)
    const hasher = Crypto.hasher("sha256")
    let fileSize = 0
    const file = Stream.mapEffect(asked.body, (piece) => {
      hasher.update(piece)
      fileSize += piece.length
      return fileSize > limit ? Effect.fail(new BodyError(413, `more than ${limit} bytes`)) : Effect.succeed(piece)
    })
    const nar = file.pipe(decompress({ source: name, compression, maxBytes: limit }))
    const ingested = yield* ingestNar(nar, { sizeLimit: limit }).pipe(
      Effect.catchTags({
        NarError: (error) => refused(`what was sent is no NAR: ${error.message}`),
        Undecodable: (error) => refused(error.message),
        ExpandsTooFar: (error) => refused(error.message, 413)
      })
    )
    if ("status" in ingested) return ingested
    const fileHash = Uint8Array.from(hasher.digest())
    if (Base32.encode(fileHash) !== match[1])
      return yield* refused(`the file has the hash ${Base32.encode(fileHash)}, not that of its name`)
    remember(name, { ...ingested, fileHash, fileSize, accepted: uploads.get(name)?.accepted ?? false })
    return text(201, "")
  })

  /** What speaks against a narinfo for this upload, or `undefined`. */
  const disagreement = (info: NarInfo, upload: Upload): string | undefined => {
    if (!sameBytes(info.narHash, upload.narHash)) return "NarHash is not the hash of the NAR that was uploaded"
    if (info.narSize !== upload.narSize) return `NarSize should be ${upload.narSize}`
    if (info.fileHash !== undefined && !sameHash(info.fileHash, { algorithm: "sha256", digest: upload.fileHash }))
      return "FileHash is not the hash of the file that was uploaded"
    if (info.fileSize !== undefined && info.fileSize !== upload.fileSize) return `FileSize should be ${upload.fileSize}`
    return undefined
  }

  const commit = Effect.fnUntraced(function* (info: PathInfo) {
    for (const reference of info.references) {
      if (reference === info.path || (yield* has(pathInfos, reference))) continue
      return text(400, `'${info.path}' refers to '${reference}', which is not here; upload that first\n`)
    }
    const present = yield* pathInfos.getByHashPart(hashPart(info.path))
    if (Option.isSome(present)) {
      const { path, narHash, references } = present.value
      const same = path === info.path && sameBytes(narHash, info.narHash) && references.join() === info.references.join()
      if (!same) return text(409, `'${path}' is here already, with other content or references; it stays as it is\n`)
      yield* pathInfos.put({ ...present.value, signatures: info.signatures })
      return text(200, "")
    }
    yield* pathInfos.put(info)
    return text(201, "")
  })

  const putNarInfo = Effect.fn("serve.putNarInfo")(function* (
    asHashPart: string,
    asked: Asked
  ): Effect.fn.Return<Answer, CastoreError | BodyError, BlobService | DirectoryService> {
    const body = yield* bodyOf(asked, narInfoLimit)
    let told: NarInfo
    try {
      told = parseNarInfo(body, asHashPart)
    } catch (error) {
      if (error instanceof NarInfoError) return yield* refused(error.message)
      throw error
    }
    const upload = uploads.get(told.url)
    if (upload === undefined) return yield* refused(`the NAR '${told.url}' was not uploaded here; upload it before its narinfo`)
    const problem = disagreement(told, upload)
    if (problem !== undefined) return yield* refused(problem)
    const { path, references, signatures, deriver, ca } = told
    const { node, narHash, narSize } = upload
    const registrationTime = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const info: PathInfo = { path, node, references, narHash, narSize, signatures, deriver, ca, registrationTime }
    // A content address is a claim that can be checked.
    if (ca !== undefined && !(yield* hasItsContent(info))) {
      return yield* refused(`the content does not have the address '${ca}', or the path is not the one for it`)
    }
    const answer = yield* Semaphore.withPermit(committing, commit(info)).pipe(
      Effect.catchTag("InvalidData", (error) => refused(error.message))
    )
    if (answer.status < 300) upload.accepted = true
    return answer
  })

  /** The tree of a NAR that was uploaded under this name, plain or as xz, and that a path has; `undefined` for others, and for what is forgotten. */
  const uploaded = (name: string): Ingested | undefined => {
    const upload = uploads.get(name)
    if (upload?.accepted !== true) return undefined
    return name.endsWith(".xz") || sameBytes(upload.fileHash, upload.narHash) ? upload : undefined
  }

  return { putNar, putNarInfo, uploaded }
})
