/**
 * Commands of `nix` that evaluate: `eval`, `build`, `derivation show`, `repl`.
 */
import * as Effect from "effect/Effect"
import { fromUnicode } from "../../nix/Bytes.ts"
import { type EvaluationMode, Evaluator } from "../../realise/Evaluation.ts"
import { Realiser, RealiseOptions } from "../../realise/Realiser.ts"
import { showDerivations } from "../commands/Derivation.ts"
import { runSession } from "../commands/Repl.ts"
import { expressionSource, fileSource, here } from "../EvaluationInput.ts"
import { makeLink } from "../OutLink.ts"
import { print, printLine, printTextLine } from "../Output.ts"
import { withEvaluator } from "../World.ts"
import { trustIn, withCaches } from "./Caches.ts"
import { type CommonKey, CompatError, NotThere, realiseOptionsIn } from "./Common.ts"
import type { CommandLine, FlagTable } from "./Flags.ts"
import { derivationOf, installablesIn, installableTable, targetsOf } from "./Installables.ts"
import { tellPlan } from "./Plan.ts"
import type { Settings } from "./Settings.ts"
import { evaluationSettings, evaluationTable } from "./Sources.ts"
import { transcriptReader } from "./TranscriptReader.ts"

export const evalTable = {
  ...evaluationTable,
  ...installableTable,
  apply: ["--apply", "FUNCTION", "Call this function with the value"],
  json: ["--json", "", "Print JSON"],
  raw: ["--raw", "", "Print a string as it is"],
  readOnly: ["--read-only", "", "Write nothing to the store"],
  pretty: ["--pretty", "", "JSON on several lines"],
  noPretty: ["--no-pretty", "", "JSON on one line, as is usual"],
  writeTo: ["--write-to", "PATH", "Not there"],
  debugger: ["--debugger", "", "Not there"]
} as const satisfies FlagTable

export const nixEval = Effect.fnUntraced(function* (line: CommandLine<keyof typeof evalTable | CommonKey>, settings: Settings) {
  if (line.has("writeTo")) return yield* new NotThere({ what: "--write-to" })
  if (line.has("debugger")) return yield* new NotThere({ what: "--debugger" })
  if (line.has("json") && line.has("raw")) return yield* new CompatError({ detail: "--raw and --json are mutually exclusive" })
  const format = line.has("json") ? "json" : line.has("raw") ? "raw" : "line"
  const apply = line.last("apply")
  const mode: EvaluationMode = {
    kind: "print",
    strict: true,
    format,
    hostPaths: true,
    uncalled: true,
    ...(apply === undefined ? {} : { apply: { text: fromUnicode(apply), directory: here() } })
  }
  const job = yield* evaluationSettings(line, settings)
  const installables = yield* installablesIn(line, job)
  if (installables.length !== 1) return yield* new CompatError({ detail: "exactly one thing can be evaluated" })
  const [installable] = installables
  const run = Effect.gen(function* () {
    const evaluator = yield* Evaluator
    const of =
      installable?._tag === "Evaluated"
        ? installable
        : yield* new CompatError({
            detail: `'${line.words[0]}' is a store path: it has no value; name a file with --file, or an expression with --expr`
          })
    const result = yield* evaluator.run({ ...job, source: of.source, attrPaths: [of.attr], mode, readOnly: line.has("readOnly") })
    const [text = ""] = result._tag === "Values" ? result.texts : []
    if (format === "raw") return yield* print(text)
    const pretty = format === "json" && line.has("pretty") && !line.has("noPretty")
    return yield* pretty
      ? printTextLine(JSON.stringify(JSON.parse(Buffer.from(text, "latin1").toString("utf8")), null, 2))
      : printLine(text)
  })
  yield* withEvaluator(withCaches(settings, run), yield* realiseOptionsIn(settings, false))
})

export const buildTable = {
  ...evaluationTable,
  ...installableTable,
  outLink: ["--out-link -o", "LINK", "Name of the links to the outputs (default: result)"],
  noLink: ["--no-link", "", "Make no links"],
  printPaths: ["--print-out-paths", "", "Print the paths of the outputs"],
  json: ["--json", "", "Print JSON: derivations and their outputs"],
  noPretty: ["--no-pretty --pretty", "", "Changes nothing"],
  dryRun: ["--dry-run", "", "Only say what would be built"],
  rebuild: ["--rebuild", "", "Build again what is there, and compare"],
  profile: ["--profile", "PATH", "Not there"],
  repair: ["--repair", "", "Not there"]
} as const satisfies FlagTable

export const nixBuildCommand = Effect.fnUntraced(function* (line: CommandLine<keyof typeof buildTable | CommonKey>, settings: Settings) {
  for (const key of line.used(["profile", "repair"])) return yield* new NotThere({ what: buildTable[key][0] })
  const options = yield* realiseOptionsIn(settings, line.has("rebuild"))
  const job = yield* evaluationSettings(line, settings)
  const stem = line.last("outLink") ?? "result"
  const build = Effect.gen(function* () {
    const targets = yield* targetsOf(yield* installablesIn(line, job), job)
    if (line.has("dryRun")) return yield* tellPlan(targets)
    const realised = yield* (yield* Realiser).realise(targets)
    for (const [i, { outputs }] of line.has("noLink") ? [] : realised.entries()) {
      for (const { name, info } of outputs) {
        yield* makeLink(`${stem}${i === 0 ? "" : `-${i}`}${name === "out" || name === "" ? "" : `-${name}`}`, info)
      }
    }
    if (line.has("printPaths")) for (const { path } of realised.flatMap(({ outputs }) => outputs)) yield* printLine(path)
    if (!line.has("json")) return
    const entries = realised.map(({ target, outputs }) =>
      target._tag === "Path"
        ? target.path
        : { drvPath: target.drvPath, outputs: Object.fromEntries(outputs.map(({ name, path }) => [name, path])) }
    )
    return yield* printTextLine(JSON.stringify(entries))
  })
  yield* withEvaluator(withCaches(settings, build), options).pipe(Effect.provideService(RealiseOptions, options))
})

export const showTable = {
  ...evaluationTable,
  ...installableTable,
  recursive: ["--recursive -r", "", "All that they need, too"],
  pretty: ["--no-pretty --pretty", "", "Changes nothing"]
} as const satisfies FlagTable

export const nixDerivationShow = Effect.fnUntraced(function* (line: CommandLine<keyof typeof showTable | CommonKey>, settings: Settings) {
  const job = yield* evaluationSettings(line, settings)
  const show = Effect.gen(function* () {
    const targets = yield* targetsOf(yield* installablesIn(line, job), job)
    return yield* showDerivations(yield* Effect.forEach(targets, derivationOf), line.has("recursive"))
  })
  yield* printLine(yield* withEvaluator(withCaches(settings, show), yield* realiseOptionsIn(settings, false)))
})

export const replTable = {
  ...evaluationTable,
  file: ["--file -f", "FILE", "Load this file before the first input"],
  expr: ["--expr", "EXPR", "Make the attributes of this expression's set variables before the first input"],
  debugger: ["--debugger", "", "Not there"]
} as const satisfies FlagTable

const prompts = ["nix-repl> ", "        > "] as const

export const nixRepl = Effect.fnUntraced(function* (line: CommandLine<keyof typeof replTable | CommonKey>, settings: Settings) {
  if (line.has("debugger")) return yield* new NotThere({ what: "--debugger" })
  const job = yield* evaluationSettings(line, settings)
  const options = yield* realiseOptionsIn(settings, false)
  yield* runSession(
    {
      settings: job,
      sources: [...[...line.each("file"), ...line.words].map(fileSource), ...line.each("expr").map(expressionSource)],
      caches: { substituters: settings.list("substituters"), ...trustIn(settings) },
      pipeOperators: job.features.includes("pipe-operators"),
      showTrace: job.showTrace,
      quiet: line.has("quiet"),
      jsonErrors: false,
      prompts,
      plain: () => transcriptReader(prompts)
    },
    options
  )
})
