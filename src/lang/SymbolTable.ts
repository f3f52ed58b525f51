/**
 * The names of one source, numbered in the order in which they are first seen.
 *
 * An open-addressed hash table over the source's bytes: a name seen before costs no string. The hash is `hash * hashMultiplier + byte` from 0, so
 * that the lexer can make it while it reads the name. The arrays are scratch space that all tables share; only the last one made is
 * alive. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"

/** Odd and not known beforehand, so that nobody can write a file whose names all collide. */
export const hashMultiplier = (Math.floor(Math.random() * 0x1_0000_0000) & ~7) | 0x10003

const smallTable = 1024
/** Symbol + 1 by slot; 0 is free. */
let symbolTable = new Int32Array(smallTable)
/** Hash, and first byte in the source (-1: not there as such), by symbol. */
let symbolHashes = new Int32Array(smallTable)
let symbolStarts = new Int32Array(smallTable)

export class SymbolTable {
  /** The names, by symbol. */
  readonly names: Array<ByteString> = []
  readonly #source: ByteString
  readonly #bytes: Uint8Array
  #mask: number

  constructor(source: ByteString, bytes: Uint8Array) {
    this.#source = source
    this.#bytes = bytes
    if (symbolTable.length > smallTable * 8) {
      symbolTable = new Int32Array(smallTable)
      symbolHashes = new Int32Array(smallTable)
      symbolStarts = new Int32Array(smallTable)
    } else {
      symbolTable.fill(0)
    }
    this.#mask = symbolTable.length - 1
  }

  /** The symbol of the name that stands in the source from `start` to `end`. */
  at(start: number, end: number): number {
    const bytes = this.#bytes
    let hash = 0
    for (let i = start; i < end; i++) hash = (Math.imul(hash, hashMultiplier) + bytes[i]!) | 0
    return this.intern(start, end, hash)
  }

  /** The symbol of a name that does not stand in the source as such. */
  of(name: ByteString): number {
    let hash = 0
    for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, hashMultiplier) + name.charCodeAt(i)) | 0
    let slot = (hash ^ (hash >>> 15)) & this.#mask
    for (let id = symbolTable[slot]!; id !== 0; id = symbolTable[slot]!) {
      if (symbolHashes[id - 1] === hash && this.names[id - 1] === name) return id - 1
      slot = (slot + 1) & this.#mask
    }
    return this.#add(slot, hash, -1, name)
  }

  /** The symbol of the name from `start` to `end`, whose hash was made along the way. */
  intern(start: number, end: number, hash: number): number {
    const bytes = this.#bytes
    const mask = this.#mask
    const length = end - start
    let slot = (hash ^ (hash >>> 15)) & mask
    probe: for (let id = symbolTable[slot]!; id !== 0; id = symbolTable[slot]!) {
      slot = (slot + 1) & mask
      id--
      if (symbolHashes[id] !== hash) continue
      const name = this.names[id]!
      if (name.length !== length) continue
      const other = symbolStarts[id]!
      if (other < 0) {
        if (name !== this.#source.substring(start, end)) continue
      } else {
        for (let i = 0; i < length; i++) if (bytes[start + i] !== bytes[other + i]) continue probe
      }
      return id
    }
    return this.#add(slot, hash, start, this.#source.substring(start, end))
  }

  #add(slot: number, hash: number, start: number, name: ByteString): number {
    const id = this.names.length
    this.names.push(name)
    symbolTable[slot] = id + 1
    symbolHashes[id] = hash
    symbolStarts[id] = start
    if ((id + 1) * 2 > symbolTable.length) this.#grow()
    return id
  }

  #grow(): void {
    const size = symbolTable.length * 4
    const hashes = new Int32Array(size)
    hashes.set(symbolHashes)
    const starts = new Int32Array(size)
    starts.set(symbolStarts)
    symbolHashes = hashes
    symbolStarts = starts
    symbolTable = new Int32Array(size)
    this.#mask = size - 1
    for (let id = 0; id < this.names.length; id++) {
      const hash = hashes[id]!
      let slot = (hash ^ (hash >>> 15)) & this.#mask
      while (symbolTable[slot] !== 0) slot = (slot + 1) & this.#mask
      symbolTable[slot] = id + 1
    }
  }
}
