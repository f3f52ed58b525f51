/**
 * What a program needs to start: its dynamic linker and the libraries that its ELF headers name. Used to give the sandbox a shell of the host.
 *
 * Format: ELF (System V gABI), 64 bits, little-endian; search order of ld.so(8) without its cache. Only reads.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs"
import { dirname, join } from "node:path"

interface ElfFile {
  /** The dynamic linker; undefined in a static program. */
  readonly interpreter: string | undefined
  readonly needed: ReadonlyArray<string>
  /** Directories to search first, `$ORIGIN` replaced. */
  readonly searchPath: ReadonlyArray<string>
}

const programLoad = 1
const programDynamic = 2
const programInterpreter = 3
const tagNeeded = 1n
const tagStrings = 5n
const tagRpath = 15n
const tagRunpath = 29n

/** Reads the headers of a program; undefined when it is no ELF file that we understand. */
export const readElf = (path: string): ElfFile | undefined => {
  let file: Buffer
  try {
    file = readFileSync(path)
  } catch {
    return undefined
  }
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) return undefined
  const text = (offset: number) => file.toString("latin1", offset, Math.max(offset, file.indexOf(0, offset)))
  const at = Number(file.readBigUInt64LE(32))
  const size = file.readUInt16LE(54)
  const count = file.readUInt16LE(56)
  if (at + size * count > file.length) return undefined
  const segments = Array.from({ length: count }, (_, index) => {
    const start = at + index * size
    const word = (field: number) => Number(file.readBigUInt64LE(start + field))
    return { type: file.readUInt32LE(start), offset: word(8), address: word(16), size: word(32) }
  })
  const offsetOf = (address: number): number => {
    const segment = segments.find((s) => s.type === programLoad && address >= s.address && address < s.address + s.size)
    return segment === undefined ? file.length : address - segment.address + segment.offset
  }
  const interpreter = segments.find((s) => s.type === programInterpreter)
  const dynamic = segments.find((s) => s.type === programDynamic)
  const tags: Array<readonly [bigint, number]> = []
  if (dynamic !== undefined) {
    for (let offset = dynamic.offset; offset + 16 <= Math.min(file.length, dynamic.offset + dynamic.size); offset += 16) {
      tags.push([file.readBigUInt64LE(offset), Number(file.readBigUInt64LE(offset + 8))])
    }
  }
  const strings = offsetOf(tags.find(([tag]) => tag === tagStrings)?.[1] ?? 0)
  const named = (wanted: bigint) => tags.filter(([tag]) => tag === wanted).map(([, value]) => text(strings + value))
  return {
    interpreter: interpreter === undefined ? undefined : text(interpreter.offset),
    needed: named(tagNeeded),
    searchPath: [...named(tagRpath), ...named(tagRunpath)]
      .flatMap((paths) => paths.split(":"))
      .filter((directory) => directory !== "")
      .map((directory) => directory.replaceAll("$ORIGIN", dirname(path)).replaceAll("${ORIGIN}", dirname(path)))
  }
}

const configuredDirectories = (file: string, depth = 0): ReadonlyArray<string> => {
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch {
    return []
  }
  return text.split("\n").flatMap((raw) => {
    const line = raw.replace(/#.*/, "").trim()
    if (!line.startsWith("include ")) return line.startsWith("/") ? [line] : []
    const pattern = line.slice(8).trim()
    const directory = dirname(pattern)
    if (depth > 3 || !pattern.endsWith("*.conf")) return depth > 3 ? [] : configuredDirectories(join(dirname(file), pattern), depth + 1)
    try {
      const names = readdirSync(directory).filter((name) => name.endsWith(".conf"))
      return names.sort().flatMap((name) => configuredDirectories(join(directory, name), depth + 1))
    } catch {
      return []
    }
  })
}

const triplets = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" } as Record<string, string>

const standardDirectories = (): ReadonlyArray<string> => {
  const triplet = triplets[process.arch]
  const multiarch = triplet === undefined ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`]
  return [...multiarch, "/lib64", "/usr/lib64", "/lib", "/usr/lib", ...configuredDirectories("/etc/ld.so.conf")]
}

/**
 * Everything that must be in place for a program to run: pairs of the path under which it will be looked for and the file that is there. The program itself is
 * not among them. Undefined when it is no ELF program or something that it needs cannot be found.
 */
export const runtimeFiles = (program: string): ReadonlyArray<{ readonly path: string; readonly file: string }> | undefined => {
  const real = realpathSync(program)
  const elf = readElf(real)
  if (elf === undefined) return undefined
  const found = new Map<string, string>()
  if (elf.interpreter !== undefined) found.set(elf.interpreter, realpathSync(elf.interpreter))
  const standard = standardDirectories()
  const waiting = elf.needed.map((name) => ({ name, searchPath: elf.searchPath }))
  const seen = new Set<string>()
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next.name)) continue
    seen.add(next.name)
    const directory = [...next.searchPath, ...standard].find((candidate) => existsSync(join(candidate, next.name)))
    if (directory === undefined) return undefined
    const path = join(directory, next.name)
    const file = realpathSync(path)
    found.set(path, file)
    const library = readElf(file)
    for (const name of library?.needed ?? []) waiting.push({ name, searchPath: [...(library?.searchPath ?? []), ...next.searchPath] })
  }
  return [...found].map(([path, file]) => ({ path, file }))
}

/** Whether a program needs nothing else to run. */
export const isStatic = (program: string): boolean => {
  const elf = readElf(program)
  return elf !== undefined && elf.interpreter === undefined && elf.needed.length === 0
}
