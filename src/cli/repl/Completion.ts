/**
 * What TAB gives: commands, files, variables and attribute paths.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { commandWords, parseLine } from "./Commands.ts"

/** Whole words, and the end of the line in whose place they may stand. */
export type Completions = readonly [words: ReadonlyArray<string>, replaced: string]

/** Files that a directory may have for them to be listed. */
const mostFiles = 5000

/** Files whose names begin like `begun`; directories end in a slash. */
const files = (begun: string): ReadonlyArray<string> => {
  const cut = begun.lastIndexOf("/") + 1
  const shown = begun.slice(0, cut)
  const directory = shown.startsWith("~/") ? path.join(os.homedir(), shown.slice(2)) : path.resolve(shown === "" ? "." : shown)
  const start = begun.slice(cut)
  try {
    const entries = fs.readdirSync(directory, { withFileTypes: true }).slice(0, mostFiles)
    return entries
      .filter(({ name }) => name.startsWith(start) && (start !== "" || !name.startsWith(".")))
      .map((entry) => `${shown}${entry.name}${isDirectory(directory, entry) ? "/" : ""}`)
      .sort()
  } catch {
    return []
  }
}

const isDirectory = (directory: string, entry: fs.Dirent): boolean => {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  try {
    return fs.statSync(path.join(directory, entry.name)).isDirectory()
  } catch {
    return false
  }
}

/** `./a/b`, `../a`, `/a`, `~/a`, `a/b`, at the end of a line. */
const pathAtEnd = /(?:^|[\s([{=;])((?:~|\.{0,2}|[\w.+-]+)\/[^\s"'()[\]{};]*)$/
/** `a."b c".d` at the end of a line. */
const namesAtEnd = /(?:[A-Za-z_][\w'-]*(?:\.(?:[A-Za-z_][\w'-]*|"[^"]*"))*\.)?"?[\w'-]*$/

/** What may stand at the end of a line. `names` asks the session. */
export const completions = async (line: string, names: (begun: string) => Promise<ReadonlyArray<string>>): Promise<Completions> => {
  if (/^\s*:\S*$/.test(line)) {
    const begun = line.trimStart()
    return [commandWords.filter((word) => word.startsWith(begun)), begun]
  }
  const parsed = parseLine(line)
  if (parsed._tag === "Command" && parsed.takes === "path") {
    const begun = /\S*$/.exec(line)![0]
    return [files(begun), begun]
  }
  const file = pathAtEnd.exec(line)?.[1]
  if (file !== undefined) return [files(file), file]
  const begun = namesAtEnd.exec(line)![0]
  return begun === "" ? [[], ""] : [await names(begun), begun]
}
