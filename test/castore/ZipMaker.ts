/** Zip archives made by hand, well-formed or not, for tests. */
import { crc32, deflateRawSync } from "node:zlib"

export interface ZipFile {
  readonly name: string
  readonly data?: Uint8Array | string
  /** Unix mode with its type bits. */
  readonly mode?: number
  /** 3 is Unix, 0 DOS. */
  readonly host?: number
  readonly stored?: boolean
  readonly method?: number
  readonly flags?: number
  /** What the directory says, where it lies. */
  readonly size?: number
  readonly crc?: number
  /** The name in the member's own header, where it is another. */
  readonly localName?: string
  readonly offset?: number
  /** Write sizes and offset into a ZIP64 field. */
  readonly wide?: boolean
}

export interface ZipOptions {
  readonly comment?: string
  readonly prefix?: Uint8Array
  /** Write a ZIP64 end record. */
  readonly wide?: boolean
}

const u16 = (value: number): Buffer => Buffer.from([value & 255, (value >> 8) & 255])
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}
const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

export const zip = (files: ReadonlyArray<ZipFile>, options: ZipOptions = {}): Buffer => {
  const parts: Array<Buffer> = [Buffer.from(options.prefix ?? [])]
  const central: Array<Buffer> = []
  let at = 0
  for (const file of files) {
    const data = typeof file.data === "string" ? Buffer.from(file.data, "latin1") : Buffer.from(file.data ?? "")
    const stored = file.stored === true || data.length === 0
    const packed = stored ? data : deflateRawSync(data)
    const method = u16(file.method ?? (stored ? 0 : 8))
    const flags = u16(file.flags ?? 0)
    const crc = u32(file.crc ?? crc32(data))
    const size = file.size ?? data.length
    const [name, localName] = [Buffer.from(file.name, "latin1"), Buffer.from(file.localName ?? file.name, "latin1")]
    const time = u32(0x5a210000)
    const local = [
      u32(0x04034b50),
      u16(20),
      flags,
      method,
      time,
      crc,
      u32(packed.length),
      u32(data.length),
      u16(localName.length),
      u16(0),
      localName,
      packed
    ]
    const offset = file.offset ?? at
    const extra = file.wide === true ? Buffer.concat([u16(1), u16(24), u64(size), u64(packed.length), u64(offset)]) : Buffer.alloc(0)
    const narrow = (value: number) => u32(file.wide === true ? 0xffffffff : value)
    central.push(
      Buffer.concat([
        u32(0x02014b50),
        u16(((file.host ?? 3) << 8) | 20),
        u16(20),
        flags,
        method,
        time,
        crc,
        narrow(packed.length),
        narrow(size),
        u16(name.length),
        u16(extra.length),
        u16(0),
        u16(0),
        u16(0),
        u32(file.host === 0 ? 0 : (file.mode ?? 0o100644) * 65_536),
        narrow(offset),
        name,
        extra
      ])
    )
    const whole = Buffer.concat(local)
    parts.push(whole)
    at += whole.length
  }
  const directory = Buffer.concat(central)
  const start = at + (options.wide === true ? (options.prefix?.length ?? 0) : 0)
  parts.push(directory)
  if (options.wide === true) {
    const record = [
      u32(0x06064b50),
      u64(44),
      u16(45),
      u16(45),
      u32(0),
      u32(0),
      u64(files.length),
      u64(files.length),
      u64(directory.length),
      u64(start)
    ]
    parts.push(...record, u32(0x07064b50), u32(0), u64(start + directory.length), u32(1))
    parts.push(u32(0x06054b50), u16(0), u16(0), u16(0xffff), u16(0xffff), u32(0xffffffff), u32(0xffffffff))
  } else {
    parts.push(u32(0x06054b50), u16(0), u16(0), u16(files.length), u16(files.length), u32(directory.length), u32(at))
  }
  const comment = Buffer.from(options.comment ?? "", "latin1")
  parts.push(u16(comment.length), comment)
  return Buffer.concat(parts)
}
