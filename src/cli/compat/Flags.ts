/**
 * Command lines of Nix's programs: what their flags look like, and what is said of those that are wrong, in Nix's words. Pure.
 *
 * A flag takes a fixed number of the words that follow it, whatever they look like. Short flags may be written together (`-vj4` is `-v -j 4`), values are never joined
 * by `=`. Words that are no flags, and all after `--`, are what the program works on. Every setting of Nix is a flag, too (`Settings.ts`).
 */
import * as Schema from "effect/Schema"

/** The words of a command line do not fit together. */
export class BadUsage extends Schema.TaggedError<BadUsage>()("BadUsage", {
  detail: Schema.String,
  /** The program, as in `nix-build`. */
  program: Schema.String
}) {
  override get message(): string {
    return `${this.detail}\nTry 'yix compat ${this.program} --help' for what it takes.`
  }
}

/** Names separated by blanks (`--attr -A`), names of the values that it takes (`NAME EXPR`, or ""), what it is for. */
export type FlagRow = readonly [names: string, values: string, about: string]

export type FlagTable<K extends string = string> = Readonly<Record<K, FlagRow>>

/** What a flag that no table has stands for: a setting, with the value that the name implies, or else the next word's. */
export type SettingFlag = { readonly name: string; readonly value: string | undefined }

export interface ParseOptions {
  /** For messages. */
  readonly program: string
  /** A setting's flag, `undefined` for other words. `flag` begins with two dashes. */
  readonly setting: (flag: string) => SettingFlag | undefined
  /** The first word that is no flag ends the parsing: it is a command with flags of its own. */
  readonly untilWord?: boolean
}

/** What a command line says. One with more flags can stand for one with fewer. */
export class CommandLine<in K extends string = string> {
  readonly #flags: ReadonlyArray<readonly [key: string, values: ReadonlyArray<string>]>
  /** In their order. */
  readonly words: ReadonlyArray<string>
  /** Name and value, in their order. */
  readonly settings: ReadonlyArray<readonly [name: string, value: string]>
  /** What was not looked at: where `untilWord` ended the parsing, the words from there. */
  readonly rest: ReadonlyArray<string>

  constructor(
    flags: ReadonlyArray<readonly [key: string, values: ReadonlyArray<string>]>,
    words: ReadonlyArray<string>,
    settings: ReadonlyArray<readonly [string, string]>,
    rest: ReadonlyArray<string>
  ) {
    this.#flags = flags
    this.words = words
    this.settings = settings
    this.rest = rest
  }

  has(key: K): boolean {
    return this.count(key) > 0
  }

  count(key: K): number {
    return this.all(key).length
  }

  /** The values of each use, in order. */
  all(key: K): ReadonlyArray<ReadonlyArray<string>> {
    return this.#flags.filter(([k]) => k === key).map(([, values]) => values)
  }

  /** The first values of all uses. */
  each(key: K): ReadonlyArray<string> {
    return this.all(key).map(([value]) => value as string)
  }

  /** The value of the last use. */
  last(key: K): string | undefined {
    return this.each(key).at(-1)
  }

  /** Those of the keys that are used, in the order of their first use. */
  used<L extends K>(keys: ReadonlyArray<L>): ReadonlyArray<L> {
    return [...new Set(this.#flags.map(([key]) => key as L))].filter((key) => keys.includes(key))
  }

  /** This and what follows it in the command line, as of `nix` and one of its commands. */
  with<L extends string>(inner: CommandLine<L>): CommandLine<K | L> {
    return new CommandLine<K | L>([...this.#flags, ...inner.#flags], inner.words, [...this.settings, ...inner.settings], inner.rest)
  }
}

/** `-vj4` as `-v`, `-j`, `4`; letters are flags, and what begins with another character is the value of the last. */
const expand = (word: string): ReadonlyArray<string> => {
  if (!/^-[A-Za-z]./.test(word)) return [word]
  const letters = /^-([A-Za-z]+)/.exec(word)![1] as string
  const value = word.slice(1 + letters.length)
  return [...[...letters].map((letter) => `-${letter}`), ...(value === "" ? [] : [value])]
}

/** Takes a command line apart. Throws `BadUsage`. */
export const parseWords = <K extends string>(table: FlagTable<K>, words: ReadonlyArray<string>, options: ParseOptions): CommandLine<K> => {
  const bad = (detail: string): BadUsage => new BadUsage({ detail, program: options.program })
  const byName = new Map<string, readonly [key: K, takes: number]>()
  for (const key of Object.keys(table) as Array<K>) {
    const [names, values] = table[key]
    for (const name of names.split(" ")) byName.set(name, [key, values === "" ? 0 : values.split(" ").length])
  }
  const flags: Array<readonly [K, ReadonlyArray<string>]> = []
  const settings: Array<readonly [string, string]> = []
  const plain: Array<string> = []
  const waiting = [...words]
  const take = (flag: string, count: number): ReadonlyArray<string> => {
    const values = waiting.splice(0, count)
    if (values.length < count) throw bad(`flag '${flag}' requires ${count} argument(s), but only ${values.length} were given`)
    return values
  }
  while (waiting.length > 0) {
    const word = waiting.shift() as string
    if (word === "--") {
      if (options.untilWord !== true) plain.push(...waiting.splice(0))
      continue
    }
    if (!word.startsWith("-") || word === "-") {
      if (options.untilWord === true) return new CommandLine(flags, [], settings, [word, ...waiting])
      plain.push(word)
      continue
    }
    const [first, ...others] = byName.has(word) ? [word] : expand(word)
    waiting.unshift(...others)
    const flag = byName.get(first as string)
    if (flag !== undefined) {
      const [key, count] = flag
      flags.push([key, take(first as string, count)])
      continue
    }
    const setting = word.startsWith("--") ? options.setting(word) : undefined
    if (setting === undefined) throw bad(`unrecognised flag '${first}'`)
    settings.push([setting.name, setting.value ?? (take(word, 1)[0] as string)])
  }
  return new CommandLine(flags, plain, settings, [])
}

/** The table as help: a line for each flag. */
export const helpLines = (table: FlagTable): ReadonlyArray<string> => {
  const rows = Object.values(table).map(([names, values, about]) => [`${names.replaceAll(" ", ", ")} ${values}`.trim(), about] as const)
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)))
  return rows.map(([left, about]) =>
    left.length > width ? `  ${left}\n  ${" ".repeat(width)}  ${about}` : `  ${left.padEnd(width)}  ${about}`
  )
}
