/**
 * The commands of `yix repl`: their names, what they take, and how a line is taken apart. `docs/repl.md` and `:?` list the same.
 */
import { closestNames } from "../../lang/Suggestions.ts"

export type CommandName =
  | "add"
  | "build"
  | "build-link"
  | "doc"
  | "edit"
  | "help"
  | "last-loaded"
  | "load"
  | "load-flake"
  | "log"
  | "print"
  | "quit"
  | "reload"
  | "stack-trace"
  | "trace-enable"
  | "type"

interface Command {
  readonly name: CommandName
  /** As they are typed, the short one first. */
  readonly words: ReadonlyArray<string>
  readonly takes: "nothing" | "expression" | "path" | "switch"
  readonly argument: string
  readonly about: string
}

const command = (name: CommandName, words: string, takes: Command["takes"], argument: string, about: string): Command => ({
  name,
  words: words.split(" "),
  takes,
  argument,
  about
})

const commands: ReadonlyArray<Command> = [
  command("add", ":a :add", "expression", "EXPR", "Make the attributes of a set variables"),
  command("build", ":b :build", "expression", "EXPR", "Build a derivation"),
  command("build-link", ":bl :build-link", "expression", "EXPR", "Build a derivation and link to its outputs: ./repl-result-OUTPUT"),
  command("doc", ":doc", "expression", "EXPR", "Say what a function is for"),
  command("edit", ":e :edit", "expression", "EXPR", "Open the file in which a function or package was written in $EDITOR"),
  command("load", ":l :load", "path", "FILE", "Make the attributes of a file's set variables; <name> and URLs of tarballs work, too"),
  command(
    "load-flake",
    ":lf :load-flake",
    "path",
    "REF",
    "Make the attributes of a flake variables; REF as for builtins.getFlake, or a directory"
  ),
  command("last-loaded", ":ll :last-loaded", "nothing", "", "List the variables that the last :l or :a made"),
  command("log", ":log", "expression", "EXPR", "Print the build log of a derivation (or of a path that ends in .drv)"),
  command("print", ":p :print", "expression", "EXPR", "Print a value all the way down; a string as it is"),
  command("reload", ":r :reload", "nothing", "", "Forget all variables and load the files again"),
  command("stack-trace", ":st :bt", "nothing", "", "Show the last error with its whole trace"),
  command("type", ":t :type", "expression", "EXPR", "Say of which type a value is"),
  command(
    "trace-enable",
    ":te :trace-enable :trace",
    "switch",
    "[BOOL]",
    "Show whole traces of errors, or only their ends; without BOOL switch over"
  ),
  command("quit", ":q :quit", "nothing", "", "Leave"),
  command("help", ":? :help", "nothing", "", "Show this help")
]

export type Line =
  | { readonly _tag: "Blank" }
  /** An expression or bindings. */
  | { readonly _tag: "Input"; readonly text: string }
  | { readonly _tag: "Command"; readonly name: CommandName; readonly takes: Command["takes"]; readonly argument: string }
  | { readonly _tag: "Unknown"; readonly word: string; readonly suggestions: ReadonlyArray<string> }

/** All words that begin a command. */
export const commandWords: ReadonlyArray<string> = commands.flatMap(({ words }) => words)

/** What a line (or several of one input) asks for. */
export const parseLine = (text: string): Line => {
  const trimmed = text.trim()
  if (trimmed === "") return { _tag: "Blank" }
  if (!trimmed.startsWith(":")) return { _tag: "Input", text: trimmed }
  const [, word = "", argument = ""] = /^(\S+)\s*([^]*)$/.exec(trimmed)!
  const found = commands.find(({ words }) => words.includes(word))
  if (found === undefined)
    return { _tag: "Unknown", word, suggestions: closestNames(word, commandWords, Math.min(2, (word.length - 1) >> 1)) }
  return { _tag: "Command", name: found.name, takes: found.takes, argument: argument.trim() }
}

/** The expression whose end decides whether a line goes on; `undefined` where lines are whole. */
export const expressionOf = (line: Line): string | undefined => {
  if (line._tag === "Input") return line.text
  return line._tag === "Command" && line.takes === "expression" && line.argument !== "" ? line.argument : undefined
}

/** The table of `:?`. */
export const helpText = (): string => {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["EXPR", "Evaluate an expression and print its value, one level deep"],
    ["NAME = EXPR", "Bind a name; several with ; between them, and inherit (SET) NAMES"],
    ...commands.map(({ words, argument, about }) => [`${words.join(", ")} ${argument}`.trim(), about] as const)
  ]
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n")
}
