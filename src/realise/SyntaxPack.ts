/**
 * A pack: one file with many syntax trees, written once and never changed. Found by key without reading more than the index.
 *
 * Layout, all numbers 32 bits little-endian:
 *
 *     "yixP" · version · entries · file bytes · checksum of header and index (2) · 0 · 0
 *     entries × (key (8) · offset · bytes · checksum of the tree (2)), in the order of the keys' first cells
 *     trees…
 *
 * Checksums are the first 64 bits of SHA-256. Whatever a file holds, a wrong tree never comes out of it: at worst none.
 */
import * as fs from "node:fs"
import { contentDigest } from "./Dependencies.ts"
import { isOurs, noteUse } from "./KeptFiles.ts"

const magic = 0x50786979
const version = 1
const headerCells = 8
const entryCells = 12
/** Bytes. */
const headerBytes = headerCells * 4
const entryBytes = entryCells * 4

/** The key of a tree: SHA-256, as cells. */
export type PackKey = Uint32Array

/** SHA-256 of bytes, as cells. */
export const digestCells = (bytes: Uint8Array): Uint32Array => {
  const cells = new Uint32Array(8)
  new Uint8Array(cells.buffer).set(contentDigest(bytes))
  return cells
}

export interface PackEntry {
  readonly key: PackKey
  readonly bytes: Uint8Array
}

const headerSum = (head: Uint32Array): Uint32Array => {
  const bytes = new Uint8Array(head.buffer, head.byteOffset, head.byteLength)
  const kept = head.slice(4, 6)
  head.fill(0, 4, 6)
  const sum = digestCells(bytes)
  head.set(kept, 4)
  return sum
}

/** How many bytes a pack of these entries has. */
export const packSize = (entries: ReadonlyArray<PackEntry>): number =>
  entries.reduce((sum, { bytes }) => sum + bytes.length + entryBytes, headerBytes)

/** The pieces of a pack of entries with different keys, in the order of the file. */
export const packPieces = (entries: ReadonlyArray<PackEntry>): ReadonlyArray<Uint8Array> => {
  const sorted = entries.toSorted((a, b) => a.key[0]! - b.key[0]!)
  const head = new Uint32Array(headerCells + sorted.length * entryCells)
  let offset = head.byteLength
  sorted.forEach(({ key, bytes }, i) => {
    const at = headerCells + i * entryCells
    head.set(key, at)
    head[at + 8] = offset
    head[at + 9] = bytes.length
    head.set(digestCells(bytes).subarray(0, 2), at + 10)
    offset += bytes.length
  })
  head.set([magic, version, sorted.length, offset])
  head.set(headerSum(head).subarray(0, 2), 4)
  return [new Uint8Array(head.buffer), ...sorted.map(({ bytes }) => bytes)]
}

/** An open pack. */
export class Pack {
  readonly name: string
  /** Bytes of the file. */
  readonly size: number
  /** When it was last of use, milliseconds since 1970. */
  readonly used: number
  readonly #fd: number
  readonly #head: Uint32Array
  #touched = false

  private constructor(name: string, stat: fs.Stats, fd: number, head: Uint32Array) {
    this.name = name
    this.size = stat.size
    this.used = stat.mtimeMs
    this.#fd = fd
    this.#head = head
  }

  /** The pack in a file; `undefined` where there is none, or one that somebody else may have written, or a damaged one. */
  static open(directory: string, name: string): Pack | undefined {
    let fd: number | undefined
    try {
      fd = fs.openSync(`${directory}/${name}`, "r")
      const stat = fs.fstatSync(fd)
      // Trees decide what programs mean.
      const head = isOurs(stat) ? readHead(fd, stat.size) : undefined
      if (head !== undefined) return new Pack(name, stat, fd, head)
    } catch {
      // Gone, or not to be read: as none.
    }
    if (fd !== undefined) fs.closeSync(fd)
    return undefined
  }

  get #count(): number {
    return this.#head[2]!
  }

  /** The tree of a key. Marks the pack as used. */
  find(key: PackKey): Uint8Array | undefined {
    const head = this.#head
    const first = key[0]!
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (head[headerCells + middle * entryCells]! < first) low = middle + 1
      else high = middle
    }
    for (; low < this.#count && head[headerCells + low * entryCells] === first; low++) {
      const at = headerCells + low * entryCells
      let same = 1
      while (same < 8 && head[at + same] === key[same]) same++
      if (same < 8) continue
      this.#touch()
      return this.#read(at)
    }
    return undefined
  }

  /** All trees that are intact. */
  *entries(): Generator<PackEntry> {
    for (let i = 0; i < this.#count; i++) {
      const at = headerCells + i * entryCells
      const bytes = this.#read(at)
      if (bytes !== undefined) yield { key: this.#head.slice(at, at + 8), bytes }
    }
  }

  #read(at: number): Uint8Array | undefined {
    const offset = this.#head[at + 8]!
    const length = this.#head[at + 9]!
    if (offset + length > this.size) return undefined
    const bytes = new Uint8Array(length)
    try {
      if (fs.readSync(this.#fd, bytes, 0, length, offset) !== length) return undefined
    } catch {
      return undefined
    }
    const sum = digestCells(bytes)
    return sum[0] === this.#head[at + 10] && sum[1] === this.#head[at + 11] ? bytes : undefined
  }

  /** Says that the pack is of use, so that others go first. */
  #touch(): void {
    if (this.#touched) return
    this.#touched = true
    noteUse(this.#fd, this.used)
  }

  close(): void {
    fs.closeSync(this.#fd)
  }
}

const readHead = (fd: number, size: number): Uint32Array | undefined => {
  const start = new Uint32Array(headerCells)
  if (size < headerBytes || fs.readSync(fd, start, 0, headerBytes, 0) !== headerBytes) return undefined
  if (start[0] !== magic || start[1] !== version || start[3] !== size) return undefined
  const bytes = headerBytes + start[2]! * entryBytes
  if (bytes > size) return undefined
  const head = new Uint32Array(bytes / 4)
  if (fs.readSync(fd, head, 0, bytes, 0) !== bytes) return undefined
  const sum = headerSum(head)
  return sum[0] === head[4] && sum[1] === head[5] ? head : undefined
}
