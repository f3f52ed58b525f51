/**
 * The lines that were typed, kept across runs: one a line in `$XDG_STATE_HOME/yix/repl-history`, for its owner alone. Each line is appended when it is typed, so that
 * sessions at the same time lose none. Where the file cannot be used there is no history, and nobody is bothered with that.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { makeDirectories } from "../World.ts"

/** Lines that are kept. The file may grow to twice as many before it is cut. */
export const keptLines = 2000

/** Characters of a line above which it is not kept. */
const longestLine = 10_000

/** Where the history is. */
export const historyFile = (environment: NodeJS.ProcessEnv = process.env): string => {
  const state = environment["XDG_STATE_HOME"]
  return path.join(
    state !== undefined && path.isAbsolute(state) ? state : path.join(os.homedir(), ".local", "state"),
    "yix",
    "repl-history"
  )
}

const readLines = (file: string): Array<string> =>
  fs
    .readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")

export interface History {
  /** Newest first. */
  readonly lines: ReadonlyArray<string>
  readonly add: (line: string) => void
}

/** The history in a file, which is made when the first line is added. */
export const openHistory = (file: string): History => {
  let lines: Array<string> = []
  let usable = true
  const quietly = (body: () => void): void => {
    try {
      if (usable) body()
    } catch (error) {
      usable = (error as NodeJS.ErrnoException).code === "ENOENT"
    }
  }
  quietly(() => {
    lines = readLines(file)
    if (lines.length <= 2 * keptLines) return
    lines = lines.slice(-keptLines)
    const temporary = `${file}.${process.pid}`
    fs.writeFileSync(temporary, `${lines.join("\n")}\n`, { mode: 0o600, flag: "wx" })
    fs.renameSync(temporary, file)
  })
  let last = lines.at(-1)
  return {
    lines: lines.slice(-keptLines).reverse(),
    add: (line) => {
      if (line.trim() === "" || line === last || line.length > longestLine) return
      last = line
      quietly(() => {
        makeDirectories(path.dirname(file))
        fs.appendFileSync(file, `${line}\n`, { mode: 0o600 })
      })
    }
  }
}
