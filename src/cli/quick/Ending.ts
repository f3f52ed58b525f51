/**
 * How the quick door tells what came of an evaluation, as the commands do.
 */
import { type ByteString, toBytes } from "../../nix/Bytes.ts"
import { withoutLabel } from "../../realise/EvaluatorProtocol.ts"
import { jsonLine, labelled } from "../ErrorLines.ts"
import { printedText } from "../EvaluationInput.ts"
import { closedStatus, put, tell } from "../StandardStreams.ts"
import type { Alone } from "./Words.ts"

/** Prints texts. The exit status; `undefined` where they cannot be printed, for a reason that the rest of the program tells. */
export const putAll = (texts: ReadonlyArray<ByteString>): number | undefined => {
  try {
    return texts.every((text) => put(toBytes(text))) ? 0 : closedStatus
  } catch {
    // A full disk, for example.
    return undefined
  }
}

/** Prints values, as `putAll`. */
export const tellValues = (texts: ReadonlyArray<ByteString>, { mode }: Alone): number | undefined =>
  putAll(texts.map((text) => printedText(text, mode)))

/** Tells a failure; `exitCode`: the status that it asks for. */
export const tellFailure = (message: string, exitCode: number, { jsonErrors }: Alone): number => {
  const line = labelled(message)
  tell(jsonErrors ? jsonLine(line, exitCode) : line)
  return exitCode
}

/** The same for one that the evaluator rendered. */
export const tellRendered = ({ rendered, exitCode }: { readonly rendered: ByteString; readonly exitCode: number }, alone: Alone): number =>
  tellFailure(withoutLabel(rendered), exitCode, alone)
