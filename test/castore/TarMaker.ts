/** Tar archives made by hand, well-formed or not, for tests. */
export interface Member {
  readonly name: string
  /** One character; "0" by default. */
  readonly type?: string
  readonly data?: Uint8Array | string
  readonly target?: string
  readonly mode?: number
  /** Unix seconds; 0 by default. */
  readonly time?: number
  /** Text of the size field; by default the length of the data in octal. */
  readonly size?: string | Uint8Array
  readonly magic?: string
  readonly prefix?: string
  readonly badChecksum?: boolean
}

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1")

const bytesOf = (data: Uint8Array | string | undefined): Buffer => (typeof data === "string" ? latin1(data) : Buffer.from(data ?? ""))

/** The header block of a member, with a right checksum unless asked otherwise. */
export const header = (member: Member): Buffer => {
  const block = Buffer.alloc(512)
  const data = bytesOf(member.data)
  block.set(latin1(member.name).subarray(0, 100), 0)
  block.write((member.mode ?? 0o644).toString(8).padStart(7, "0"), 100)
  block.write("0000000", 108)
  block.write("0000000", 116)
  if (member.size instanceof Uint8Array) block.set(member.size, 124)
  else block.write(member.size ?? data.length.toString(8).padStart(11, "0"), 124)
  block.write((member.time ?? 0).toString(8).padStart(11, "0"), 136)
  block.write(member.type ?? "0", 156)
  block.set(latin1(member.target ?? "").subarray(0, 100), 157)
  block.write(member.magic ?? "ustar\x0000", 257, "latin1")
  if (member.prefix !== undefined) block.set(latin1(member.prefix), 345)
  let sum = 8 * 32
  for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += block[i]!
  block.write(`${(sum + (member.badChecksum === true ? 1 : 0)).toString(8).padStart(6, "0")}\0 `, 148)
  return block
}

/** A member with its padded data. */
export const member = (m: Member): Buffer => {
  const data = bytesOf(m.data)
  return Buffer.concat([header(m), data, Buffer.alloc(-data.length & 511)])
}

/** An archive with its two end blocks. */
export const archive = (...members: ReadonlyArray<Member>): Buffer => Buffer.concat([...members.map(member), Buffer.alloc(1024)])

/** One pax record, with the length that counts itself. */
export const record = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length++
  return `${length}${rest}`
}

/** A pax header for the next member, or for all that follow. */
export const pax = (records: Readonly<Record<string, string>>, type: "x" | "g" = "x"): Member => ({
  name: "PaxHeader",
  type,
  data: Object.entries(records)
    .map(([key, value]) => record(key, value))
    .join("")
})

/** A GNU long name (`L`) or long target (`K`) for the next member. */
export const long = (type: "L" | "K", value: string): Member => ({ name: "././@LongLink", type, magic: "ustar  \0", data: `${value}\0` })
