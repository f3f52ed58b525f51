/**
 * `nix-build`: realises derivations, prints the paths of their outputs, and leaves `result` links.
 */
import * as Effect from "effect/Effect"
import { fromUnicode } from "../../nix/Bytes.ts"
import { type EvaluationSource, Evaluator } from "../../realise/Evaluation.ts"
import { Realiser, RealiseOptions, type Target } from "../../realise/Realiser.ts"
import { parseStoreTarget } from "../Installables.ts"
import { linkName, makeLink } from "../OutLink.ts"
import { printLine } from "../Output.ts"
import { withEvaluator } from "../World.ts"
import { withCaches } from "./Caches.ts"
import { answered, type CommonKey, NotThere, parseProgram, realiseOptionsIn, settingsIn, withCommon } from "./Common.ts"
import type { CommandLine, FlagTable } from "./Flags.ts"
import { tellPlan } from "./Plan.ts"
import type { Settings } from "./Settings.ts"
import { attributeTable, evaluationSettings, evaluationTable, sourcesOf } from "./Sources.ts"

export const buildTable = {
  ...evaluationTable,
  ...attributeTable,
  expr: ["--expr -E", "", "The words are expressions, not files"],
  outLink: ["--out-link -o", "LINK", "Name of the links to the outputs (default: result)"],
  noOutLink: ["--no-out-link --no-link", "", "Make no links"],
  dryRun: ["--dry-run", "", "Only say what would be built"],
  check: ["--check", "", "Build again what is there, and compare"],
  drvLink: ["--drv-link", "LINK", "Not there"],
  addDrvLink: ["--add-drv-link", "", "Not there"],
  repair: ["--repair", "", "Not there"]
} as const satisfies FlagTable

type Line = CommandLine<keyof typeof buildTable | CommonKey>

const program = "nix-build"

/** Words that are derivations of the store, and sources for the rest. */
const split = Effect.fnUntraced(function* (line: Line) {
  const direct: Array<Target> = []
  const others: Array<string> = []
  for (const word of line.words) {
    const target = line.has("expr") ? undefined : parseStoreTarget(word)
    if (target?._tag === "Derivation") direct.push(target)
    else others.push(word)
  }
  const sources = direct.length > 0 && others.length === 0 ? [] : yield* sourcesOf(others, line.has("expr"))
  return { direct, sources }
})

/** What the sources give: of each derivation the output that was selected. */
const targetsOf = Effect.fnUntraced(function* (line: Line, settings: Settings, sources: ReadonlyArray<EvaluationSource>) {
  const evaluator = yield* Evaluator
  const job = yield* evaluationSettings(line, settings)
  const attrPaths = line.each("attr").map(fromUnicode)
  const targets: Array<Target> = []
  for (const source of sources) {
    const result = yield* evaluator.run({ ...job, source, attrPaths, mode: { kind: "derivations" }, readOnly: false })
    for (const { drvPath, outputName } of result._tag === "Derivations" ? result.derivations : []) {
      targets.push({ _tag: "Derivation", drvPath, outputs: [outputName] })
    }
  }
  return targets
})

const build = Effect.fnUntraced(function* (line: Line, settings: Settings) {
  const { direct, sources } = yield* split(line)
  const targets = [...direct, ...(yield* targetsOf(line, settings, sources))]
  if (line.has("dryRun")) return yield* tellPlan(targets)
  const realiser = yield* Realiser
  const realised = yield* realiser.realise(targets)
  const stem = line.last("outLink") ?? "result"
  // Outputs of one derivation share a number.
  const numbers = new Map<string, number>()
  for (const { target, outputs } of realised) {
    const drvPath = target._tag === "Derivation" ? target.drvPath : target.path
    const index = numbers.get(drvPath) ?? numbers.size
    numbers.set(drvPath, index)
    for (const { name, path, info } of outputs) {
      if (!line.has("noOutLink")) yield* makeLink(linkName(stem, index, name), info)
      yield* printLine(path)
    }
  }
})

export const nixBuild = Effect.fn("yix compat nix-build")(function* (words: ReadonlyArray<string>) {
  const line = yield* parseProgram(program, buildTable, words)
  if (yield* answered(program, "[FLAG]… [FILE]…", line, buildTable)) return
  for (const key of line.used(["drvLink", "addDrvLink", "repair"])) {
    return yield* new NotThere({ what: buildTable[key][0].split(" ")[0]! })
  }
  const settings = settingsIn(line)
  const options = yield* realiseOptionsIn(settings, line.has("check"))
  return yield* withCommon(
    line,
    settings,
    withEvaluator(withCaches(settings, build(line, settings)), options).pipe(Effect.provideService(RealiseOptions, options))
  )
})
