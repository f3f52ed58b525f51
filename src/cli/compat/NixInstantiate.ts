/**
 * `nix-instantiate`: prints the paths of derivations and writes them to the store; or values (`--eval`), syntax (`--parse`), files of the search path (`--find-file`).
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { printString } from "../../lang/Names.ts"
import { render } from "../../lang/Diagnostics.ts"
import type { Origin } from "../../lang/Syntax.ts"
import { fromBytes, fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import { type EvaluationJob, type EvaluationMode, type EvaluationSource, Evaluator } from "../../realise/Evaluation.ts"
import { withoutLabel } from "../../realise/EvaluatorProtocol.ts"
import { Realiser } from "../../realise/Realiser.ts"
import { expressionSource, printedText } from "../EvaluationInput.ts"
import { makeLink } from "../OutLink.ts"
import { print, printLine } from "../Output.ts"
import { colorWanted } from "../Terminal.ts"
import { withEvaluator, withEvaluatorAlone } from "../World.ts"
import { withCaches } from "./Caches.ts"
import { answered, type CommonKey, CompatError, NotThere, parseProgram, realiseOptionsIn, settingsIn, withCommon } from "./Common.ts"
import { BadUsage, type CommandLine, type FlagTable } from "./Flags.ts"
import type { Settings } from "./Settings.ts"
import { attributeTable, evaluationSettings, evaluationTable, sourcesOf } from "./Sources.ts"

export const instantiateTable = {
  ...evaluationTable,
  ...attributeTable,
  expr: ["--expr -E", "", "The words are expressions, not files"],
  eval: ["--eval --eval-only", "", "Print values"],
  parse: ["--parse --parse-only", "", "Print syntax"],
  findFile: ["--find-file", "", "Print where files of the search path are"],
  strict: ["--strict", "", "With --eval: all the way down"],
  json: ["--json", "", "With --eval: print JSON"],
  xml: ["--xml", "", "With --eval: print XML"],
  raw: ["--raw", "", "With --eval: print a string as it is"],
  noLocation: ["--no-location", "", "XML without places"],
  readWrite: ["--read-write-mode", "", "With --eval: the store may be written to, so imports from derivations work"],
  readOnly: ["--readonly-mode", "", "Write nothing to the store"],
  addRoot: ["--add-root", "LINK", "Make a link to the derivation"],
  indirect: ["--indirect", "", "Changes nothing: all links are of this kind"],
  dryRun: ["--dry-run", "", "As --readonly-mode"],
  repair: ["--repair", "", "Not there"]
} as const satisfies FlagTable

type Line = CommandLine<keyof typeof instantiateTable | CommonKey>

const program = "nix-instantiate"

/** A source as text, with where it comes from. */
const textOf = Effect.fnUntraced(function* (source: EvaluationSource, stdin: boolean) {
  if (source._tag === "Expression") {
    const origin: Origin = stdin ? { _tag: "Stdin" } : { _tag: "String" }
    return { text: source.text, directory: source.directory, origin }
  }
  if (source.path.startsWith("<")) return yield* new NotThere({ what: "--parse of a name of the search path", instead: "name the file" })
  const named = toUnicode(source.path)
  return yield* Effect.try({
    try: () => {
      const file = fs.statSync(named).isDirectory() ? path.join(named, "default.nix") : named
      return {
        text: fromBytes(fs.readFileSync(file)),
        directory: fromUnicode(path.dirname(file)),
        origin: { _tag: "File", path: fromUnicode(file) } as Origin
      }
    },
    catch: (error) =>
      new CompatError({ detail: (error as NodeJS.ErrnoException).code === "ENOENT" ? `path '${named}' does not exist` : String(error) })
  })
})

const parseAll = Effect.fnUntraced(function* (line: Line, settings: Settings, sources: ReadonlyArray<EvaluationSource>) {
  const { parseAndPrint } = yield* Effect.promise(() => import("./Parse.ts"))
  const home = fromUnicode(process.env["HOME"] ?? os.homedir())
  const colour = yield* colorWanted
  const pipeOperators = settings.list("experimental-features").includes("pipe-operators")
  for (const [i, source] of sources.entries()) {
    const { text, directory, origin } = yield* textOf(source, line.words[i] === "-")
    const parsed = parseAndPrint(text, origin, directory, home, { pipeOperators })
    if (parsed === "deep") return yield* new CompatError({ detail: "stack overflow: the expression is nested too deeply" })
    if (parsed._tag === "Refused")
      return yield* new CompatError({ detail: withoutLabel(render(parsed.diagnostic, { colour, showTrace: true })) })
    yield* printLine(parsed.text)
  }
})

const formats = ["json", "xml", "raw"] as const

const modeOf = Effect.fnUntraced(function* (line: Line) {
  const [format = "nix", other] = line.used(formats)
  if (other !== undefined) return yield* new BadUsage({ detail: `--${format} and --${other} do not go together`, program })
  return { kind: "print", strict: line.has("strict"), format, location: !line.has("noLocation"), lazy: true } satisfies EvaluationMode
})

/** The jobs of `--eval`. */
export const evaluationJobs = Effect.fnUntraced(function* (line: Line, settings: Settings, sources: ReadonlyArray<EvaluationSource>) {
  const mode = yield* modeOf(line)
  const job = yield* evaluationSettings(line, settings)
  const readOnly = line.has("readOnly") || line.has("dryRun") || !line.has("readWrite")
  const attrPaths = line.each("attr").map(fromUnicode)
  return { mode, readOnly, jobs: sources.map((source): EvaluationJob => ({ ...job, source, attrPaths, mode, readOnly })) }
})

const evaluateAll = Effect.fnUntraced(function* (line: Line, settings: Settings, sources: ReadonlyArray<EvaluationSource>) {
  const { mode, readOnly, jobs } = yield* evaluationJobs(line, settings, sources)
  const evaluateEach = Effect.flatMap(Evaluator, (evaluator) =>
    Effect.forEach(jobs, (job) =>
      Effect.flatMap(evaluator.run(job), (result) =>
        Effect.forEach(result._tag === "Values" ? result.texts : [], (text) => print(printedText(text, mode)))
      )
    )
  )
  const options = yield* realiseOptionsIn(settings, false)
  yield* readOnly ? withEvaluatorAlone(evaluateEach, options) : withEvaluator(withCaches(settings, evaluateEach), options)
})

const findFiles = Effect.fnUntraced(function* (line: Line, settings: Settings) {
  const job = yield* evaluationSettings(line, settings)
  const mode: EvaluationMode = { kind: "print", strict: false, format: "nix" }
  const find = Effect.flatMap(Evaluator, (evaluator) =>
    Effect.forEach(line.words, (word) =>
      Effect.flatMap(
        evaluator.run({
          ...job,
          source: expressionSource(`builtins.findFile builtins.nixPath ${printString(word)}`),
          attrPaths: [],
          mode,
          readOnly: true
        }),
        (result) => Effect.forEach(result._tag === "Values" ? result.texts : [], printLine)
      )
    )
  )
  yield* withEvaluatorAlone(find, yield* realiseOptionsIn(settings, false))
})

const instantiateAll = Effect.fnUntraced(function* (line: Line, settings: Settings, sources: ReadonlyArray<EvaluationSource>) {
  const job = yield* evaluationSettings(line, settings)
  const readOnly = line.has("readOnly") || line.has("dryRun")
  const attrPaths = line.each("attr").map(fromUnicode)
  const write = !readOnly
  const root = line.last("addRoot")
  let links = 0
  const instantiate = Effect.gen(function* () {
    const evaluator = yield* Evaluator
    const realiser = yield* Realiser
    for (const source of sources) {
      const result = yield* evaluator.run({ ...job, source, attrPaths, mode: { kind: "derivations" }, readOnly })
      for (const { drvPath, outputName } of result._tag === "Derivations" ? result.derivations : []) {
        const info = write ? yield* realiser.writeDerivation(drvPath) : undefined
        let name = drvPath as string
        if (root !== undefined && info !== undefined) {
          name = links++ === 0 ? root : `${root}-${links}`
          yield* makeLink(name, info)
        }
        yield* printLine(outputName === "out" ? name : `${name}!${outputName}`)
      }
    }
  })
  const options = yield* realiseOptionsIn(settings, false)
  yield* withEvaluator(withCaches(settings, instantiate), options)
})

export const nixInstantiate = Effect.fn("yix compat nix-instantiate")(function* (words: ReadonlyArray<string>) {
  const line = yield* parseProgram(program, instantiateTable, words)
  if (yield* answered(program, "[FLAG]… [FILE]…", line, instantiateTable)) return
  if (line.has("repair")) return yield* new NotThere({ what: "--repair" })
  const settings = settingsIn(line)
  if (line.has("findFile")) return yield* withCommon(line, settings, findFiles(line, settings))
  const sources = yield* sourcesOf(line.words, line.has("expr"))
  if (line.has("parse")) return yield* parseAll(line, settings, sources)
  return yield* withCommon(
    line,
    settings,
    line.has("eval") ? evaluateAll(line, settings, sources) : instantiateAll(line, settings, sources)
  )
})
