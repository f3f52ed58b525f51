/**
 * Standard output and standard error as they are written to by everything here: synchronously and whole, so that nothing is lost when the process ends. Without
 * Effect: `Output.ts` is the same for effects.
 */
import * as fs from "node:fs"

const pause = new Int32Array(new SharedArrayBuffer(4))

/** Writes everything, waiting while a non-blocking pipe is full. */
export const writeAll = (fd: number, bytes: Uint8Array): void => {
  for (let offset = 0; offset < bytes.length;) {
    try {
      offset += fs.writeSync(fd, bytes, offset)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
      Atomics.wait(pause, 0, 0, 1)
    }
  }
}

/** Bytes to standard output; false where nobody reads it any more. */
export const put = (bytes: Uint8Array): boolean => {
  try {
    writeAll(1, bytes)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return false
    throw error
  }
}

/** What a process ends with that lost its reader (`yix … | head -1`): the status that SIGPIPE gives. */
export const closedStatus = 141

const encoder = new TextEncoder()

/** A text for the user on standard error, as it is. Lost when nobody listens: that is no reason to fail. */
export const tellPart = (text: string): void => {
  try {
    writeAll(2, encoder.encode(text))
  } catch {
    // Standard error is closed.
  }
}

/** Lines for the user on standard error. */
export const tell = (text: string): void => tellPart(`${text}\n`)

// Colour and other SGR sequences may pass; anything else that a terminal obeys (cursor, title, clipboard, control characters) may not.
const obeyed = /\x1b\[[0-9;]*m|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]/g
const colour = /^\x1b\[[0-9;]*m$/

/** A text from outside (a builder, a server) made harmless for a terminal. Without `color` colours go too. */
export const harmless = (text: string, color: boolean): string =>
  text.replace(obeyed, (sequence) => (color && colour.test(sequence) ? sequence : ""))

/**
 * Whether a file descriptor is a terminal. Pseudo-terminals of Linux and what is no device tell it by themselves; only for others `node:tty` is loaded, which takes ten
 * milliseconds.
 */
export const isTerminal = (fd: number): boolean => {
  try {
    const stat = fs.fstatSync(fd)
    if (!stat.isCharacterDevice()) return false
    const major = (stat.rdev >> 8) & 0xfff
    // Memory devices, such as /dev/null; and pseudo-terminals (Documentation/admin-guide/devices.txt of Linux).
    if (process.platform === "linux" && (major === 1 || (major >= 136 && major <= 143))) return major !== 1
  } catch {
    return false
  }
  return process.getBuiltinModule("node:tty").isatty(fd)
}

export type ColorChoice = "auto" | "always" | "never"

/** Whether standard error shows colours: as chosen, else on a terminal that is not dumb, unless `NO_COLOR` is set. */
export const colorFor = (choice: ColorChoice): boolean => {
  if (choice !== "auto") return choice === "always"
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if ((NO_COLOR ?? "") !== "") return false
  if ((FORCE_COLOR ?? "") !== "" && FORCE_COLOR !== "0") return true
  return TERM !== "dumb" && isTerminal(2)
}

/** Columns and rows of the terminal that standard error is. */
export const terminalSize = (): { readonly width: number; readonly height: number } => ({
  // Terminals that do not know their size say 0.
  width: process.stderr.columns || 80,
  height: process.stderr.rows || 24
})

/** Whether the locale says that the terminal shows UTF-8. */
export const showsUnicode = (): boolean => {
  const { LC_ALL, LC_CTYPE, LANG } = process.env
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || "")
}

/** Whether this is a run of continuous integration, whose terminal, where there is one, is a log that people read later. */
export const runsForNobody = (): boolean => !["", "0", "false"].includes(process.env["CI"] ?? "")
