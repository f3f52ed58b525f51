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
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { EvaluationResult } from "./Evaluation.ts"
import { type Dependencies, digestLength, stateLength } from "./Dependencies.ts"
import { Fingerprint } from "./Fingerprint.ts"
import { isOurs, noteUse } from "./KeptFiles.ts"

const magic = 0x45786979
const version = 1
const headerCells = 10
const headerBytes = headerCells * 4
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

/** What of a record is JSON. */
interface Text extends Omit<Dependencies, "states" | "digests"> {
  readonly key: string
  readonly result: EvaluationResult
  readonly lines: ReadonlyArray<ByteString>
}

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
  const { states, digests, ...lists } = dependencies
  const text: Text = { key, result, lines, ...lists }
  const json = Buffer.from(JSON.stringify(text), "latin1")
  const digestsAt = headerBytes + states.byteLength
  const textAt = digestsAt + digests.length
  const textBytes = Math.ceil(json.length / 8) * 8
  const head = Buffer.alloc(textAt + textBytes, " ")
  head.set(new Uint8Array(states.buffer, states.byteOffset, states.byteLength), headerBytes)
  head.set(digests, digestsAt)
  head.set(json, textAt)
  const cells = new Uint32Array(head.buffer, head.byteOffset, head.length / 4)
  cells.set([magic, version, states.length / stateLength, textBytes, rest.length, 0, 0, ...restSum(rest), 0])
  cells.set(headSum(cells), 5)
  return [head, rest]
}

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
      // Results decide what is built and run.
      const head = isOurs(stat) && stat.size <= readLimit ? readHead(fd, stat.size) : undefined
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
    noteUse(this.#fd, this.used)
  }

  close(): void {
    fs.closeSync(this.#fd)
  }
}

const readHead = (fd: number, size: number): Uint32Array | undefined => {
  const start = new Uint32Array(headerCells)
  if (size < headerBytes || !readFully(fd, new Uint8Array(start.buffer), 0)) return undefined
  if (start[0] !== magic || start[1] !== version) return undefined
  const bytes = headerBytes + start[2]! * (stateLength * 8 + digestLength) + start[3]!
  if (start[3]! % 8 !== 0 || bytes + start[4]! !== size) return undefined
  const head = new Uint32Array(bytes / 4)
  if (!readFully(fd, new Uint8Array(head.buffer), 0)) return undefined
  const sum = headSum(head)
  return sum[0] === head[5] && sum[1] === head[6] ? head : undefined
}

const parseHead = (head: Uint32Array): EvaluationRecord => {
  const states = new Float64Array(head.buffer, headerBytes, head[2]! * stateLength)
  const digestsAt = headerBytes + states.byteLength
  const digests = new Uint8Array(head.buffer, digestsAt, head[2]! * digestLength)
  const bytes = Buffer.from(head.buffer)
  const { key, result, lines, ...lists } = JSON.parse(bytes.toString("latin1", digestsAt + digests.length)) as Text
  return { key, result, lines, dependencies: { ...lists, states, digests } }
}
