/**
 * Recorded cases: a line of JSON each, `[text, "value", printed]` or `[text, "error", message, place]`, as the oracle answered.
 *
 * Texts and answers are byte strings, the file itself is UTF-8. The message and the place are recorded where ours are the same; otherwise they are null, and only the failure counts.
 */
import type { Answer } from "./Answers.ts"
import type { Case } from "./Cases.ts"

export type Line =
  | readonly [text: string, sort: "value", printed: string]
  | readonly [text: string, sort: "error", message: string | null, place: string | null]

/** The line of a case on which both agree. */
export const recordLine = (one: Case, ours: Answer, theirs: Answer): string => {
  const line: Line | undefined =
    theirs.ok && ours.ok
      ? [one.text, "value", theirs.text]
      : theirs.ok || ours.ok
        ? undefined
        : [one.text, "error", ours.message === theirs.message ? theirs.message : null, ours.place === theirs.place ? theirs.place : null]
  return line === undefined ? "" : `${JSON.stringify(line)}\n`
}

export const readLines = (text: string): ReadonlyArray<Line> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)
