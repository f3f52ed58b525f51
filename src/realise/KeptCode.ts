/**
 * V8's code (bytecode) of a script, kept from run to run. What a run executes for the first time V8 has to parse and compile: for an evaluation of a fraction of a second that
 * is a tenth of the time. Node's own compile cache keeps of a file only what is compiled before it runs; so a script that is loaded here leaves all that it has executed by
 * the end of the run, in Node's folder beside the rest.
 *
 * V8 believes such a file where version, settings and length of the source are the same, and looks no closer. So its name says which source it is for, it appears whole
 * (`KeptFiles.ts`), and the code stands in it twice: to compare it takes no time, where any sum takes milliseconds. Runs that execute more than those before them replace
 * it: those that do another sort of work, and of the rest those that are found to have done so, which is looked at now and then (`isDue`).
 */
import * as fs from "node:fs"
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { constants, Script } from "node:vm"
import { isOurs, quietly, tidy, writeWhole } from "./KeptFiles.ts"

const suffix = ".code"

/** Bytes, and how many: those of other versions go when there are too many. */
const limits = { total: 32 * 2 ** 20, count: 8 }

/** `yix3`. */
const magic = 0x79_69_78_33

/** Cells of the header: the mark of such files, runs that used it, sorts of the runs that it has the code of. Both copies follow. */
const Cell = { Magic: 0, Runs: 1, Sorts: 2, Count: 4 } as const

const headerBytes = Cell.Count * 4

interface KeptCode {
  readonly code: Buffer
  /** With this one. */
  readonly runs: number
  readonly sorts: number
}

/** What is kept, noting that it is used once more; `undefined` where there is none. */
const take = (file: string): KeptCode | undefined => {
  let fd: number | undefined
  try {
    fd = fs.openSync(file, "r+")
    const stat = fs.fstatSync(fd)
    const length = (stat.size - headerBytes) / 2
    if (!isOurs(stat) || length <= 0 || !Number.isInteger(length) || stat.size > limits.total) return undefined
    // Aligned, or V8 copies it.
    const bytes = Buffer.allocUnsafeSlow(stat.size)
    if (fs.readSync(fd, bytes, 0, stat.size, 0) !== stat.size) return undefined
    const header = new Int32Array(bytes.buffer, 0, Cell.Count)
    const code = bytes.subarray(headerBytes, headerBytes + length)
    // One that is damaged would end the process, or worse.
    if (header[Cell.Magic] !== magic || !code.equals(bytes.subarray(headerBytes + length))) return undefined
    const runs = header[Cell.Runs]! + 1
    fs.writeSync(fd, new Int32Array([runs]), 0, 4, Cell.Runs * 4)
    return { code, runs, sorts: header[Cell.Sorts]! }
  } catch {
    // There is none, or it cannot be replaced either.
    return undefined
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

const write = (folder: string, name: string, code: Buffer, sorts: number): void => {
  const header = new Int32Array(Cell.Count)
  header[Cell.Magic] = magic
  header[Cell.Sorts] = sorts
  writeWhole(folder, name, [new Uint8Array(header.buffer), code, code])
  tidy(folder, suffix, limits)
}

/** Whether code that served so many runs is compared with what the run has executed: soon, then seldom, and not always with one sort where different ones take turns. */
const isDue = (runs: number): boolean => (runs & (runs - 1)) === 0 || runs % 13 === 0

export interface LoadedScript<A> {
  readonly exports: A
  /**
   * To be called when the run has executed what it was for. `sorts`: a bit for each sort of work that it did, 31 at most: a run that did what none before it did has
   * executed what is not kept. What it gives, where there is something to do, keeps that for the next ones, and never fails; V8's settings have to be those that the
   * script was loaded with.
   */
  readonly keeping: (sorts: number) => (() => void) | undefined
}

/** A code file is worth writing anew that is larger by this. */
const growth = 1.03

/**
 * Runs a script of ours, a CommonJS module of ASCII only, as `require` would. `file`: its absolute name, in which stands what distinguishes it from other versions of it.
 * `folder`: where its code is kept, a folder of this version and these settings of V8 (`module.getCompileCacheDir()`); `undefined`: nowhere. Throws what the script throws.
 */
export const runScript = <A>(file: string, folder: string | undefined): LoadedScript<A> => {
  const source = `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(file, "latin1")}\n})`
  const name = `${file.slice(file.lastIndexOf("/") + 1)}${suffix}`
  const kept = folder === undefined ? undefined : take(`${folder}/${name}`)
  const script = new Script(source, {
    filename: file,
    cachedData: kept?.code,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  })
  const module = { exports: {} as A }
  const require = (wanted: string): unknown => createRequire(file)(wanted)
  script.runInThisContext()(module.exports, require, module, file, dirname(file))
  const usable = kept !== undefined && script.cachedDataRejected !== true ? kept : undefined
  const keeping = (sorts: number): (() => void) | undefined => {
    const isNew = usable === undefined || (sorts & ~usable.sorts) !== 0
    if (folder === undefined || (!isNew && !isDue(usable.runs))) return undefined
    return () =>
      quietly(() => {
        fs.accessSync(folder, fs.constants.W_OK)
        const code = script.createCachedData()
        if (isNew || code.length > usable.code.length * growth) write(folder, name, code, sorts | (usable?.sorts ?? 0))
      })
  }
  return { exports: module.exports, keeping }
}
