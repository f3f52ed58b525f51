/**
 * Where `yix` begins. Short, since it is run before the rest is loaded: the evaluator's thread starts at once where one will be needed, and scripts that only ask for
 * the version need not wait for the rest.
 */
import { writeSync } from "node:fs"
import manifest from "../../package.json" with { type: "json" }
import { startEarly } from "../realise/EvaluatorThread.ts"

const words = process.argv.slice(2)
const evaluating: ReadonlySet<string | undefined> = new Set(["eval", "build", "instantiate", "repl"])
const [command, program, ...rest] = words.slice(words.findIndex((word) => !word.startsWith("-")))

/** Whether the evaluator is likely to be needed. */
const evaluates = (): boolean => {
  if (words.includes("--help")) return false
  if (command !== "compat") return evaluating.has(command)
  if (program === "nix") return rest.some((word) => evaluating.has(word))
  return program === "nix-build" || (program === "nix-instantiate" && !rest.includes("--parse"))
}

if (words.length === 1 && words[0] === "--version") writeSync(1, `yix ${manifest.version}\n`)
else {
  if (evaluates()) startEarly()
  const { main } = await import("./Program.ts")
  await main(words)
}
