/**
 * The quick door's answer where nothing has changed: the result that was kept is printed as the commands print theirs, and nothing is evaluated.
 */
import { toUnicode } from "../../nix/Bytes.ts"
import type { EvaluationResult } from "../../realise/Evaluation.ts"
import { findAhead, type Found, leaveFound } from "../../realise/FoundEvaluation.ts"
import { withLocalStamps } from "../../store/LocalStamps.ts"
import { printedDerivation, printedText } from "../EvaluationInput.ts"
import { harmless, tell } from "../StandardStreams.ts"
import { putAll } from "./Ending.ts"
import type { Begun } from "./Words.ts"

/** Whether the store has what the result needs; `undefined` where that cannot be told without opening it. */
const holds = (found: Found, directory: string | undefined): boolean | undefined => {
  if (found.asks.length === 0) return true
  return directory === undefined ? undefined : withLocalStamps(directory, (store) => found.holds(store))
}

const printed = (result: EvaluationResult, { job: { mode } }: Begun): ReadonlyArray<string> =>
  result._tag === "Derivations"
    ? result.derivations.map(printedDerivation)
    : mode.kind === "print"
      ? result.texts.map((text) => printedText(text, mode))
      : []

/**
 * What there is: a number, all that was kept is printed, and the process ends with this status; "kept", there is a result for whoever runs the job in this process; "none",
 * there is none, or it cannot be printed.
 */
export const takeKept = async (begun: Begun): Promise<number | "kept" | "none"> => {
  const found = await findAhead(begun.job)
  if (found === undefined) return "none"
  const { shown } = begun
  const held = holds(found, begun.job.evaluationCache?.database)
  if (held !== false && (shown === undefined || held === undefined)) return "kept"
  leaveFound()
  if (held === false || shown === undefined) {
    found.close()
    return "none"
  }
  const { result, lines } = found.record
  for (const line of lines) tell(harmless(toUnicode(line), shown.color))
  const status = putAll(printed(result, begun))
  if (status === undefined) {
    found.close()
    return "none"
  }
  if (status === 0) found.used()
  return status
}
