/**
 * Whether what a program did is what a case expects, and how near its error message is to the one on record.
 */
import type { Ran } from "./Instantiate.ts"
import type { Case } from "./Suites.ts"

export interface Verdict {
  readonly passed: boolean
  /** Why not. */
  readonly why: string
  /** Whether the error's own line is the one of the recorded report; undefined where none is recorded. */
  readonly sameError: boolean | undefined
  readonly error: string
  readonly wantedError: string
}

/** The error's own line: the last `error:` of a report that has something after it. */
export const errorLine = (report: string): string => {
  const plain = report.replace(/\x1b\[[0-9;]*[A-Za-z]/g, "")
  const lines = plain.split("\n").flatMap((line) => /^\s*(?:error:|evaluation aborted)\s*(\S.*)$/.exec(line)?.[1] ?? [])
  return (lines.at(-1) ?? plain.trim().split("\n").at(-1) ?? "").trim()
}

/** Quotes, case and blanks do not count. */
const normal = (line: string): string =>
  line
    .toLowerCase()
    .replace(/[`'"‘’“”«»]/g, "")
    .replace(/\s+/g, " ")
    .replace(/^[ .,;:]+|[ .,;:]+$/g, "")

const isFail = (expected: Case): boolean => expected.kind === "eval-fail" || expected.kind === "parse-fail"

/** Compares. Paths below the case's directory are `/pwd` on record. */
export const judge = (expected: Case, ran: Ran): Verdict => {
  const strip = (text: string): string => text.replaceAll(expected.directory, "/pwd")
  const error = ran.ok ? "" : errorLine(strip(ran.report))
  const wantedError = expected.report === undefined ? "" : errorLine(expected.report)
  const verdict = (why: string): Verdict => ({
    passed: why === "",
    why,
    sameError: isFail(expected) && expected.report !== undefined ? !ran.ok && normal(error) === normal(wantedError) : undefined,
    error,
    wantedError
  })
  if (!ran.ok && ran.report.startsWith("crash:")) return verdict(ran.report)
  if (isFail(expected)) return verdict(ran.ok ? `should have failed, but gave ${strip(ran.output).slice(0, 200)}` : "")
  if (!ran.ok) return verdict(error)
  if (expected.expected === undefined || strip(ran.output).trim() === strip(expected.expected).trim()) return verdict("")
  return verdict(`gave ${strip(ran.output).trim().slice(0, 500)}\n       not  ${expected.expected.trim().slice(0, 500)}`)
}
