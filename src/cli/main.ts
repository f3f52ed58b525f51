/**
 * Where `yix` begins. Short, since it is run before the rest is loaded: an evaluation that the words ask for plainly begins at once, and where its value is all that is
 * wanted, nothing more is loaded (`quick/`); scripts that only ask for the version need not wait for the rest either.
 */
import manifest from "../../package.json" with { type: "json" }
import { ownProcess, startAhead, startEarly } from "../realise/EvaluatorThread.ts"
import { labelled } from "./ErrorLines.ts"
import { evaluateAlone, mayStayHere } from "./quick/Here.ts"
import { takeKept } from "./quick/Kept.ts"
import { wait } from "./quick/Waiting.ts"
import { begun } from "./quick/Words.ts"
import { closedStatus, put, tell } from "./StandardStreams.ts"

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

/** The rest of the program. */
const loadRest = async () => {
  const { main } = await import("./Program.ts")
  return (taking?: () => void) => main(words, taking)
}

const start = async (): Promise<void> => {
  ownProcess()
  const evaluation = begun(words)
  if (evaluation === undefined) {
    if (evaluates()) startEarly()
  } else {
    const kept = await takeKept(evaluation)
    if (typeof kept === "number") process.exit(kept)
    if (kept === "none") {
      const { alone, job } = evaluation
      const here = alone !== undefined && mayStayHere(job) ? await evaluateAlone(job, alone) : { printed: 0 }
      if (typeof here === "number") process.exit(here)
      const thread = startAhead(job, here.printed)
      if (alone !== undefined) return wait(thread, job, alone, loadRest)
    }
  }
  await (
    await loadRest()
  )()
}

const tellVersion = (): void => {
  try {
    if (!put(Buffer.from(`yix ${manifest.version}\n`))) process.exitCode = closedStatus
  } catch (error) {
    // A full disk, for example.
    tell(labelled((error as Error).message))
    process.exitCode = 1
  }
}

/** Does what the words of the command line ask for. */
export const run = async (): Promise<void> => {
  if (words.length === 1 && words[0] === "--version") tellVersion()
  else await start()
}

// Run from the sources; `bin/yix.js` imports the bundle. Not awaited, so that what imports this module in turn need not wait for the end.
if (import.meta.main) void run()
