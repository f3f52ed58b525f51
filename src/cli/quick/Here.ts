/**
 * The quick door's evaluation where nobody else is likely to be needed: in the main thread, so that no other one has to be started and ended. What turns out to need more
 * is begun anew with a thread of its own.
 */
import { getCompileCacheDir } from "node:module"
import { toUnicode } from "../../nix/Bytes.ts"
import type { EvaluationJob } from "../../realise/Evaluation.ts"
import type { EndedHere } from "../../realise/EvaluationHere.ts"
import { evaluationName } from "../../realise/EvaluatorProtocol.ts"
import { loadEvaluator } from "../../realise/LoadEvaluator.ts"
import { onSignals, signalStatuses } from "../Interrupts.ts"
import { harmless } from "../StandardStreams.ts"
import { tellRendered, tellValues } from "./Ending.ts"
import { signOfLife } from "./SignOfLife.ts"
import type { Alone } from "./Words.ts"

/** Whether the evaluation is likely to ask the store for something: not where there are no paths in it. Where this is wrong, an answer comes a moment later. */
export const mayAsk = ({ readOnly, source, args }: EvaluationJob): boolean => {
  if (readOnly) return false
  return source._tag === "File" || [source, ...args].some(({ text }) => /\/|<\w|import|fetch|path|toFile/i.test(text))
}

/** Whether the user has said how much memory Node may take: then whoever evaluates should be a thread, of which it can be told that it had too little. */
const limitsMemory = (): boolean =>
  [process.env["NODE_OPTIONS"] ?? "", ...process.execArgv].some((word) => /max[-_](?:old[-_]space|heap)[-_]size/.test(word))

/** Whether the main thread may evaluate itself. */
export const mayStayHere = (job: EvaluationJob): boolean => !mayAsk(job) && !limitsMemory()

/** A job that has to be begun anew, having printed so many lines. */
export interface Elsewhere {
  readonly printed: number
}

/** The exit status, where something was told that is all there is to tell. */
const tellEnd = ({ result }: EndedHere, alone: Alone): number | undefined => {
  switch (result._tag) {
    case "Result":
      return result.result._tag === "Values" ? tellValues(result.result.texts, alone) : undefined
    case "Failed":
      return tellRendered(result, alone)
    default:
      return undefined
  }
}

/** Where Node finds what it is to run. */
const place = Symbol.for("yix/cli/quick/Here")

/** Runs `body`, which holds this thread: only Node itself can take an interrupt then. False where one came. */
const interruptible = (body: () => void): boolean => {
  const { Script } = process.getBuiltinModule("node:vm")
  Object.defineProperty(globalThis, place, { value: body, configurable: true })
  try {
    new Script(`globalThis[Symbol.for("${place.description}")]()`).runInThisContext({ breakOnSigint: true })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_INTERRUPTED") throw error
    return false
  }
}

/** The exit status, everything being told; or that the job has to be run elsewhere. SIGTERM and SIGHUP end the process, as they end any that does not listen to them. */
export const evaluateAlone = async (job: EvaluationJob, alone: Alone): Promise<number | Elsewhere> => {
  const { exports, keeping } = await loadEvaluator(getCompileCacheDir())
  const signs = signOfLife(evaluationName(job.source), alone.signs, alone.color)
  let printed = 0
  const print = (line: string): void => {
    printed++
    signs.print(harmless(toUnicode(line), alone.color))
  }
  let ended: EndedHere | undefined
  let uninterrupted = true
  try {
    uninterrupted = interruptible(() => (ended = exports.evaluateHere(job, { print, waiting: signs.tick })))
  } catch {
    // A defect: where it shows again, it is told.
  }
  signs.end()
  if (!uninterrupted) return signalStatuses.SIGINT
  const status = ended === undefined ? undefined : tellEnd(ended, alone)
  if (status === undefined) return { printed }
  // What is being written when a signal comes is written to its end.
  onSignals(() => {})
  ended?.save()
  keeping(ended?.sorts ?? 0)?.()
  return status
}
