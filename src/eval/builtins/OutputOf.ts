/**
 * `outputOf`, of the feature `dynamic-derivations`: the output of a derivation that a string names, and the output of a derivation that is itself an output.
 *
 * What uses an output of the second kind cannot be instantiated here: evaluation gives its placeholder, as Nix does, and `expectPlainDerivation` refuses it where a
 * derivation would have to depend on it.
 */
import { computedOutputPlaceholder, isDerivationPath, unknownOutputPlaceholder } from "../../nix/StorePath.ts"
import { expectString, expectText } from "../Expect.ts"
import { machine } from "../Machine.ts"
import { NixError } from "../NixError.ts"
import { outputString } from "../Outputs.ts"
import { parseContextElement } from "../Realisation.ts"
import type { Value } from "../Value.ts"
import { Builtin, contextOf, ContextString, textOf } from "../Value.ts"

const outputOf = (reference: Value, name: Value): Value => {
  const string = expectString(reference, "while evaluating the first argument to builtins.outputOf")
  const output = expectText(name, "while evaluating the second argument to builtins.outputOf")
  const text = textOf(string)
  const [element, ...more] = contextOf(string)
  if (element === undefined || more.length > 0) {
    const count = contextOf(string).size
    throw new NixError("eval", `string '${text}' has ${count} entries in its context. It should only have exactly one entry`)
  }
  const parsed = parseContextElement(element)
  switch (parsed._tag) {
    case "AllOutputs":
      throw new NixError(
        "eval",
        `string '${text}' has a context which refers to a complete source and binary closure. This is not supported at this time`
      )
    case "Output": {
      // Of an output of an output the string is a placeholder already.
      const inner = parsed.drvPath.startsWith("!") ? text : unknownOutputPlaceholder(parsed.drvPath, parsed.output)
      return new ContextString(computedOutputPlaceholder(inner, output), new Set([`!${output}!${element}`]))
    }
    case "Path":
      if (parsed.path !== text) throw new NixError("eval", `path string '${text}' has context with the different path '${parsed.path}'`)
      if (!isDerivationPath(parsed.path)) throw new NixError("eval", `path '${text}' is not a derivation`)
      return outputString(parsed.path, machine.derivations.get(parsed.path).derivation.outputs.get(output)?.path ?? "", output)
  }
}

/** Builtins that are there only with their feature. */
export const dynamic: ReadonlyArray<Builtin> = [new Builtin("outputOf", 2, outputOf)]
