/**
 * The canonical encoding of directories, their digest and their size.
 *
 * A directory is the proto3 message `snix.castore.v1.Directory`: directories (1), files (2) and symlinks (3), each list strictly ascending by name,
 * a name unique over all three; entries hold name (1), digest (2), size (3), executable (4), or name (1), target (2); default values are left out.
 * Exactly one byte sequence stands for a directory and `decode` accepts no other, so its BLAKE3 digest names it.
 * Sizes follow rule R1, "entries below": n + Σ over directory entries. Sources: shared/reference/anchors.md §3.1, §4.1, §4.2. Pure.
 */
import { type ByteString, fromBytes, toUnicode } from "../nix/Bytes.ts"
import { narNameLimit, narTargetLimit } from "../nix/Nar.ts"
import { InvalidData } from "./CastoreError.ts"
import * as Digest from "./Digest.ts"
import type { Directory, DirectoryEntry, DirectoryNode, FileNode, Node } from "./Node.ts"
import { Reader, varintLength, Writer } from "./Protobuf.ts"

/** Bytes of an entry's name. */
export const nameLimit = narNameLimit
/** Bytes of a symlink's target. */
export const targetLimit = narTargetLimit

/** What is wrong with an entry's name, or `undefined`. */
export const nameProblem = (name: ByteString): string | undefined => {
  if (name === "") return "an empty name"
  if (name === "." || name === "..") return `the name '${name}'`
  if (name.length > nameLimit) return `a name of ${name.length} bytes, the limit is ${nameLimit}`
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code === 0x2f) return `a slash in the name '${toUnicode(name)}'`
    if (code === 0) return `a NUL byte in the name '${toUnicode(name).replaceAll("\0", "\\0")}'`
    if (code > 0xff) return `a name that is not a byte string`
  }
  return undefined
}

/** What is wrong with a symlink's target, or `undefined`. */
export const targetProblem = (target: ByteString): string | undefined => {
  if (target === "") return "an empty symlink target"
  if (target.length > targetLimit) return `a symlink target of ${target.length} bytes, the limit is ${targetLimit}`
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i)
    if (code === 0) return "a NUL byte in a symlink target"
    if (code > 0xff) return "a symlink target that is not a byte string"
  }
  return undefined
}

/** What is wrong with a node by itself, or `undefined`. */
export const nodeProblem = (node: Node): string | undefined => {
  if (node._tag === "Symlink") return targetProblem(node.target)
  if (!Digest.isDigest(node.digest)) return `a digest that is not 64 hex digits: '${node.digest as string}'`
  if (!Number.isSafeInteger(node.size) || node.size < 0) return `the size ${node.size}`
  return undefined
}

const refuse = (detail: string): never => {
  throw new InvalidData({ what: "directory", detail })
}

/** Throws `InvalidData` unless names, targets, digests, sizes and order keep the rules, and the size stays below 2^53. */
export const check = (directory: Directory): void => {
  let before: DirectoryEntry | undefined
  for (const entry of directory.entries) {
    const problem = nameProblem(entry.name) ?? nodeProblem(entry.node)
    if (problem !== undefined) refuse(`holds ${problem}`)
    if (before !== undefined && entry.name <= before.name) {
      const name = toUnicode(entry.name)
      refuse(entry.name === before.name ? `holds '${name}' twice` : `holds '${name}' after '${toUnicode(before.name)}'; names must ascend`)
    }
    before = entry
  }
  if (!Number.isSafeInteger(size(directory))) refuse("has more than 2^53 - 1 entries below it")
}

/** Entries below: n + Σ (rule R1). */
export const size = (directory: Directory): number => {
  let total = directory.entries.length
  for (const { node } of directory.entries) if (node._tag === "Directory") total += node.size
  return total
}

const numberField = (value: number): number => (value === 0 ? 0 : 1 + varintLength(value))
const textField = (text: string): number => 1 + varintLength(text.length) + text.length

const entryLength = ({ name, node }: DirectoryEntry): number => {
  const named = name === "" ? 0 : textField(name)
  if (node._tag === "Symlink") return named + textField(node.target)
  return named + 34 + numberField(node.size) + (node._tag === "File" && node.executable ? 2 : 0)
}

const writeEntry = (writer: Writer, { name, node }: DirectoryEntry): void => {
  if (name !== "") {
    writer.tag(1, 2)
    writer.byteString(name)
  }
  writer.tag(2, 2)
  if (node._tag === "Symlink") return writer.byteString(node.target)
  writer.lengthDelimited(Digest.toBytes(node.digest))
  if (node.size !== 0) {
    writer.tag(3, 0)
    writer.varint(node.size)
  }
  if (node._tag === "File" && node.executable) {
    writer.tag(4, 0)
    writer.varint(1)
  }
}

const kinds = ["Directory", "File", "Symlink"] as const

/** The canonical bytes. Throws `InvalidData` when the directory breaks a rule. */
export const encode = (directory: Directory): Uint8Array<ArrayBuffer> => {
  check(directory)
  let length = 0
  const lengths = directory.entries.map((entry) => {
    const own = entryLength(entry)
    length += 1 + varintLength(own) + own
    return own
  })
  const writer = new Writer(length)
  for (let kind = 0; kind < 3; kind++) {
    directory.entries.forEach((entry, index) => {
      if (entry.node._tag !== kinds[kind]) return
      writer.tag(kind + 1, 2)
      writer.varint(lengths[index]!)
      writeEntry(writer, entry)
    })
  }
  return writer.bytes
}

const readDigest = (reader: Reader): Digest.Digest => {
  const bytes = reader.bytes()
  if (bytes.length !== 32) reader.fail(`has a digest of ${bytes.length} bytes instead of 32`)
  return Digest.fromBytes(bytes)
}

/** Reads one entry message of the kind at hand. `named`: whether an empty name is refused. */
const readEntry = (reader: Reader, kind: 0 | 1 | 2, named: boolean): DirectoryEntry => {
  let name = ""
  if (kind === 2) {
    let target = ""
    while (!reader.done) {
      const field = reader.field([2, 2], false)
      const text = fromBytes(reader.bytes())
      if (text === "") reader.fail(`spells out the empty field ${field}`)
      if (field === 1) name = text
      else target = text
    }
    const problem = (named || name !== "" ? nameProblem(name) : undefined) ?? targetProblem(target)
    if (problem !== undefined) reader.fail(`holds ${problem}`)
    return { name, node: { _tag: "Symlink", target } }
  }
  let digest: Digest.Digest | undefined
  let size = 0
  let executable = false
  while (!reader.done) {
    const field = reader.field(kind === 0 ? [2, 2, 0] : [2, 2, 0, 0], false)
    if (field === 1) {
      name = fromBytes(reader.bytes())
      if (name === "") reader.fail("spells out the empty field 1")
    } else if (field === 2) digest = readDigest(reader)
    else {
      const value = reader.varint()
      if (value === 0) reader.fail(`spells out the default value of field ${field}`)
      if (field === 3) size = value
      else if (value === 1) executable = true
      else reader.fail(`has ${value} for a boolean`)
    }
  }
  const problem = named || name !== "" ? nameProblem(name) : undefined
  if (problem !== undefined) reader.fail(`holds ${problem}`)
  if (digest === undefined) return reader.fail("has no digest")
  const node: DirectoryNode | FileNode = kind === 0 ? { _tag: "Directory", digest, size } : { _tag: "File", digest, size, executable }
  return { name, node }
}

const messages = ["directory entry", "file entry", "symlink entry"] as const

/** Reads the canonical encoding; anything else throws `InvalidData`. */
export const decode = (bytes: Uint8Array): Directory => {
  const reader = new Reader(bytes, "directory")
  const lists: [Array<DirectoryEntry>, Array<DirectoryEntry>, Array<DirectoryEntry>] = [[], [], []]
  while (!reader.done) {
    const kind = (reader.field([2, 2, 2], true) - 1) as 0 | 1 | 2
    const entry = readEntry(reader.message(messages[kind]), kind, true)
    const list = lists[kind]
    const before = list[list.length - 1]
    if (before !== undefined && entry.name <= before.name) {
      reader.fail(`holds '${toUnicode(entry.name)}' after '${toUnicode(before.name)}'; names must ascend`)
    }
    list.push(entry)
  }
  const filled = lists.filter((list) => list.length > 0)
  const entries = filled.length <= 1 ? (filled[0] ?? []) : filled.flat().sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const directory = { entries }
  check(directory)
  return directory
}

/** The digest of the canonical encoding. Throws `InvalidData` when the directory breaks a rule. */
export const digest = (directory: Directory): Digest.Digest => Digest.ofBytes(encode(directory))

/** The node that stands for a directory in its parent. */
export const nodeOf = (directory: Directory): DirectoryNode => ({ _tag: "Directory", digest: digest(directory), size: size(directory) })

/** The entry of that name, or `undefined`. */
export const lookup = (directory: Directory, name: ByteString): Node | undefined => {
  let low = 0
  let high = directory.entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = directory.entries[middle]!
    if (entry.name === name) return entry.node
    if (entry.name < name) low = middle + 1
    else high = middle
  }
  return undefined
}

/**
 * A node as `snix.castore.v1.Entry`, a oneof of directory (1), file (2), symlink (3), with a name or, for a root, without. Throws `InvalidData`.
 */
export const encodeEntry = (entry: DirectoryEntry): Uint8Array<ArrayBuffer> => {
  const problem = (entry.name === "" ? undefined : nameProblem(entry.name)) ?? nodeProblem(entry.node)
  if (problem !== undefined) throw new InvalidData({ what: "node", detail: `holds ${problem}` })
  const length = entryLength(entry)
  const writer = new Writer(1 + varintLength(length) + length)
  writer.tag(kinds.indexOf(entry.node._tag) + 1, 2)
  writer.varint(length)
  writeEntry(writer, entry)
  return writer.bytes
}

/** Reads what `encodeEntry` writes, nothing else. Throws `InvalidData`. */
export const decodeEntry = (bytes: Uint8Array): DirectoryEntry => {
  const reader = new Reader(bytes, "node")
  if (reader.done) return reader.fail("is empty")
  const kind = (reader.field([2, 2, 2], false) - 1) as 0 | 1 | 2
  const entry = readEntry(reader.message(messages[kind]), kind, false)
  if (!reader.done) reader.fail("has bytes after its end")
  return entry
}
