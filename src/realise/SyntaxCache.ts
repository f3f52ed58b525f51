/**
 * The syntax trees of past runs, in a folder of the user's: what is found there need not be parsed.
 *
 * A tree is found by the SHA-256 of its source, the versions of yix and of the encoding, and what else it depends on, so nothing in it can be out of date. A run that
 * parsed something writes one pack of it (`SyntaxPack.ts`) after its result is told, together with older packs that are not much larger: so there are few
 * of them, and each tree is copied a few times only (`KeptFiles.ts`). A folder that cannot be read or written is no cache, and nobody is told.
 */
import * as fs from "node:fs"
import type { SyntaxPlace, SyntaxStore } from "../eval/SyntaxStore.ts"
import { version as encoding } from "../lang/Serialise.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { quietly, tidy, writeWhole } from "./KeptFiles.ts"
import { release } from "./Release.ts"
import { digestCells, Pack, packPieces, packSize } from "./SyntaxPack.ts"
import type { PackEntry, PackKey } from "./SyntaxPack.ts"

export interface SyntaxCacheLimits {
  /** Bytes of all packs. */
  readonly total: number
  /** Bytes above which a pack is not merged with others, or made larger. */
  readonly pack: number
  /** Bytes of sources that are parsed before any is looked for: loading SHA-256 and opening the packs takes longer than parsing a small program. */
  readonly parsed: number
}

const defaultLimits: SyntaxCacheLimits = { total: 256 * 2 ** 20, pack: 16 * 2 ** 20, parsed: 16 * 2 ** 10 }

/** Sources below this many bytes are parsed faster than found. */
const leastSource = 64

const suffix = ".pack"

const scratchBytes = 2 ** 20

/** Where sources stand as bytes while they are hashed. */
let scratch: Buffer | undefined

const keyOf = (source: ByteString, variant: string): PackKey => {
  // Another release may parse otherwise.
  const prefix = `yix ${release} syntax ${encoding} ${variant}\n`
  const length = prefix.length + source.length
  const bytes = length > scratchBytes ? Buffer.allocUnsafe(length) : (scratch ??= Buffer.allocUnsafeSlow(scratchBytes))
  bytes.write(prefix, 0, "latin1")
  bytes.write(source, prefix.length, "latin1")
  return digestCells(bytes.subarray(0, length))
}

const hex = (key: PackKey): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("hex")

export class SyntaxCache implements SyntaxStore {
  readonly #directory: string
  readonly #limits: SyntaxCacheLimits
  /** Newest first; `undefined` until something is looked for. */
  #packs: ReadonlyArray<Pack> | undefined
  /** Bytes of the sources so far, until something is looked for. */
  #seen = 0
  /** What is to be written. */
  #waiting: Array<{ readonly key: PackKey; readonly encode: () => Uint8Array }> = []

  /** Nothing is touched before something is looked for. */
  constructor(directory: string, limits: SyntaxCacheLimits = defaultLimits) {
    this.#directory = directory
    this.#limits = limits
  }

  place(source: ByteString, variant: string): SyntaxPlace | undefined {
    if (source.length < leastSource) return undefined
    if (this.#packs === undefined && (this.#seen += source.length) <= this.#limits.parsed) return undefined
    const key = keyOf(source, variant)
    let bytes: Uint8Array | undefined
    for (const pack of (this.#packs ??= this.#open())) {
      bytes = pack.find(key)
      if (bytes !== undefined) break
    }
    return { bytes, intact: true, keep: (encode) => void this.#waiting.push({ key, encode }) }
  }

  /** Whether `save` has something to write. */
  get unsaved(): boolean {
    return this.#waiting.length > 0
  }

  /** Writes what is to be kept. Never fails; what could not be written is forgotten. */
  save(): void {
    if (!this.unsaved) return
    const waiting = this.#waiting
    this.#waiting = []
    this.close()
    quietly(() => {
      const entries = new Map<string, PackEntry>()
      for (const { key, encode } of waiting) {
        const name = hex(key)
        if (!entries.has(name)) entries.set(name, { key, bytes: encode() })
      }
      this.#write(entries)
    })
  }

  /** Lets go of the files. The next that looks for something sees what is there then. */
  close(): void {
    for (const pack of this.#packs ?? []) pack.close()
    this.#packs = undefined
  }

  #open(): ReadonlyArray<Pack> {
    let names: ReadonlyArray<string> = []
    try {
      names = fs.readdirSync(this.#directory)
    } catch {
      // There is none yet.
    }
    const packs = names.filter((name) => name.endsWith(suffix)).map((name) => Pack.open(this.#directory, name))
    return packs.filter((pack) => pack !== undefined).toSorted((a, b) => b.used - a.used)
  }

  #write(entries: Map<string, PackEntry>): void {
    const packs = this.#open()
    const merged: Array<Pack> = []
    try {
      let size = packSize([...entries.values()])
      for (const pack of packs.toSorted((a, b) => a.size - b.size)) {
        // Each merge at least makes one and a half of the larger one, so no tree is copied more often than that makes a full pack.
        if (pack.size > size * 2 || pack.size >= this.#limits.pack) break
        size += pack.size
        merged.push(pack)
      }
      for (const pack of merged) for (const entry of pack.entries()) entries.set(hex(entry.key), entry)
      for (const part of this.#parts(entries.values())) {
        const name = `${Date.now().toString(36)}-${crypto.randomUUID()}${suffix}`
        writeWhole(this.#directory, name, packPieces(part))
      }
      for (const pack of merged) quietly(() => fs.unlinkSync(`${this.#directory}/${pack.name}`))
    } finally {
      for (const pack of packs) pack.close()
    }
    tidy(this.#directory, suffix, { total: this.#limits.total })
  }

  /** The entries, cut where a pack is full. */
  *#parts(entries: Iterable<PackEntry>): Generator<ReadonlyArray<PackEntry>> {
    let part: Array<PackEntry> = []
    let size = 0
    for (const entry of entries) {
      part.push(entry)
      size += entry.bytes.length
      if (size < this.#limits.pack) continue
      yield part
      part = []
      size = 0
    }
    if (part.length > 0) yield part
  }
}
