/**
 * How a command's failure is told: plain words on standard error and an exit status (design §7). A JavaScript stack only with `--debug`.
 */
import * as Cause from "effect/Cause"
import { DependencyFailed, RealiseFailed } from "../realise/RealiseError.ts"
import { version } from "../telemetry/JsonProgress.ts"
import { jsonLine, labelled } from "./ErrorLines.ts"
import { closedStatus, tell } from "./StandardStreams.ts"
import { usageStatus } from "./Usage.ts"

export interface Told {
  readonly lines: ReadonlyArray<string>
  readonly exitCode: number
}

/** One line of JSON each. */
const asJson = ({ lines, exitCode }: Told): Told => ({ lines: lines.map((line) => jsonLine(line, exitCode)), exitCode })

/** What to print and how to end. `debug`: with stacks. `json`: as objects, one a line. Interruption alone has nothing to tell. */
export const tellFailure = (cause: Cause.Cause<unknown>, debug: boolean, json = false): Told => {
  const told = failureOf(cause, debug)
  return json ? asJson(told) : told
}

/** How failures are to be told. */
export interface TellingOptions {
  /** With stacks. */
  readonly debug: boolean
  /** As an event among those of `--log-format json`. */
  readonly json: boolean
  /** As `--error-format json` has them. */
  readonly jsonErrors: boolean
}

/** Tells the failure on standard error; gives the exit status. */
export const reportFailure = (cause: Cause.Cause<unknown>, options: TellingOptions): number => {
  const told = tellFailure(cause, options.debug, options.jsonErrors && !options.json)
  if (options.json && told.lines.length > 0) {
    tell(JSON.stringify({ event: "error", version, time: Date.now(), message: told.lines.join("\n"), exitCode: told.exitCode }))
  } else for (const line of told.lines) tell(line)
  return told.exitCode
}

const failureOf = (cause: Cause.Cause<unknown>, debug: boolean): Told => {
  if (Cause.hasInterruptsOnly(cause)) return { lines: [], exitCode: 130 }
  const error = Cause.squash(cause)
  const tag = tagOf(error)
  // The presenter has told what was wrong with the command line.
  if (tag === "ShowHelp") return { lines: [], exitCode: usageStatus }
  if (tag === "OutputClosed") return { lines: [], exitCode: closedStatus }
  const lines = linesOf(error, new Set())
  if (tag === "UsageError") lines.push(`Try 'yix --help'.`)
  if (debug) lines.push(Cause.pretty(cause))
  else if (tag === undefined && !isUnwritten(error))
    lines.push("This is a bug in yix. Run the command again with --debug and report what it prints.")
  return { lines, exitCode: exitCodeOf(error) }
}

/** Standard output took no more: a full disk, for example. */
const isUnwritten = (error: unknown): boolean => error instanceof Error && "syscall" in error && error.syscall === "write"

const tagOf = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string" ? error._tag : undefined

const exitCodeOf = (error: unknown): number =>
  typeof error === "object" && error !== null && "exitCode" in error && typeof error.exitCode === "number" ? error.exitCode : 1

/** Roots first and each once, then what could not be made because of them. */
const linesOf = (error: unknown, told: Set<unknown>): Array<string> => {
  if (told.has(error)) return []
  told.add(error)
  if (error instanceof RealiseFailed) {
    const sorted = [...error.failures].sort((a, b) => Number(a instanceof DependencyFailed) - Number(b instanceof DependencyFailed))
    return sorted.flatMap((failure) => linesOf(failure, told))
  }
  const roots = error instanceof DependencyFailed ? error.roots.flatMap((root) => linesOf(root, told)) : []
  const message = error instanceof Error ? error.message : String(error)
  // Where a trace comes first, nothing stands beside the label.
  return [...roots, labelled(message)]
}
