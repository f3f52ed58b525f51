/**
 * The README's table of commands and what `yix --help` says: each command and flag of the one is in the other.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { bundle, project } from "../acceptance/World.ts"

const helpOf = async (words: ReadonlyArray<string>): Promise<string> =>
  (await promisify(execFile)(path.join(bundle, "bin/yix"), [...words, "--help"], { env: { ...process.env, NO_COLOR: "1" } })).stdout

/** The names in the list of subcommands that a help text ends with. */
const subcommandsOf = (help: string): ReadonlyArray<string> => {
  const at = help.search(/^SUBCOMMANDS$/m)
  return at < 0 ? [] : [...help.slice(at).matchAll(/^ {2}([a-z][a-z-]*)/gm)].map((match) => match[1]!)
}

interface Mention {
  /** Such as `store ls`. */
  readonly command: string
  readonly flags: ReadonlyArray<string>
}

/** The commands in a cell: `yix store add | ls` is two; a flag belongs to all that stand in the same code. */
const mentionsIn = (cell: string): ReadonlyArray<Mention> =>
  [...cell.matchAll(/`yix ([^`]+)`/g)].flatMap(([, code]) => {
    const text = code!.replaceAll("\\|", "|")
    const flags = [...text.matchAll(/(?<![\w-])--?[a-zA-Z][\w-]*/g)].map(([flag]) => flag)
    const words = text.replace(/\[[^\]]*\]|…| --(?= |$)|(?<![\w-])--?[a-zA-Z][\w-]*|\b[A-Z]+\b/g, " ").trim()
    const parts = words.split("|").map((part) => part.trim().split(/\s+/)).filter((part) => part[0] !== "") // prettier-ignore
    const [first, ...others] = parts
    return [first!, ...others.map((part) => [...first!.slice(0, -1), ...part])].map((part) => ({ command: part.join(" "), flags }))
  })

const readme = fs.readFileSync(path.join(project, "README.md"), "utf8")
const section = /\n## Commands\n([^]*?)\n## /.exec(readme)![1]!
const mentions = section
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .flatMap((line) => mentionsIn(line.split(/(?<!\\)\|/)[1]!))

describe("the README's commands", () => {
  const helps = new Map<string, string>()

  beforeAll(async () => {
    const ask = async (words: ReadonlyArray<string>): Promise<void> => {
      const help = await helpOf(words)
      helps.set(words.join(" "), help)
      for (const name of subcommandsOf(help)) await ask([...words, name])
    }
    const top = await helpOf([])
    helps.set("", top)
    const names = [...subcommandsOf(top)]
    const take = async (): Promise<void> => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) await ask([name])
    }
    await Promise.all([take(), take(), take()])
  })

  it("are those of the program", () => {
    // What only has subcommands is named by them.
    const commands = [...helps].filter(([name, help]) => name !== "" && subcommandsOf(help).length === 0).map(([name]) => name)
    assert.deepStrictEqual([...new Set(mentions.map(({ command }) => command))].sort(), commands.sort())
    assert.isAbove(commands.length, 15)
  })

  it("have the flags that the table names", () => {
    const missing = mentions.flatMap(({ command, flags }) =>
      flags.filter((flag) => !new RegExp(`${flag}(?![\\w-])`).test(helps.get(command) ?? "")).map((flag) => `yix ${command} ${flag}`)
    )
    assert.deepStrictEqual(missing, [])
    assert.isAbove(mentions.flatMap(({ flags }) => flags).length, 10)
  })

  it("share the flags that the README names for all of them", () => {
    const shared = section.slice(section.lastIndexOf("|\n"))
    const flags = [...shared.matchAll(/`(--?[a-zA-Z][\w-]*)/g)].map((match) => match[1]!)
    const help = [helps.get("")!, helps.get("build")!].join("\n")
    assert.deepStrictEqual(
      flags.filter((flag) => !new RegExp(`${flag}(?![\\w-])`).test(help)),
      []
    )
    assert.isAbove(flags.length, 5)
  })
})
