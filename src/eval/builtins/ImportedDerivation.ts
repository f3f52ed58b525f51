/**
 * `import` of a `.drv` file: the derivation as a set that can be built and asked for its outputs, as `derivation` gives one, but without the attributes it was
 * made from.
 */
import type { StorePath } from "../../nix/StorePath.ts"
import { isDerivationPath, isStorePath } from "../../nix/StorePath.ts"
import { fromSymbols, update } from "../AttributeSet.ts"
import { lazily } from "../Code.ts"
import { pathType } from "../Import.ts"
import { machine } from "../Machine.ts"
import { Names, symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { ContextString } from "../Value.ts"
import { outputString } from "../Outputs.ts"

const all = symbol("all")

/** Whether an import of this path is one of a derivation: it was made here, or is in the store. */
export const isImportedDerivation = (path: string): path is StorePath =>
  isStorePath(path) && isDerivationPath(path) && (machine.derivations.has(path) || pathType(path, false) === "regular")

/** The set for a derivation: that of its first output. */
export const importedDerivation = (drvPath: StorePath): Value => {
  const { derivation } = machine.derivations.get(drvPath)
  const outputs = [...derivation.outputs.keys()]
  const sets: Array<Value> = []
  const common = fromSymbols(
    [...outputs.map(symbol), all, Names.drvPath, Names.name, Names.type],
    [
      ...outputs.map((_, i) => lazily(() => sets[i] as Value)),
      lazily(() => [...sets]),
      new ContextString(drvPath, new Set([`=${drvPath}`])),
      derivation.env.get("name") ?? derivation.name,
      "derivation"
    ]
  )
  for (const [output, { path }] of derivation.outputs) {
    sets.push(update(common, fromSymbols([Names.outPath, Names.outputName], [outputString(drvPath, path, output), output])))
  }
  return sets[0] as Value
}
