/**
 * A streaming reader of tar archives: v7, ustar, pax and GNU, with names as bytes.
 *
 * It promises: names, targets and sizes come from pax records or GNU long names where those are given; checksums are verified; every number is compared with
 * what is possible before it is used; what has no place in a store (devices, sparse files, volumes) is refused by name; a cut-off archive is noticed. Memory
 * holds one header, or one record of at most `recordLimit` bytes. An own reader, because Effect's decodes names as UTF-8 and loses other bytes.
 * Sources: POSIX.1-2017 pax, the GNU tar manual ("Basic Tar Format"), tar(5) of libarchive. Pure.
 */
import { type ByteString, fromBytes } from "../../nix/Bytes.ts"
import type { Input } from "../../wire/decompress/Input.ts"
import { ArchiveFault } from "./ArchiveFault.ts"

/** Bytes of one pax record block or GNU long name. */
export const recordLimit = 1 << 20

const blockSize = 512

export type TarMember =
  | { readonly _tag: "File"; readonly path: ByteString; readonly executable: boolean; readonly size: number }
  | { readonly _tag: "Directory"; readonly path: ByteString }
  | { readonly _tag: "Symlink"; readonly path: ByteString; readonly target: ByteString }
  /** Another name for the member `target`, before or after this one. */
  | { readonly _tag: "HardLink"; readonly path: ByteString; readonly target: ByteString }

export type TarEvent =
  /** Paths as in the archive, not normalised. A file's `size` bytes follow in `Data` events. */
  TarMember | { readonly _tag: "Data"; readonly bytes: Uint8Array }

/** Bytes up to the first NUL. */
const text = (block: Uint8Array, at: number, length: number): ByteString => {
  let end = at
  while (end < at + length && block[end] !== 0) end++
  return fromBytes(block.subarray(at, end))
}

/** A number field: octal digits among blanks, or, with the first bit set, a big-endian integer (GNU). */
const number = (block: Uint8Array, at: number, length: number, what: string, member?: ByteString): number => {
  const first = block[at]!
  if ((first & 0x80) !== 0) {
    // 0xff begins a negative number; the second highest bit is the sign in shorter fields too.
    if ((first & 0x40) !== 0) throw new ArchiveFault("number", `its ${what} is negative`, member)
    let value = first & 0x3f
    for (let i = 1; i < length; i++) {
      value = value * 256 + block[at + i]!
      if (value > Number.MAX_SAFE_INTEGER) throw new ArchiveFault("number", `its ${what} is beyond 2^53`, member)
    }
    return value
  }
  const digits = /^[ \0]*([0-7]*)(?:[ \0]|$)/.exec(fromBytes(block.subarray(at, at + length)))?.[1]
  if (digits === undefined) throw new ArchiveFault("number", `its ${what} is not an octal number`, member)
  return digits === "" ? 0 : Number.parseInt(digits, 8)
}

const isZero = (block: Uint8Array): boolean => block.every((byte) => byte === 0)

/** Both ways of summing are met: some old writers took bytes for signed. */
const checksumFits = (block: Uint8Array): boolean => {
  let unsigned = 8 * 0x20
  let signed = 8 * 0x20
  for (let i = 0; i < blockSize; i++) {
    if (i >= 148 && i < 156) continue
    const byte = block[i]!
    unsigned += byte
    signed += (byte << 24) >> 24
  }
  let stored: number
  try {
    stored = number(block, 148, 8, "checksum")
  } catch {
    return false
  }
  return stored === unsigned || stored === signed
}

/** Pax records (`<length> <key>=<value>\n`) into `records`; an empty value takes the key away. */
const readRecords = (bytes: Uint8Array, records: Map<string, ByteString>): void => {
  let at = 0
  while (at < bytes.length) {
    let space = at
    let length = 0
    while (space < bytes.length && space - at < 10 && bytes[space]! >= 0x30 && bytes[space]! <= 0x39)
      length = length * 10 + bytes[space++]! - 0x30
    const end = at + length
    if (bytes[space] !== 0x20 || space === at || end > bytes.length || end <= space + 1 || bytes[end - 1] !== 0x0a) {
      // Some writers pad the records with NULs.
      if (isZero(bytes.subarray(at))) return
      throw new ArchiveFault("record", "a pax record is malformed")
    }
    const equals = bytes.indexOf(0x3d, space + 1)
    if (equals < 0 || equals >= end) throw new ArchiveFault("record", "a pax record has no '='")
    const key = fromBytes(bytes.subarray(space + 1, equals))
    const value = fromBytes(bytes.subarray(equals + 1, end - 1))
    if (value === "") records.delete(key)
    else records.set(key, value)
    at = end
  }
}

const decimal = (value: ByteString, member: ByteString): number => {
  const parsed = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(parsed)) throw new ArchiveFault("number", `its size '${value}' is not a size`, member)
  return parsed
}

const refusedTypes: ReadonlyMap<string, string> = new Map([
  ["3", "a character device"],
  ["4", "a block device"],
  ["6", "a named pipe (fifo)"],
  ["M", "the continuation of a file from another volume"]
])

/** Unix seconds of a member; a time that is none is no reason to refuse it. */
const timeOf = (record: ByteString | undefined, block: Uint8Array): number => {
  if (record !== undefined && /^-?\d{1,15}(?:\.\d*)?$/.test(record)) return Math.floor(Number(record))
  try {
    return number(block, 136, 12, "time")
  } catch {
    return 0
  }
}

/**
 * Sources of members: `undefined` asks for more input. The end comes at a block of zeros or at the end of the input between members. `onTime` hears when each member was
 * last modified, in Unix seconds.
 */
export function* readTar(input: Input, onTime?: (seconds: number) => void): Generator<TarEvent | undefined, void> {
  const global = new Map<string, ByteString>()
  let local = new Map<string, ByteString>()
  let longName: ByteString | undefined
  let longTarget: ByteString | undefined
  let first = true

  const take = function* (count: number, member?: ByteString): Generator<undefined, Uint8Array> {
    yield* input.fill(count)
    if (input.available < count) throw new ArchiveFault("truncated", "the archive ends in the middle of it", member)
    return input.pull(count)
  }
  const takeRecord = function* (size: number): Generator<undefined, Uint8Array> {
    if (size > recordLimit)
      throw new ArchiveFault("record", `a header record of ${size} bytes is longer than the ${recordLimit} that are allowed`)
    return (yield* take(Math.ceil(size / blockSize) * blockSize)).subarray(0, size)
  }
  const skip = function* (size: number, member: ByteString): Generator<undefined, void> {
    let left = Math.ceil(size / blockSize) * blockSize
    while (left > 0) {
      yield* input.fill(1)
      if (input.available === 0) throw new ArchiveFault("truncated", "the archive ends in the middle of it", member)
      left -= input.pull(Math.min(left, input.available)).length
    }
  }

  for (;;) {
    yield* input.fill(blockSize)
    if (input.available === 0) {
      if (first) throw new ArchiveFault("not-archive", "it is empty")
      if (longName !== undefined || longTarget !== undefined || local.size > 0) {
        throw new ArchiveFault("truncated", "the archive ends between a member's name and the member")
      }
      return
    }
    if (input.available < blockSize) {
      const magic = first ? undefined : "truncated"
      throw new ArchiveFault(magic ?? "not-archive", first ? "it is no tar archive" : "the archive ends in the middle of a header")
    }
    const block = input.pull(blockSize)
    if (block[0] === 0 && isZero(block)) return
    if (!checksumFits(block)) {
      throw first
        ? new ArchiveFault("not-archive", "it is no tar archive")
        : new ArchiveFault("checksum", "a header's checksum is wrong; the archive is damaged")
    }
    first = false
    const type = String.fromCharCode(block[156]!)
    const magic = text(block, 257, 8)
    let headerName = text(block, 0, 100)
    // In GNU archives other things stand where POSIX has the prefix.
    if (magic.startsWith("ustar") && !magic.startsWith("ustar ")) {
      const prefix = text(block, 345, 155)
      if (prefix !== "") headerName = `${prefix}/${headerName}`
    }

    if (type === "L" || type === "K") {
      const record = yield* takeRecord(number(block, 124, 12, "size", headerName))
      const end = record.indexOf(0)
      const value = fromBytes(end < 0 ? record : record.subarray(0, end))
      if (type === "L") longName = value
      else longTarget = value
      continue
    }
    if (type === "x" || type === "X" || type === "g") {
      const record = yield* takeRecord(number(block, 124, 12, "size", headerName))
      readRecords(record, type === "g" ? global : local)
      continue
    }
    const record = (key: string): ByteString | undefined => local.get(key) ?? global.get(key)
    const path = record("path") ?? longName ?? headerName
    const target = record("linkpath") ?? longTarget ?? text(block, 157, 100)
    const ownSize = record("size")
    const size = ownSize === undefined ? number(block, 124, 12, "size", path) : decimal(ownSize, path)
    onTime?.(timeOf(record("mtime"), block))
    const isPax = local.size > 0 || global.size > 0
    const sparse = type === "S" || [...local.keys(), ...global.keys()].some((key) => key.startsWith("GNU.sparse."))
    local = new Map()
    longName = undefined
    longTarget = undefined
    if (path.includes("\0") || target.includes("\0")) throw new ArchiveFault("name", "its name or target holds a NUL byte", path)

    switch (type) {
      case "0":
      case "\0":
      case "7": {
        if (sparse) throw new ArchiveFault("sparse", "it is a sparse file, which yix does not read; pack it without --sparse", path)
        // Before ustar a directory was a file whose name ends in a slash.
        if (path.endsWith("/")) {
          yield { _tag: "Directory", path }
          yield* skip(size, path)
          break
        }
        yield { _tag: "File", path, executable: (number(block, 100, 8, "mode", path) & 0o100) !== 0, size }
        let left = size
        while (left > 0) {
          yield* input.fill(1)
          if (input.available === 0) throw new ArchiveFault("truncated", "the archive ends in the middle of it", path)
          const bytes = input.pullSome(left)
          left -= bytes.length
          yield { _tag: "Data", bytes }
        }
        yield* take(-size & (blockSize - 1), path)
        break
      }
      case "1":
        yield { _tag: "HardLink", path, target }
        // Only pax lets a link carry its contents (which the target has too); elsewhere a size here is only told, not followed by data.
        if (isPax) yield* skip(size, path)
        break
      case "2":
        yield { _tag: "Symlink", path, target }
        break
      case "5":
        yield { _tag: "Directory", path }
        break
      case "D":
        yield { _tag: "Directory", path }
        yield* skip(size, path)
        break
      case "V":
        // A volume label.
        break
      case "S":
        throw new ArchiveFault("sparse", "it is a sparse file, which yix does not read; pack it without --sparse", path)
      default: {
        const what = refusedTypes.get(type) ?? `of the unknown type '${type}'`
        throw new ArchiveFault("type", `it is ${what}, which cannot be in a store`, path)
      }
    }
  }
}
