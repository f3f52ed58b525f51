/**
 * What a request gets over HTTP, as data: routes make it, `HttpServer.ts` sends it.
 */
import type * as Stream from "effect/Stream"
import type { CastoreError } from "../../castore/CastoreError.ts"
import type { BlobService } from "../../castore/blob/BlobService.ts"
import type { DirectoryService } from "../../castore/directory/DirectoryService.ts"

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Bytes of the body. A stream that gives fewer or more breaks the connection, so that nobody takes it for whole. */
  readonly length: number
  readonly body: Uint8Array | Stream.Stream<Uint8Array, CastoreError, BlobService | DirectoryService>
}

/** What a route sees of a request. */
export interface Asked {
  readonly method: string
  /** Decoded path without the query, beginning with "/". */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** To be consumed once. */
  readonly body: Stream.Stream<Uint8Array, BodyError>
}

/** The request's body broke off, came too slowly, or is too long. */
export class BodyError extends Error {
  readonly _tag = "BodyError"
  readonly status: number

  constructor(status: number, detail: string) {
    super(detail)
    this.status = status
  }
}

const encoder = new TextEncoder()

/** A short text, by default a line of plain words. */
export const text = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer => {
  const bytes = encoder.encode(body)
  return { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers }, length: bytes.length, body: bytes }
}
