/**
 * `yix repl`: a session with the evaluator, typed or read from standard input.
 */
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import { Evaluator } from "../../realise/Evaluation.ts"
import type { RealiseOptions } from "../../realise/Realiser.ts"
import type { EvaluatorSession, SessionSettings } from "../../realise/Session.ts"
import { substituterFlags, type SubstituterInput, substitutersOf, withSubstituters, withTrust } from "../Caches.ts"
import { Debug, LogFormat, Quiet } from "../CommonFlags.ts"
import { evaluationFlags, settingsOf } from "../EvaluationFlags.ts"
import { expressionSource, fileSource } from "../EvaluationInput.ts"
import { OutputClosed } from "../Output.ts"
import { realiseFlags, realiseOptionsOf } from "../RealiseFlags.ts"
import { colorWanted } from "../Terminal.ts"
import type { Reader } from "../repl/Reader.ts"
import type { ReplOptions } from "../repl/Repl.ts"
import { withSessions } from "../World.ts"

const { input: _input, attrs: _attrs, expr: _expr, file: _file, ...settingFlags } = evaluationFlags

const flags = {
  ...settingFlags,
  ...realiseFlags,
  ...substituterFlags,
  inputs: Argument.String("FILE").pipe(
    Argument.variadic(),
    Argument.withDescription("Load these files before the first input, as :l does: Nix files, directories with a default.nix, <names>")
  ),
  files: Flag.String("file").pipe(
    Flag.withAlias("f"),
    Flag.withMetavar("FILE"),
    Flag.atLeast(0),
    Flag.withDescription("The same; may be repeated")
  ),
  exprs: Flag.String("expr").pipe(
    Flag.withAlias("E"),
    Flag.withMetavar("EXPR"),
    Flag.atLeast(0),
    Flag.withDescription("Make the attributes of this expression's set variables before the first input; may be repeated")
  )
} as const

/** Completion candidates of a session; none where it cannot tell. */
const namesOf =
  (session: EvaluatorSession) =>
  async (begun: string): Promise<ReadonlyArray<string>> => {
    const view = { colorValues: false, colorErrors: false, showTrace: false }
    const reply = await Effect.runPromise(
      Effect.catchCause(session.ask({ _tag: "Complete", text: fromUnicode(begun) }, view), () => Effect.void)
    )
    return reply?._tag === "Candidates" ? reply.words.map(toUnicode) : []
  }

/** Keys from standard input, and what is typed shown where a terminal is: standard error first, since standard output is for results. */
const screen = (): NodeJS.WriteStream | undefined => {
  if (!isatty(0)) return undefined
  return isatty(2) ? process.stderr : isatty(1) ? process.stdout : undefined
}

/** A reader at the terminal, or of lines; `plain` makes the latter. */
const openReader = Effect.fnUntraced(function* (session: EvaluatorSession, plain: (() => Reader) | undefined) {
  const output = screen()
  const { plainReader, terminalReader } = yield* Effect.promise(() => import("../repl/Reader.ts"))
  if (output === undefined) return (plain ?? plainReader)()
  const [{ completions }, { historyFile, openHistory }] = yield* Effect.promise(() =>
    Promise.all([import("../repl/Completion.ts"), import("../repl/History.ts")])
  )
  return terminalReader(output, { history: openHistory(historyFile()), complete: (line) => completions(line, namesOf(session)) })
})

export interface SessionInput extends Pick<ReplOptions, "sources" | "pipeOperators" | "showTrace" | "quiet" | "prompts"> {
  readonly settings: SessionSettings
  readonly caches: SubstituterInput
  readonly jsonErrors: boolean
  /** Reads lines where there is no terminal, in place of the usual. */
  readonly plain?: () => Reader
}

/** A session from its first input to its last. */
export const runSession = Effect.fnUntraced(function* (input: SessionInput, options: RealiseOptions) {
  const { settings, caches, jsonErrors, plain, ...session } = input
  const colorErrors = yield* colorWanted
  const debug = yield* Debug
  const json = (yield* LogFormat) === "json"
  const { runRepl } = yield* Effect.promise(() => import("../repl/Repl.ts"))
  const status = yield* withSessions(
    (within) =>
      Effect.gen(function* () {
        const opened = yield* (yield* Evaluator).openSession(settings)
        const reader = yield* Effect.acquireRelease(openReader(opened, plain), (reader) => Effect.sync(reader.close))
        const repl = runRepl({
          ...session,
          session: opened,
          reader,
          within,
          colorValues: isatty(1) && colorErrors,
          colorErrors,
          careful: isatty(1),
          quiet: session.quiet || json,
          failures: { debug, json, jsonErrors }
        })
        // What caches give goes into the store, which is otherwise opened only when an input needs it.
        return yield* substitutersOf(caches).length === 0 ? withTrust(caches, repl) : within(withSubstituters(caches, repl))
      }).pipe(Effect.scoped),
    options
  )
  if (status !== 0) return yield* new OutputClosed()
})

export const replCommand = Command.make(
  "repl",
  flags,
  Effect.fn("yix repl")(function* (input) {
    const settings = yield* settingsOf(input)
    const options = yield* realiseOptionsOf(input, false)
    const sources = [...[...input.inputs, ...input.files].map(fileSource), ...input.exprs.map(expressionSource)]
    yield* runSession(
      {
        settings,
        sources,
        caches: input,
        pipeOperators: input.features.includes("pipe-operators"),
        showTrace: input.showTrace,
        quiet: yield* Quiet,
        jsonErrors: input.errorFormat === "json"
      },
      options
    )
  })
).pipe(Command.withDescription("Evaluate inputs one after the other, at a prompt or from standard input"))
