/**
 * `yix repl` at work: reads inputs, hands them to the session, shows what they give. Results go to standard output, everything else to standard error.
 *
 * An input that fails, or is interrupted, ends; the session goes on. Only the end of the input, `:q`, a signal and a closed output end it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { printString } from "../../lang/Names.ts"
import { isUnfinished } from "../../lang/SessionInput.ts"
import { type ByteString, fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import { isDerivationPath, isStorePath, type StorePath } from "../../nix/StorePath.ts"
import { BuildLogs } from "../../realise/BuildLogs.ts"
import type { EvaluationSource } from "../../realise/Evaluation.ts"
import { Realiser } from "../../realise/Realiser.ts"
import type { EvaluatorSession, SessionReply, SessionRequest } from "../../realise/Session.ts"
import { withinRun } from "../../realise/Sharing.ts"
import { absoluteFlake, fileSource } from "../EvaluationInput.ts"
import { reportFailure, type TellingOptions } from "../Failure.ts"
import { takeInterrupts } from "../Interrupts.ts"
import { makeLink } from "../OutLink.ts"
import { printBytes, printLine, printTextLine } from "../Output.ts"
import { withProgress } from "../Progress.ts"
import { harmless, tell } from "../StandardStreams.ts"
import type { Within } from "../World.ts"
import { type CommandName, expressionOf, helpText, type Line, parseLine } from "./Commands.ts"
import { openEditor } from "./Editor.ts"
import type { Reader } from "./Reader.ts"

const ownPrompts = ["yix> ", "   > "] as const

/** Names that are listed after `:a` and `:l`. */
const listedNames = 20

/** What a line asks for cannot be done. */
class ReplError extends Schema.TaggedError<ReplError>()("ReplError", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

export interface ReplOptions {
  readonly session: EvaluatorSession
  readonly reader: Reader
  readonly within: Within
  /** Loaded before the first input. */
  readonly sources: ReadonlyArray<EvaluationSource>
  readonly pipeOperators: boolean
  readonly showTrace: boolean
  /** Of values on standard output, and of errors. */
  readonly colorValues: boolean
  readonly colorErrors: boolean
  /** Standard output is a terminal: what would make it do things is taken out of values. */
  readonly careful: boolean
  /** Results and failures only. */
  readonly quiet: boolean
  readonly failures: TellingOptions
  /** What stands before an input, and before each further line of it; of the same width. */
  readonly prompts?: readonly [first: string, next: string]
}

/** The outputs of a flake. */
const flakeSource = (reference: string): EvaluationSource => ({
  _tag: "Expression",
  text: `builtins.getFlake ${printString(fromUnicode(absoluteFlake(reference)))}`,
  directory: "/"
})

const quitting = Symbol("quit")

export const runRepl = Effect.fnUntraced(function* (options: ReplOptions) {
  const { session, reader, within } = options
  const [firstPrompt, nextPrompt] = options.prompts ?? ownPrompts
  let { showTrace } = options
  let lastLoaded: ReadonlyArray<ByteString> = []

  const ask = (request: SessionRequest): Effect.Effect<SessionReply, { readonly message: string }> =>
    Effect.suspend(() => session.ask(request, { colorValues: options.colorValues, colorErrors: options.colorErrors, showTrace }))

  const here = () => fromUnicode(process.cwd())

  const about = <Tag extends Extract<SessionRequest, { readonly text: ByteString; readonly directory: ByteString }>["_tag"]>(
    _tag: Tag,
    text: string
  ) => ask({ _tag, text: fromUnicode(text), directory: here() } as SessionRequest)

  const show = (text: ByteString) => (options.careful ? printTextLine(harmless(toUnicode(text), true)) : printLine(text))

  const note = (text: string): void => {
    if (!options.quiet) tell(text)
  }

  /** Shows what a request gave. */
  const showReply = Effect.fnUntraced(function* (reply: SessionReply) {
    if (reply._tag === "Printed") yield* show(reply.text)
  })

  const added = (reply: SessionReply): void => {
    if (reply._tag !== "Bound") return
    lastLoaded = reply.names
    const names = reply.names.map((name) => harmless(toUnicode(name), false))
    const count = `Added ${names.length} variable${names.length === 1 ? "" : "s"}`
    if (names.length === 0) note(`${count}.`)
    else if (names.length <= listedNames) note(`${count}: ${names.join(", ")}.`)
    else note(`${count}: ${names.slice(0, listedNames).join(", ")} and ${names.length - listedNames} more (:ll lists them).`)
  }

  const load = (source: EvaluationSource) => Effect.map(ask({ _tag: "Load", source }), added)

  /** Builds all outputs of the derivation that an expression gives. */
  const build = Effect.fnUntraced(function* (text: string, link: boolean) {
    const reply = yield* about("Derivation", text)
    if (reply._tag !== "Derivation") return
    const { drvPath } = reply.derivation
    const lines = yield* within(
      Effect.gen(function* () {
        const realiser = yield* Realiser
        const realised = yield* realiser.realise([{ _tag: "Derivation", drvPath, outputs: undefined }])
        const lines: Array<ByteString> = []
        for (const { name, path, info } of realised.flatMap(({ outputs }) => outputs)) {
          const own = `repl-result-${toUnicode(name)}`
          if (link) yield* makeLink(own, info)
          lines.push(`  ${link ? `./${fromUnicode(own)}` : name} -> ${path}`)
        }
        return lines
      })
    )
    yield* printTextLine("This derivation produced the following outputs:")
    for (const line of lines) yield* printLine(line)
  })

  const log = Effect.fnUntraced(function* (text: string) {
    const given = fromUnicode(text)
    let drvPath: StorePath
    if (isStorePath(given) && isDerivationPath(given)) drvPath = given
    else {
      const reply = yield* about("Derivation", text)
      if (reply._tag !== "Derivation") return
      drvPath = reply.derivation.drvPath
    }
    const bytes = yield* within(Effect.flatMap(BuildLogs, (logs) => logs.read(drvPath)))
    if (bytes === undefined) return yield* new ReplError({ detail: `there is no build log for '${drvPath}' in this store; :b builds it` })
    yield* printBytes(bytes)
  })

  const document = Effect.fnUntraced(function* (text: string) {
    const reply = yield* about("Document", text)
    if (reply._tag === "Builtin") {
      const { describeBuiltin } = yield* Effect.promise(() => import("./BuiltinDocs.ts"))
      yield* printTextLine(describeBuiltin(toUnicode(reply.name), reply.arity))
    } else if (reply._tag === "Function") {
      yield* printLine(`Function ${reply.name === undefined ? "" : `${reply.name}, `}defined at ${reply.place}`)
      if (reply.comment !== undefined) yield* show(`\n${reply.comment}`)
    }
  })

  const edit = Effect.fnUntraced(function* (text: string) {
    const reply = yield* about("Locate", text)
    if (reply._tag !== "Place") return
    yield* Effect.tryPromise({
      try: () => reader.lend(() => openEditor(toUnicode(reply.path), reply.line)),
      catch: (error) => new ReplError({ detail: error instanceof Error ? error.message : String(error) })
    })
    yield* Effect.map(ask({ _tag: "Reload" }), added)
  })

  const switchTraces = Effect.fnUntraced(function* (argument: string) {
    if (!["", "true", "false"].includes(argument)) {
      return yield* new ReplError({ detail: `unexpected argument '${argument}' to :te; it takes true, false or nothing` })
    }
    showTrace = argument === "" ? !showTrace : argument === "true"
    note(showTrace ? "showing error traces" : "not showing error traces")
  })

  const run = (name: CommandName, argument: string): Effect.Effect<unknown, unknown, never> | typeof quitting => {
    switch (name) {
      case "add":
        return Effect.map(about("Add", argument), added)
      case "build":
        return build(argument, false)
      case "build-link":
        return build(argument, true)
      case "doc":
        return document(argument)
      case "edit":
        return edit(argument)
      case "help":
        return printTextLine(helpText())
      case "last-loaded":
        return Effect.forEach(lastLoaded, show)
      case "load":
        return load(fileSource(argument === "" ? "." : argument))
      case "load-flake":
        return argument === "" ? new ReplError({ detail: "a flake is missing after this command" }) : load(flakeSource(argument))
      case "log":
        return log(argument)
      case "print":
        return Effect.flatMap(about("PrintDeep", argument), showReply)
      case "reload":
        return Effect.map(ask({ _tag: "Reload" }), added)
      case "stack-trace":
        return Effect.flatMap(ask({ _tag: "LastError" }), (reply) => {
          if (reply._tag !== "LastError") return Effect.void
          return reply.rendered === undefined
            ? new ReplError({ detail: "nothing has failed yet" })
            : Effect.sync(() => tell(harmless(toUnicode(reply.rendered!), options.colorErrors)))
        })
      case "trace-enable":
        return switchTraces(argument)
      case "type":
        return Effect.flatMap(about("Describe", argument), showReply)
      case "quit":
        return quitting
    }
  }

  const perform = (line: Line): Effect.Effect<unknown, unknown> | typeof quitting => {
    switch (line._tag) {
      case "Blank":
        return Effect.void
      case "Input":
        return Effect.flatMap(about("Evaluate", line.text), showReply)
      case "Command":
        if (line.takes === "nothing" && line.argument !== "" && line.name !== "quit") {
          return new ReplError({ detail: `this command takes nothing, but '${line.argument}' stands after it` })
        }
        if (line.takes === "expression" && line.argument === "") {
          return new ReplError({ detail: "an expression is missing after this command" })
        }
        return run(line.name, line.argument)
      case "Unknown": {
        const guess = line.suggestions.length === 0 ? "" : `; did you mean ${line.suggestions.join(" or ")}?`
        return new ReplError({ detail: `unknown command '${line.word}'${guess || "; :? lists them"}` })
      }
    }
  }

  /** Runs the effect of one line, with its own progress, until it ends or Ctrl-C ends it. Gives false where the output has nobody left to read it. */
  const guarded = Effect.fnUntraced(function* (effect: Effect.Effect<unknown, unknown>) {
    const fiber = yield* Effect.forkChild(withProgress(withinRun(effect)))
    const interrupt = (): void => fiber.interruptUnsafe()
    const releases = reader.interactive ? [reader.busy(interrupt), takeInterrupts(interrupt)] : []
    const exit = yield* Effect.ensuring(
      Fiber.await(fiber),
      Effect.sync(() => {
        for (const release of releases) release()
      })
    )
    if (Exit.isSuccess(exit)) return true
    if (Cause.hasInterruptsOnly(exit.cause)) {
      note("interrupted")
      return true
    }
    return reportFailure(exit.cause, options.failures) !== closedOutput
  })

  if (reader.interactive) note(`Type :? for help, :q to leave.`)
  for (const source of options.sources) if (!(yield* guarded(load(source)))) return closedOutput

  let pending = ""
  for (;;) {
    const read = yield* Effect.promise(() => reader.next(pending === "" ? firstPrompt : nextPrompt))
    if (read._tag === "Cleared") {
      pending = ""
      continue
    }
    const ended = read._tag === "End"
    if (ended && pending === "") return 0
    // An empty line gives the unfinished input up, which shows what it lacks; one in the middle of a pasted text does not.
    const left = ended || (pending !== "" && read.text.trim() === "" && !read.more)
    const text = ended || left ? pending : pending === "" ? read.text : `${pending}\n${read.text}`
    const line = parseLine(text)
    const expression = expressionOf(line)
    if (!left && expression !== undefined && isUnfinished(fromUnicode(expression), { pipeOperators: options.pipeOperators })) {
      pending = text
      continue
    }
    pending = ""
    const effect = perform(line)
    if (effect === quitting) return 0
    if (!(yield* guarded(effect))) return closedOutput
    if (ended) return 0
  }
})

/** As after SIGPIPE. */
const closedOutput = 141
