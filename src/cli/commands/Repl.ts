/**
 * `yix repl`: a session with the evaluator, typed or read from standard input.
 */
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import { Evaluator, type EvaluationSource } from "../../realise/Evaluation.ts"
import type { EvaluatorSession } from "../../realise/Session.ts"
import { substituterFlags, withSubstituters } from "../Caches.ts"
import { Debug, LogFormat, Quiet } from "../CommonFlags.ts"
import { evaluationFlags, fileSource, settingsOf } from "../EvaluationFlags.ts"
import { OutputClosed } from "../Output.ts"
import { realiseFlags, realiseOptionsOf } from "../RealiseFlags.ts"
import { colorWanted } from "../Terminal.ts"
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

const expressionSource = (text: string): EvaluationSource => ({
  _tag: "Expression",
  text: fromUnicode(text),
  directory: fromUnicode(process.cwd())
})

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

const openReader = Effect.fnUntraced(function* (session: EvaluatorSession) {
  const output = screen()
  const { plainReader, terminalReader } = yield* Effect.promise(() => import("../repl/Reader.ts"))
  if (output === undefined) return plainReader()
  const [{ completions }, { historyFile, openHistory }] = yield* Effect.promise(() =>
    Promise.all([import("../repl/Completion.ts"), import("../repl/History.ts")])
  )
  return terminalReader(output, { history: openHistory(historyFile()), complete: (line) => completions(line, namesOf(session)) })
})

export const replCommand = Command.make(
  "repl",
  flags,
  Effect.fn("yix repl")(function* (input) {
    const settings = yield* settingsOf(input)
    const options = yield* realiseOptionsOf(input, false)
    const colorErrors = yield* colorWanted
    const debug = yield* Debug
    const quiet = yield* Quiet
    const json = (yield* LogFormat) === "json"
    const sources = [...[...input.inputs, ...input.files].map(fileSource), ...input.exprs.map(expressionSource)]
    const { runRepl } = yield* Effect.promise(() => import("../repl/Repl.ts"))
    const status = yield* withSessions(
      (within) =>
        Effect.gen(function* () {
          const evaluator = yield* Evaluator
          const session = yield* evaluator.openSession(settings)
          const reader = yield* Effect.acquireRelease(openReader(session), (reader) => Effect.sync(reader.close))
          return yield* withSubstituters(
            input,
            runRepl({
              session,
              reader,
              within,
              sources,
              pipeOperators: input.features.includes("pipe-operators"),
              showTrace: input.showTrace,
              colorValues: isatty(1) && colorErrors,
              colorErrors,
              careful: isatty(1),
              quiet: quiet || json,
              failures: { debug, json, jsonErrors: input.errorFormat === "json" }
            })
          )
        }).pipe(Effect.scoped),
      options
    )
    if (status !== 0) return yield* new OutputClosed()
  })
).pipe(Command.withDescription("Evaluate inputs one after the other, at a prompt or from standard input"))
