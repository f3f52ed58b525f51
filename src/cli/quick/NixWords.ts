/**
 * `yix compat nix-instantiate --eval` as the words of `yix eval` that mean the same, for the quick door. Nothing but plain flags, each in a word of its own, and no settings; for all
 * else `undefined`.
 */
import { pairSeparator } from "../Argv.ts"

/** Flags without values, by their names at `yix eval`; "": it means nothing more. */
const switches: ReadonlyMap<string, string> = new Map([
  ...["--eval", "--eval-only", "--readonly-mode", "--expr", "-E"].map((name) => [name, ""] as const),
  ...["--strict", "--json", "--xml", "--raw", "--no-location", "--show-trace"].map((name) => [name, `${name}=true`] as const)
])

const valued: ReadonlyMap<string, readonly [name: string, values: number]> = new Map([
  ["--attr", ["attr", 1]],
  ["-A", ["attr", 1]],
  ["--include", ["include", 1]],
  ["-I", ["include", 1]],
  ["--arg", ["arg", 2]],
  ["--argstr", ["argstr", 2]]
])

/** The words of `yix eval`, as `Argv.rewrite` leaves them. `words`: those of `yix`. */
export const nixEvalWords = (words: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  const [compat, program, ...rest] = words
  if (compat !== "compat" || program !== "nix-instantiate") return undefined
  if (["NIX_CONFIG", "NIX_REMOTE"].some((name) => (process.env[name] ?? "") !== "")) return undefined
  const used = new Set<string>()
  const flags: Array<string> = []
  const named: Array<string> = []
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i]!
    const meant = switches.get(word)
    if (meant !== undefined) {
      if (meant !== "" && !used.has(word)) flags.push(meant)
      used.add(word)
      continue
    }
    const [name, values] = valued.get(word) ?? []
    if (name === undefined || values === undefined) {
      if (word.startsWith("-")) return undefined
      named.push(word)
    } else {
      if (i + values >= rest.length) return undefined
      flags.push(`--${name}=${rest.slice(i + 1, i + 1 + values).join(pairSeparator)}`)
      i += values
    }
  }
  if (!(used.has("--eval") || used.has("--eval-only"))) return undefined
  const expressions = used.has("--expr") || used.has("-E")
  const [source = expressions ? undefined : "./default.nix", another] = named
  if (source === undefined || another !== undefined) return undefined
  return ["eval", "--read-only=true", `--${expressions ? "expr" : "file"}=${source}`, ...flags]
}
