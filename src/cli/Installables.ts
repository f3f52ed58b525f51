/**
 * What a command is to work on: derivations that an evaluation gives, or store paths that the user names.
 */
import * as Effect from "effect/Effect"
import { fromUnicode } from "../nix/Bytes.ts"
import { isDerivationPath, isStorePath, type StorePath, storeDir } from "../nix/StorePath.ts"
import { Evaluator } from "../realise/Evaluation.ts"
import type { Target } from "../realise/Realiser.ts"
import { jobOf } from "./EvaluationFlags.ts"
import type { EvaluationInput } from "./EvaluationInput.ts"
import { UsageError } from "./Usage.ts"

/** A thing to realise, with names for its links. */
export interface Installable {
  readonly target: Target
  readonly drvPath: StorePath | undefined
}

/** `/nix/store/…`, `/nix/store/….drv`, `/nix/store/….drv!out,dev` (or with `^`); `*` is all outputs. */
export const parseStoreTarget = (text: string): Target | undefined => {
  if (!text.startsWith(`${storeDir}/`)) return undefined
  const [path, outputs] = text.split(/[!^]/, 2) as [string, string | undefined]
  const storePath = fromUnicode(path)
  if (!isStorePath(storePath)) return undefined
  if (!isDerivationPath(storePath)) return outputs === undefined ? { _tag: "Path", path: storePath } : undefined
  const names = outputs === undefined || outputs === "*" ? undefined : outputs.split(",").map(fromUnicode)
  return { _tag: "Derivation", drvPath: storePath, outputs: names }
}

/** What the flags name. An evaluation's derivations are known to the realiser afterwards. */
export const installablesOf = Effect.fnUntraced(function* (input: EvaluationInput, options: { readonly readOnly: boolean }) {
  if (input.input !== undefined && input.expr === undefined && input.file === undefined) {
    const target = parseStoreTarget(input.input)
    if (target !== undefined) {
      if (input.attrs.length > 0) return yield* new UsageError({ detail: `'${input.input}' is a store path: it has no attributes` })
      return [{ target, drvPath: target._tag === "Derivation" ? target.drvPath : undefined }] satisfies ReadonlyArray<Installable>
    }
  }
  const job = yield* jobOf(input, { kind: "derivations" }, options)
  const evaluator = yield* Evaluator
  const result = yield* evaluator.run(job)
  const derivations = result._tag === "Derivations" ? result.derivations : []
  return derivations.map(({ drvPath, outputsToInstall }): Installable => ({
    target: { _tag: "Derivation", drvPath, outputs: outputsToInstall },
    drvPath
  }))
})
