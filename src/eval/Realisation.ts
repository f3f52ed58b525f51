/**
 * From values to things that exist: realising the context of a string, and paths whose content somebody wants to read.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { Coercion, coerceToText } from "./Coerce.ts"
import { ask, force } from "./Force.ts"
import type { ContextElement } from "./IoRequest.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { normalise } from "./Paths.ts"
import type { Value } from "./Value.ts"
import { NixPath } from "./Value.ts"

/** Takes an encoded context element apart (see `StringContext`). */
export const parseContextElement = (element: string): ContextElement => {
  if (element.startsWith("!")) {
    const at = element.indexOf("!", 1)
    return { _tag: "Output", output: element.slice(1, at), drvPath: element.slice(at + 1) as StorePath }
  }
  if (element.startsWith("=")) return { _tag: "AllOutputs", drvPath: element.slice(1) as StorePath }
  return { _tag: "Path", path: element as StorePath }
}

/** Refuses an output of a derivation that is itself an output: nothing here can instantiate or build what uses it. */
export const expectPlainDerivation = (drvPath: ByteString): void => {
  if (!drvPath.startsWith("!")) return
  throw new NixError("eval", `cannot use the output of '${drvPath}': derivations made by derivations are not supported`)
}

/** Makes everything present that a context names. Derivation outputs are built or substituted. */
export const realiseContext = (context: ReadonlySet<string>): void => {
  if (context.size === 0) return
  const elements = [...context].sort().map(parseContextElement)
  const drvPaths = elements.flatMap((e) => (e._tag === "Output" ? [e.drvPath] : []))
  for (const drvPath of drvPaths) expectPlainDerivation(drvPath)
  const m = machine
  if (drvPaths.length > 0 && !m.settings.allowImportFromDerivation) {
    throw new NixError(
      "eval",
      `cannot build '${drvPaths[0]}' during evaluation because the option 'allow-import-from-derivation' is disabled`
    )
  }
  // Files of derivations made here are read from memory.
  const wanted = elements.filter((e) => e._tag !== "AllOutputs" && !(e._tag === "Path" && m.derivations.has(e.path)))
  if (wanted.length > 0) ask({ _tag: "Realise", elements: wanted, derivations: m.derivations.untold(drvPaths) })
}

/**
 * The absolute path that a value stands for, with its context realised: what `import`, `readFile` and the like read. Paths, strings, and sets with
 * `outPath` or `__toString`.
 */
export const realisePath = (value: Value): ByteString => {
  const path = pathOf(value)
  realiseContext(path.context)
  return path.path
}

/** The same without realising: for builtins that treat the context themselves. */
export const pathOf = (value: Value): { readonly path: ByteString; readonly context: ReadonlySet<string> } => {
  const v = force(value)
  if (v instanceof NixPath) return { path: v.path, context: new Set() }
  const context = new Set<string>()
  const text = coerceToText(v, context, Coercion.Plain, false)
  if (!text.startsWith("/")) {
    throw new NixError("eval", `string '${text}' doesn't represent an absolute path`)
  }
  return { path: normalise(text), context }
}
