/**
 * What the commands of `nix` work on: store paths, attributes of a file or an expression, outputs of flakes.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { parseAttributePath } from "../../eval/Roots.ts"
import { printString } from "../../lang/Names.ts"
import { type ByteString, fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import type { StorePath } from "../../nix/StorePath.ts"
import { type EvaluationSource, Evaluator } from "../../realise/Evaluation.ts"
import type { Target } from "../../realise/Realiser.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { absoluteFlake, type EvaluationSettings, expressionSource, fileSource } from "../EvaluationInput.ts"
import { parseStoreTarget } from "../Installables.ts"
import { CompatError, NotThere } from "./Common.ts"
import type { CommandLine, FlagTable } from "./Flags.ts"
import { standardSource } from "./Sources.ts"

export const installableTable = {
  file: ["--file -f", "FILE", "The words are attributes of the value of this file; - is standard input"],
  expr: ["--expr", "EXPR", "The words are attributes of the value of this expression"],
  stdin: ["--stdin", "", "Not there"],
  noLock: ["--no-write-lock-file --no-update-lock-file", "", "Changes nothing: lock files are never written"],
  overrideInput: ["--override-input", "INPUT REF", "Not there"],
  updateInput: ["--update-input", "INPUT", "Not there"],
  lockMisc: ["--recreate-lock-file --commit-lock-file", "", "Not there"],
  inputsFrom: ["--inputs-from", "REF", "Not there"]
} as const satisfies FlagTable

export type InstallableKey = keyof typeof installableTable

export type Installable =
  | { readonly _tag: "Stored"; readonly target: Target }
  /** `outputs`: those named after `^`; undefined: what the package says, `"*"` all. */
  | {
      readonly _tag: "Evaluated"
      readonly source: EvaluationSource
      readonly attr: ByteString
      readonly outputs: ReadonlyArray<ByteString> | "*" | undefined
    }

/** `a.b^out,dev`. */
const splitOutputs = (word: string) => {
  const cut = word.lastIndexOf("^")
  if (cut === -1) return { named: word, outputs: undefined }
  const outputs = word.slice(cut + 1)
  return { named: word.slice(0, cut), outputs: outputs === "*" ? ("*" as const) : outputs.split(",").map(fromUnicode) }
}

const list = (texts: ReadonlyArray<ByteString>): ByteString => `[ ${texts.map(printString).join(" ")} ]`

/** An expression for the first of several attribute paths that a flake's outputs have. */
export const flakeExpression = (reference: ByteString, paths: ReadonlyArray<ReadonlyArray<ByteString>>): ByteString => {
  const names = paths.map((path) => `'${path.join(".")}'`).join(", ")
  const missing = printString(`flake '${reference}' does not provide attribute ${names.replace(/, ([^,]*)$/, " or $1")}`)
  return `let
  find = path: set:
    if path == [ ] then [ set ]
    else if builtins.isAttrs set && builtins.hasAttr (builtins.head path) set
    then find (builtins.tail path) (builtins.getAttr (builtins.head path) set)
    else [ ];
  outputs = builtins.getFlake ${printString(reference)};
  found = builtins.concatMap (path: find path outputs) [ ${paths.map(list).join(" ")} ];
  missing = ${missing};
in if found == [ ] then throw missing else builtins.head found`
}

/** The attribute paths that a fragment of a flake reference may mean, in the order of trial. */
export const flakePaths = (fragment: ByteString, system: ByteString): ReadonlyArray<ReadonlyArray<ByteString>> => {
  if (fragment === "")
    return [
      ["packages", system, "default"],
      ["defaultPackage", system]
    ]
  const absolute = fragment.startsWith(".")
  const parts = parseAttributePath(absolute ? fragment.slice(1) : fragment)
  return absolute ? [parts] : [["packages", system, ...parts], ["legacyPackages", system, ...parts], parts]
}

const flakeInstallable = (word: string, settings: EvaluationSettings): Installable => {
  const { named, outputs } = splitOutputs(word)
  const cut = named.indexOf("#")
  const reference = fromUnicode(absoluteFlake((cut === -1 ? named : named.slice(0, cut)) || "."))
  const fragment = cut === -1 ? "" : fromUnicode(named.slice(cut + 1))
  const text = flakeExpression(reference, flakePaths(fragment, settings.system))
  return { _tag: "Evaluated", source: { _tag: "Expression", text, directory: "/" }, attr: "", outputs }
}

/** What the words mean; none: the whole value, or the flake of this directory. */
export const installablesIn = Effect.fnUntraced(function* (line: CommandLine<InstallableKey>, settings: EvaluationSettings) {
  for (const key of line.used(["stdin", "overrideInput", "updateInput", "lockMisc", "inputsFrom"])) {
    return yield* new NotThere({ what: installableTable[key][0].split(" ")[0]! })
  }
  const file = line.last("file")
  const expr = line.last("expr")
  if (file !== undefined && expr !== undefined) return yield* new CompatError({ detail: "'--file' and '--expr' are exclusive" })
  if (file === undefined && expr === undefined) {
    const words = line.words.length === 0 ? ["."] : line.words
    return words.map((word): Installable => {
      const target = parseStoreTarget(word)
      return target === undefined ? flakeInstallable(word, settings) : { _tag: "Stored", target }
    })
  }
  const source = expr !== undefined ? expressionSource(expr) : file === "-" ? yield* standardSource : fileSource(file!)
  return (line.words.length === 0 ? [""] : line.words).map((word): Installable => {
    const { named, outputs } = splitOutputs(word)
    return { _tag: "Evaluated", source, attr: named === "." ? "" : fromUnicode(named), outputs }
  })
})

/** Evaluates what has to be; what is to be realised, in the order of the installables. */
export const targetsOf = Effect.fnUntraced(function* (installables: ReadonlyArray<Installable>, settings: EvaluationSettings) {
  const evaluator = yield* Evaluator
  const targets: Array<Target> = []
  for (const installable of installables) {
    if (installable._tag === "Stored") {
      targets.push(installable.target)
      continue
    }
    const { source, attr, outputs } = installable
    const result = yield* evaluator.run({ ...settings, source, attrPaths: [attr], mode: { kind: "derivations" }, readOnly: false })
    for (const { drvPath, outputsToInstall } of result._tag === "Derivations" ? result.derivations : []) {
      targets.push({ _tag: "Derivation", drvPath, outputs: outputs === "*" ? undefined : (outputs ?? outputsToInstall) })
    }
  }
  return targets
})

/** The derivation behind a target. */
export const derivationOf = Effect.fnUntraced(function* (target: Target) {
  if (target._tag === "Derivation") return target.drvPath
  const info = yield* (yield* PathInfoService).get(target.path)
  const deriver = Option.getOrUndefined(info)?.deriver
  return deriver ?? (yield* new CompatError({ detail: `'${toUnicode(target.path)}' does not have a known derivation` }))
})

/** Store paths that words name, without evaluating. */
export const storedPaths = (targets: ReadonlyArray<Target>): ReadonlyArray<StorePath> =>
  targets.map((target) => (target._tag === "Path" ? target.path : target.drvPath))
