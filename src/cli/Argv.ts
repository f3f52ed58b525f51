/**
 * Rewrites a command line into the one form that `effect/cli` reads without surprises: `--long=value` for every flag that is known.
 *
 * What it makes up for: a switch swallows a following `y`, `1` or `true`; `-j4` and `-Ipath` are refused; flags with two values (`--arg name expr`) do not
 * exist there, they become one value joined by a NUL, which no argument can contain; a value that begins with `-` is taken for a flag. What is not
 * known, incomplete or after `--` stays as it is, so that messages about it speak of what was typed.
 */

type Kind = "switch" | "value" | "pair"

/** Every flag of every command; a name means the same everywhere. */
const flags: ReadonlyArray<readonly [long: string, short: string | undefined, kind: Kind]> = [
  ["help", "h", "switch"],
  ["version", undefined, "switch"],
  ["verbose", "v", "switch"],
  ["quiet", "q", "switch"],
  ["debug", undefined, "switch"],
  ["offline", undefined, "switch"],
  ["otlp", undefined, "switch"],
  ["trace-out", undefined, "value"],
  ["store", undefined, "value"],
  ["config", undefined, "value"],
  ["svg", undefined, "switch"],
  ["log-format", undefined, "value"],
  ["log-level", undefined, "value"],
  ["color", undefined, "value"],
  ["expr", "E", "value"],
  ["file", "f", "value"],
  ["attr", "A", "value"],
  ["arg", undefined, "pair"],
  ["argstr", undefined, "pair"],
  ["include", "I", "value"],
  ["strict", undefined, "switch"],
  ["json", undefined, "switch"],
  ["raw", undefined, "switch"],
  ["xml", undefined, "switch"],
  ["read-only", undefined, "switch"],
  ["pure-eval", undefined, "switch"],
  ["restrict-eval", undefined, "switch"],
  ["allowed-uris", undefined, "value"],
  ["no-import-from-derivation", undefined, "switch"],
  ["system", undefined, "value"],
  ["max-call-depth", undefined, "value"],
  ["feature", undefined, "value"],
  ["abort-on-warn", undefined, "switch"],
  ["trace-verbose", undefined, "switch"],
  ["lint-url-literals", undefined, "value"],
  ["lint-short-path-literals", undefined, "value"],
  ["lint-absolute-path-literals", undefined, "value"],
  ["no-syntax-cache", undefined, "switch"],
  ["no-eval-cache", undefined, "switch"],
  ["error-format", undefined, "value"],
  ["no-location", undefined, "switch"],
  ["show-trace", undefined, "switch"],
  ["keep-going", "k", "switch"],
  ["max-jobs", "j", "value"],
  ["timeout", undefined, "value"],
  ["max-silent-time", undefined, "value"],
  ["check", undefined, "switch"],
  ["out-link", "o", "value"],
  ["no-out-link", undefined, "switch"],
  ["program", undefined, "value"],
  ["write", undefined, "switch"],
  ["workers", undefined, "value"],
  ["max-memory-size", undefined, "value"],
  ["meta", undefined, "switch"],
  ["show-input-drvs", undefined, "switch"],
  ["check-cache-status", undefined, "switch"],
  ["force-recurse", undefined, "switch"],
  ["select", undefined, "value"],
  ["apply", undefined, "value"],
  ["name", undefined, "value"],
  ["hash", undefined, "value"],
  ["flat", undefined, "switch"],
  ["recursive", "R", "switch"],
  ["long", "l", "switch"],
  ["closure", undefined, "switch"],
  ["writable", undefined, "switch"],
  ["from", undefined, "value"],
  ["to", undefined, "value"],
  ["substituter", undefined, "value"],
  ["trusted-public-key", undefined, "value"],
  ["no-check-sigs", undefined, "switch"],
  ["http", undefined, "value"],
  ["grpc", undefined, "value"]
]

interface Known {
  readonly long: string
  readonly kind: Kind
}

const byLong = new Map<string, Known>(flags.map(([long, , kind]) => [long, { long, kind }]))
const byShort = new Map<string, Known>(
  flags.flatMap(([long, short, kind]) => (short === undefined ? [] : [[short, { long, kind }] as const]))
)

/** Between the two values of a `pair`. */
export const pairSeparator = "\0"

/** The rewritten arguments (without program and script). */
export const rewrite = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const out: Array<string> = []
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!
    if (word === "--") return [...out, ...argv.slice(i)]
    if (word.startsWith("--")) {
      const flag = byLong.get(word.slice(2))
      if (flag === undefined) out.push(word)
      else i = take(flag, argv, i, out)
    } else if (word.length >= 2 && word.startsWith("-")) i = short(word, argv, i, out)
    else out.push(word)
  }
  return out
}

/** Writes the flag at `argv[i]` with the values that follow it; the index of the last word used. */
const take = (flag: Known, argv: ReadonlyArray<string>, i: number, out: Array<string>): number => {
  const needed = flag.kind === "switch" ? 0 : flag.kind === "value" ? 1 : 2
  if (i + needed >= argv.length) {
    out.push(...argv.slice(i))
    return argv.length
  }
  if (needed === 0) out.push(`--${flag.long}=true`)
  else out.push(`--${flag.long}=${argv.slice(i + 1, i + 1 + needed).join(pairSeparator)}`)
  return i + needed
}

/** `-k`, `-vv`, `-j4`, `-kj4`, `-j 4`. */
const short = (word: string, argv: ReadonlyArray<string>, i: number, out: Array<string>): number => {
  const found: Array<string> = []
  for (let at = 1; at < word.length; at++) {
    const flag = byShort.get(word[at]!)
    if (flag === undefined) {
      out.push(word)
      return i
    }
    if (flag.kind === "switch") {
      found.push(`--${flag.long}=true`)
      continue
    }
    const attached = word.slice(at + 1)
    out.push(...found)
    if (attached === "") return take(flag, argv, i, out)
    out.push(`--${flag.long}=${attached.startsWith("=") ? attached.slice(1) : attached}`)
    return i
  }
  out.push(...found)
  return i
}
