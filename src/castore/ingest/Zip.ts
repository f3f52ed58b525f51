/**
 * The directory of a zip archive: which members there are, and where.
 *
 * The central directory at the end of the file counts, as for every unpacker that has the whole file; what stands before each member must agree with it. ZIP64
 * and archives behind other data (self-extracting ones) are read; encrypted members and archives in several volumes are refused by name. Pure.
 * Source: PKWARE APPNOTE 6.3.10.
 */
import { type ByteString, fromBytes } from "../../nix/Bytes.ts"
import { ArchiveFault } from "./ArchiveFault.ts"

/** Bytes at the end of the file in which the end record must be found: the record, and the longest comment. */
export const tailLength = 22 + 0xffff + 20

/** Bytes of a central directory. */
export const directoryLimit = 256 * 1024 * 1024

export interface ZipMember {
  readonly path: ByteString
  readonly kind: "file" | "directory" | "symlink"
  readonly executable: boolean
  readonly method: "stored" | "deflated"
  /** Unix seconds. */
  readonly modified: number
  readonly crc: number
  readonly compressed: number
  readonly size: number
  /** Where the member's own header stands in the file. */
  readonly offset: number
}

/** Where the central directory stands. */
export interface ZipDirectory {
  readonly start: number
  readonly length: number
  readonly members: number
  /** Bytes before the archive proper; added to all offsets. */
  readonly base: number
}

/** A ZIP64 end record is needed: it stands at `offset` (56 bytes). */
export interface Zip64Pointer {
  readonly offset: number
}

const endSignature = 0x06054b50
const end64Signature = 0x06064b50
const locatorSignature = 0x07064b50
const centralSignature = 0x02014b50
const localSignature = 0x04034b50

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const bad = (detail: string, member?: ByteString): ArchiveFault => new ArchiveFault("record", detail, member)

const safe = (value: bigint, member?: ByteString): number => {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ArchiveFault("number", "a size or offset is beyond 2^53", member)
  return Number(value)
}

/** Whether the first bytes are those of a zip file (`PK`, a member or, where it is empty, the end record). */
export const isZip = (head: Uint8Array): boolean => {
  if (head.length < 4) return false
  const signature = view(head).getUint32(0, true)
  return signature === localSignature || signature === endSignature
}

const placed = (start: number, length: number, members: number, end: number): ZipDirectory => {
  if (length > directoryLimit) throw bad(`its directory of ${length} bytes is longer than the ${directoryLimit} that are allowed`)
  const base = end - length - start
  if (base < 0) throw bad("its directory is not where its end record says")
  if (members * 46 > length) throw bad("its directory is too short for its members")
  return { start: start + base, length, members, base }
}

/**
 * The place of the central directory, from the last `tail.length` bytes of a file of `fileSize`. Throws `ArchiveFault`.
 */
export const findDirectory = (tail: Uint8Array, fileSize: number): ZipDirectory | Zip64Pointer => {
  const data = view(tail)
  let at = tail.length - 22
  while (at >= 0 && !(data.getUint32(at, true) === endSignature && at + 22 + data.getUint16(at + 20, true) <= tail.length)) at--
  if (at < 0) throw new ArchiveFault("truncated", "it begins like a zip archive, but has no directory at its end")
  const members = data.getUint16(at + 10, true)
  const length = data.getUint32(at + 12, true)
  const start = data.getUint32(at + 16, true)
  const end = fileSize - tail.length + at
  if (members === 0xffff || length === 0xffffffff || start === 0xffffffff) {
    if (at < 20 || data.getUint32(at - 20, true) !== locatorSignature) throw bad("its ZIP64 record is missing")
    return { offset: safe(data.getBigUint64(at - 12, true)) }
  }
  if (data.getUint16(at + 4, true) !== 0 || data.getUint16(at + 6, true) !== 0 || data.getUint16(at + 8, true) !== members) {
    throw new ArchiveFault("type", "it is one of several volumes")
  }
  return placed(start, length, members, end)
}

/** The place of the central directory by a ZIP64 end record, its 56 bytes. Throws `ArchiveFault`. */
export const readZip64 = (record: Uint8Array, offset: number): ZipDirectory => {
  const data = view(record)
  if (record.length < 56 || data.getUint32(0, true) !== end64Signature) throw bad("its ZIP64 record is malformed")
  const members = safe(data.getBigUint64(32, true))
  return placed(safe(data.getBigUint64(48, true)), safe(data.getBigUint64(40, true)), members, offset)
}

/** The 64-bit values of a ZIP64 extra field, for those of the three that were too large for their place. */
const widen = (extra: Uint8Array, path: ByteString, values: ReadonlyArray<number>): ReadonlyArray<number> => {
  if (!values.includes(0xffffffff)) return values
  const data = view(extra)
  for (let at = 0; at + 4 <= extra.length;) {
    const id = data.getUint16(at, true)
    const end = at + 4 + data.getUint16(at + 2, true)
    if (end > extra.length) break
    if (id === 1) {
      let next = at + 4
      return values.map((value) => {
        if (value !== 0xffffffff) return value
        if (next + 8 > end) throw bad("its ZIP64 field is too short", path)
        next += 8
        return safe(data.getBigUint64(next - 8, true), path)
      })
    }
    at = end
  }
  return values
}

const methodNames: ReadonlyMap<number, string> = new Map([
  [1, "shrink"],
  [6, "implode"],
  [9, "deflate64"],
  [12, "bzip2"],
  [14, "lzma"],
  [93, "zstd"],
  [95, "xz"],
  [98, "ppmd"]
])

/**
 * Unix seconds of a member: the extended time stamp (extra field 0x5455, Info-ZIP) where there is one, else DOS date and time, which have no zone, taken as UTC.
 */
const timeOf = (extra: Uint8Array, dosTime: number, dosDate: number): number => {
  const data = view(extra)
  for (let at = 0; at + 4 <= extra.length;) {
    const end = at + 4 + data.getUint16(at + 2, true)
    if (end > extra.length) break
    if (data.getUint16(at, true) === 0x5455 && end - at >= 9 && (extra[at + 4]! & 1) !== 0) return data.getInt32(at + 5, true)
    at = end
  }
  const date = [(dosDate >> 9) + 1980, ((dosDate >> 5) & 15) - 1, dosDate & 31] as const
  return Math.max(0, Date.UTC(...date, dosTime >> 11, (dosTime >> 5) & 63, (dosTime & 31) * 2) / 1000)
}

/** The members of a central directory. Throws `ArchiveFault`. */
export const readDirectory = (bytes: Uint8Array, { start, members, base }: ZipDirectory): ReadonlyArray<ZipMember> => {
  const data = view(bytes)
  const found: Array<ZipMember> = []
  let at = 0
  let total = 0
  for (let i = 0; i < members; i++) {
    if (at + 46 > bytes.length || data.getUint32(at, true) !== centralSignature) throw bad("its directory is malformed")
    const nameLength = data.getUint16(at + 28, true)
    const extraLength = data.getUint16(at + 30, true)
    const end = at + 46 + nameLength + extraLength + data.getUint16(at + 32, true)
    if (end > bytes.length) throw bad("its directory is malformed")
    const stored = fromBytes(bytes.subarray(at + 46, at + 46 + nameLength))
    const extra = bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength)
    const host = data.getUint16(at + 4, true) >> 8
    // Some Windows programs write backslashes.
    const path = host === 0 && !stored.includes("/") ? stored.replaceAll("\\", "/") : stored
    if (path.includes("\0")) throw new ArchiveFault("name", "its name holds a NUL byte", path)
    const flags = data.getUint16(at + 8, true)
    if ((flags & 0x2041) !== 0) throw new ArchiveFault("type", "it is encrypted", path)
    const attributes = data.getUint32(at + 38, true)
    const mode = host === 3 ? attributes >>> 16 : 0
    const type = mode & 0o170000
    const isDirectory = path.endsWith("/") || type === 0o040000 || (host === 0 && (attributes & 0x10) !== 0)
    if (!isDirectory && type !== 0 && type !== 0o100000 && type !== 0o120000) {
      throw new ArchiveFault("type", "it is a device or pipe, which cannot be in a store", path)
    }
    const methodNumber = data.getUint16(at + 10, true)
    if (methodNumber !== 0 && methodNumber !== 8) {
      const name = methodNames.get(methodNumber) ?? `number ${methodNumber}`
      throw new ArchiveFault("type", `it is compressed with ${name}; only deflate is read`, path)
    }
    const fields = [data.getUint32(at + 24, true), data.getUint32(at + 20, true), data.getUint32(at + 42, true)]
    const [size, compressed, offset] = widen(extra, path, fields) as readonly [number, number, number]
    if (methodNumber === 0 && size !== compressed) throw bad("its two sizes differ although it is not compressed", path)
    total += compressed
    if (offset + base + 30 + compressed > start || total > start)
      throw bad("it does not lie between the start and the directory, or overlaps others", path)
    found.push({
      path,
      kind: isDirectory ? "directory" : type === 0o120000 ? "symlink" : "file",
      executable: (mode & 0o100) !== 0,
      method: methodNumber === 0 ? "stored" : "deflated",
      modified: timeOf(extra, data.getUint16(at + 12, true), data.getUint16(at + 14, true)),
      crc: data.getUint32(at + 16, true),
      compressed,
      size,
      offset: offset + base
    })
    at = end
  }
  return found
}

/** Bytes of a member's own header without its names. */
export const localHeaderLength = 30

/** Bytes from the start of a member's own header to its data. Throws `ArchiveFault` where the header disagrees with the directory. */
export const dataOffset = (header: Uint8Array, member: ZipMember): number => {
  const data = view(header)
  if (header.length < localHeaderLength || data.getUint32(0, true) !== localSignature)
    throw bad("its own header is not where the directory says", member.path)
  if (data.getUint16(8, true) !== (member.method === "stored" ? 0 : 8))
    throw bad("its own header disagrees with the directory", member.path)
  return localHeaderLength + data.getUint16(26, true) + data.getUint16(28, true)
}

/** Whether the name in a member's own header (its bytes after the first 30) is that of the directory. */
export const sameName = (header: Uint8Array, member: ZipMember): boolean => {
  const length = view(header).getUint16(26, true)
  const name = fromBytes(header.subarray(localHeaderLength, localHeaderLength + length))
  return name === member.path || name.replaceAll("\\", "/") === member.path
}
