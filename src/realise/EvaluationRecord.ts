/**
 * A result that is kept from run to run: one file with what was asked, what came out, what it depended on, and what has to be known to build it.
 *
 * Layout, all numbers little-endian, cells of 32 bits:
 *
 *     "yixE" · version · states · bytes of the text · bytes of the rest · sum of the head (2) · sum of the rest (2) · 0
 *     states × (5 × 64-bit float)      how files and directories were; NaN where that tells nothing
 *     states × 32 bytes                SHA-256 of their contents
 *     text                             JSON, bytes as Latin-1, padded with blanks
 *     rest                             derivations and fetches, `v8.serialize`d and compressed with zstd: read only by who builds
 *
 * Whatever a file holds, a wrong result never comes out of it: at worst none.
 */
import * as fs from "node:fs"
import type { Fetch } from "../fetch/Fetch.ts"
import type { IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { EvaluationResult } from "./Evaluation.ts"
import type { ContentSeen, Dependencies, SourceSeen, StoreStamp } from "./Dependencies.ts"
import type { FileState } from "./FileState.ts"
import { Fingerprint } from "./Fingerprint.ts"
import type { AddSource } from "./HashedSource.ts"

const magic = 0x45786979
const version = 1
const headerCells = 10
const headerBytes = headerCells * 4
const stateBytes = 5 * 8
const digestBytes = 32
/** Bytes of a file that is read: more than any that is written. */
const readLimit = 256 * 2 ** 20

/** What has to be told to the realiser. */
export interface Knowledge {
  readonly derivations: ReadonlyArray<readonly [StorePath, ByteString]>
  readonly fetches: ReadonlyArray<readonly [StorePath, Fetch]>
}

export interface EvaluationRecord {
  /** The whole of what was asked, as text. */
  readonly key: string
  readonly result: EvaluationResult
  /** What the evaluation said: traces and warnings. */
  readonly lines: ReadonlyArray<ByteString>
  readonly dependencies: Dependencies
}

type PathTypeText = ByteString

interface SourceText {
  readonly request: Omit<AddSource, "expected">
  readonly expected: readonly [string, ReadonlyArray<number>] | null
  readonly path: StorePath
  readonly sum: readonly [number, number] | null
}

interface Text {
  readonly key: string
  readonly result: EvaluationResult
  readonly lines: ReadonlyArray<ByteString>
  readonly files: ReadonlyArray<ByteString>
  readonly directories: ReadonlyArray<ByteString>
  readonly types: ReadonlyArray<PathTypeText>
  readonly others: ReadonlyArray<readonly [NearRequest, IoAnswer]>
  readonly sources: ReadonlyArray<SourceText>
  readonly stored: ReadonlyArray<readonly [StorePath, StoreStamp]>
}

/** Most of what is not a file is the type of a path: a short form for those that JSON reads fast. */
const types: ReadonlyArray<readonly [string, unknown]> = [
  ["r", "regular"],
  ["d", "directory"],
  ["s", "symlink"],
  ["u", "unknown"],
  ["-", undefined]
]

const typeText = ([request, answer]: readonly [NearRequest, IoAnswer]): PathTypeText | undefined => {
  if (request._tag !== "PathType" || !answer.ok) return undefined
  return `${types.find(([, type]) => type === answer.value)![0]}${request.follow ? "f" : "l"}${request.path}`
}

const parsedType = (text: PathTypeText): readonly [NearRequest, IoAnswer] => [
  { _tag: "PathType", path: text.slice(2), follow: text[1] === "f" },
  { ok: true, value: types.find(([letter]) => letter === text[0])![1] }
]

const sourceText = ({ request: { expected, ...request }, path, sum }: SourceSeen): SourceText => ({
  request,
  expected: expected === undefined ? null : [expected.algorithm, [...expected.digest]],
  path,
  sum: sum ?? null
})

const parsedSource = ({ request, expected, path, sum }: SourceText): SourceSeen => ({
  request: {
    ...request,
    accepted: request.accepted,
    expected: expected === null ? undefined : { algorithm: expected[0] as "sha256", digest: Uint8Array.from(expected[1]) }
  },
  path,
  sum: sum ?? undefined
})

/** The sum of the head: all of it but where the sum itself stands. */
const headSum = (head: Uint32Array): readonly [number, number] => {
  const print = new Fingerprint()
  return print.cells(head.subarray(0, 5)).cells(head.subarray(7)).sum
}

const restSum = (rest: Uint8Array): readonly [number, number] => {
  const cells = new Uint32Array(Math.ceil(rest.length / 4))
  new Uint8Array(cells.buffer).set(rest)
  return new Fingerprint().cell(rest.length).cells(cells).sum
}

/** The rest of a file. Empty where there is nothing to tell. */
export const packKnowledge = (knowledge: Knowledge): Uint8Array => {
  if (knowledge.derivations.length === 0 && knowledge.fetches.length === 0) return new Uint8Array(0)
  const { serialize } = process.getBuiltinModule("node:v8")
  const { constants, zstdCompressSync } = process.getBuiltinModule("node:zlib")
  return zstdCompressSync(serialize(knowledge), { params: { [constants.ZSTD_c_compressionLevel]: 1 } })
}

const unpackKnowledge = (rest: Uint8Array): Knowledge => {
  if (rest.length === 0) return { derivations: [], fetches: [] }
  const { deserialize } = process.getBuiltinModule("node:v8")
  const { zstdDecompressSync } = process.getBuiltinModule("node:zlib")
  return deserialize(zstdDecompressSync(rest)) as Knowledge
}

/** The pieces of a file, in their order. */
export const recordPieces = ({ key, result, lines, dependencies }: EvaluationRecord, rest: Uint8Array): ReadonlyArray<Uint8Array> => {
  const { files, directories, others, sources, stored } = dependencies
  const short = others.map(typeText)
  const text: Text = {
    key,
    result,
    lines,
    files: [...files.keys()],
    directories: [...directories.keys()],
    types: short.filter((text) => text !== undefined),
    others: others.filter((_, i) => short[i] === undefined),
    sources: sources.map(sourceText),
    stored: [...stored]
  }
  const json = Buffer.from(JSON.stringify(text), "latin1")
  const seen: ReadonlyArray<ContentSeen> = [...files.values(), ...directories.values()]
  const states = seen.length
  const textAt = headerBytes + states * (stateBytes + digestBytes)
  const textBytes = Math.ceil(json.length / 8) * 8
  const head = Buffer.alloc(textAt + textBytes, " ")
  const floats = new Float64Array(head.buffer, head.byteOffset + headerBytes, states * 5)
  seen.forEach(({ digest, state }, i) => {
    for (let k = 0; k < 5; k++) floats[i * 5 + k] = state === undefined ? Number.NaN : state[k]!
    head.set(digest, headerBytes + states * stateBytes + i * digestBytes)
  })
  head.set(json, textAt)
  const cells = new Uint32Array(head.buffer, head.byteOffset, head.length / 4)
  cells.set([magic, version, states, textBytes, rest.length, 0, 0, ...restSum(rest), 0])
  cells.set(headSum(cells), 5)
  return [head, rest]
}

/** Results decide what is built and run: only our own files are believed. */
const ours = (stat: fs.Stats): boolean => stat.isFile() && stat.uid === process.geteuid?.() && (stat.mode & 0o022) === 0

const readFully = (fd: number, bytes: Uint8Array, from: number): boolean => {
  let at = 0
  while (at < bytes.length) {
    const count = fs.readSync(fd, bytes, at, bytes.length - at, from + at)
    if (count === 0) return false
    at += count
  }
  return true
}

/** A record as it lies on disk. */
export class StoredRecord {
  readonly record: EvaluationRecord
  /** When it was last of use, milliseconds since 1970. */
  readonly used: number
  readonly #fd: number
  readonly #restAt: number
  readonly #head: Uint32Array

  private constructor(record: EvaluationRecord, used: number, fd: number, head: Uint32Array) {
    this.record = record
    this.used = used
    this.#fd = fd
    this.#restAt = head.byteLength
    this.#head = head
  }

  /** The record in a file; `undefined` where there is none, or one that somebody else may have written, or a damaged one, or one for something else. */
  static open(file: string, key: string): StoredRecord | undefined {
    let fd: number | undefined
    try {
      fd = fs.openSync(file, "r")
      const stat = fs.fstatSync(fd)
      const head = ours(stat) && stat.size <= readLimit ? readHead(fd, stat.size) : undefined
      const record = head === undefined ? undefined : parseHead(head)
      if (record?.key === key) return new StoredRecord(record, stat.mtimeMs, fd, head!)
    } catch {
      // Gone, or not to be read: as none.
    }
    if (fd !== undefined) fs.closeSync(fd)
    return undefined
  }

  /** The rest as it stands in the file; `undefined` where it is damaged. */
  rest(): Uint8Array | undefined {
    try {
      const rest = new Uint8Array(this.#head[4]!)
      if (!readFully(this.#fd, rest, this.#restAt)) return undefined
      const sum = restSum(rest)
      return sum[0] === this.#head[7] && sum[1] === this.#head[8] ? rest : undefined
    } catch {
      return undefined
    }
  }

  /** `undefined` where it is damaged. */
  knowledge(): Knowledge | undefined {
    const rest = this.rest()
    if (rest === undefined) return undefined
    try {
      return unpackKnowledge(rest)
    } catch {
      return undefined
    }
  }

  /** Says that the record is of use, so that others go first. */
  touch(): void {
    const now = Date.now()
    if (now - this.used < touchAfter) return
    try {
      fs.futimesSync(this.#fd, now / 1000, now / 1000)
    } catch {
      // Not on this file system.
    }
  }

  close(): void {
    fs.closeSync(this.#fd)
  }
}

/** Milliseconds that a note of use stays good enough. */
const touchAfter = 3_600_000

const readHead = (fd: number, size: number): Uint32Array | undefined => {
  const start = new Uint32Array(headerCells)
  if (size < headerBytes || !readFully(fd, new Uint8Array(start.buffer), 0)) return undefined
  if (start[0] !== magic || start[1] !== version) return undefined
  const bytes = headerBytes + start[2]! * (stateBytes + digestBytes) + start[3]!
  if (start[3]! % 8 !== 0 || bytes + start[4]! !== size) return undefined
  const head = new Uint32Array(bytes / 4)
  if (!readFully(fd, new Uint8Array(head.buffer), 0)) return undefined
  const sum = headSum(head)
  return sum[0] === head[5] && sum[1] === head[6] ? head : undefined
}

const parseHead = (head: Uint32Array): EvaluationRecord => {
  const states = head[2]!
  const floats = new Float64Array(head.buffer, headerBytes, states * 5)
  const bytes = Buffer.from(head.buffer)
  const digestsAt = headerBytes + states * stateBytes
  const seen = (i: number): ContentSeen => {
    const [size, modified, changed, inode, device] = floats.subarray(i * 5, i * 5 + 5) as unknown as FileState
    const digest = bytes.subarray(digestsAt + i * digestBytes, digestsAt + (i + 1) * digestBytes)
    return { digest, state: Number.isNaN(size) ? undefined : [size, modified, changed, inode, device] }
  }
  const text = JSON.parse(bytes.toString("latin1", digestsAt + states * digestBytes)) as Text
  return {
    key: text.key,
    result: text.result,
    lines: text.lines,
    dependencies: {
      files: new Map(text.files.map((path, i) => [path, seen(i)])),
      directories: new Map(text.directories.map((path, i) => [path, seen(text.files.length + i)])),
      others: [...text.types.map(parsedType), ...text.others],
      sources: text.sources.map(parsedSource),
      stored: new Map(text.stored)
    }
  }
}
