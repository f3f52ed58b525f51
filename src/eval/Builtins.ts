/**
 * All builtins, by family, and the global names that programs see.
 *
 * A family is a list of `Builtin`s (name, arity, function; arguments arrive as they are, perhaps thunks; the result is forced). Constants and
 * what depends on the settings are thunks read when asked for.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { AttributeSet } from "./AttributeSet.ts"
import { fromSymbols } from "./AttributeSet.ts"
import { arithmetic } from "./builtins/Arithmetic.ts"
import { attributes } from "./builtins/Attributes.ts"
import { contexts } from "./builtins/Contexts.ts"
import { control } from "./builtins/Control.ts"
import { conversion } from "./builtins/Conversion.ts"
import { derivations } from "./builtins/Derivations.ts"
import { closures } from "./builtins/FetchClosure.ts"
import { fetching } from "./builtins/Fetching.ts"
import { files } from "./builtins/Files.ts"
import { importing } from "./builtins/Importing.ts"
import { lists } from "./builtins/Lists.ts"
import { dynamic } from "./builtins/OutputOf.ts"
import { sources } from "./builtins/Sources.ts"
import { strings } from "./builtins/Strings.ts"
import { trees } from "./builtins/Trees.ts"
import { types } from "./builtins/Types.ts"
import { versions } from "./builtins/Versions.ts"
import { lazily } from "./Code.ts"
import type { Feature } from "./FeatureNames.ts"
import { ask } from "./Force.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { nixVersion } from "./NixVersion.ts"
import type { SymbolId } from "./Symbols.ts"
import { symbol } from "./Symbols.ts"
import type { Builtin, Value } from "./Value.ts"

const families: ReadonlyArray<ReadonlyArray<Builtin>> = [
  types,
  arithmetic,
  lists,
  attributes,
  strings,
  versions,
  conversion,
  contexts,
  control,
  files,
  importing,
  sources,
  derivations,
  fetching,
  trees
]

/** Those that are there only with a feature. */
const experiments: ReadonlyArray<readonly [feature: Feature, family: ReadonlyArray<Builtin>]> = [
  ["dynamic-derivations", dynamic],
  ["fetch-closure", closures]
]

/** Builtins that are global under their own name; all others are global as `__name`. */
const bare = new Set<ByteString>([
  "abort",
  "baseNameOf",
  "break",
  "derivation",
  "derivationStrict",
  "dirOf",
  "fetchGit",
  "fetchMercurial",
  "fetchTarball",
  "fetchTree",
  "fromTOML",
  "import",
  "isNull",
  "map",
  "placeholder",
  "removeAttrs",
  "scopedImport",
  "throw",
  "toString"
])

const impureOnly = (name: string): NixError => new NixError("eval", `'builtins.${name}' is not available in pure evaluation mode`)

/** Names that stand in `builtins` and are no functions. */
const constants = (self: () => AttributeSet): ReadonlyArray<readonly [ByteString, Value]> => [
  ["true", true],
  ["false", false],
  ["null", null],
  ["builtins", lazily(self)],
  ["storeDir", "/nix/store"],
  ["nixVersion", nixVersion],
  ["langVersion", 6],
  [
    "currentSystem",
    lazily(() => {
      if (machine.settings.pure) throw impureOnly("currentSystem")
      return machine.settings.currentSystem
    })
  ],
  [
    "currentTime",
    lazily(() => {
      if (machine.settings.pure) throw impureOnly("currentTime")
      return ask({ _tag: "CurrentTime" }) as number
    })
  ],
  [
    "nixPath",
    lazily(() =>
      machine.settings.searchPath.map((entry) =>
        fromSymbols(
          [symbol("path"), symbol("prefix")].sort((a, b) => a - b),
          [symbol("path"), symbol("prefix")].sort((a, b) => a - b).map((s) => (s === symbol("path") ? entry.path : entry.prefix))
        )
      )
    )
  ]
]

/** Builtins of Nix 2.36 that impure evaluation alone has: absent from `builtins` in pure mode. */
const absentInPureMode = new Set<ByteString>(["currentSystem", "currentTime"])

/** The global names of a machine. Fresh values each time: thunks belong to one machine. */
export const makeGlobals = (pure: boolean, features: ReadonlySet<string> = new Set()): ReadonlyMap<SymbolId, Value> => {
  const globals = new Map<SymbolId, Value>()
  const symbols: Array<SymbolId> = []
  const values: Array<Value> = []
  let set: AttributeSet | undefined
  for (const [name, value] of constants(() => set as AttributeSet)) {
    if (pure && absentInPureMode.has(name)) continue
    symbols.push(symbol(name))
    values.push(value)
    const isBare = name === "true" || name === "false" || name === "null" || name === "builtins"
    globals.set(symbol(isBare ? name : `__${name}`), value)
  }
  const switchedOn = experiments.flatMap(([feature, family]) => (features.has(feature) ? [family] : []))
  for (const family of [...families, ...switchedOn]) {
    for (const builtin of family) {
      symbols.push(symbol(builtin.name))
      values.push(builtin)
      globals.set(symbol(bare.has(builtin.name) ? builtin.name : `__${builtin.name}`), builtin)
    }
  }
  set = fromSymbols(symbols, values)
  globals.set(symbol("builtins"), set)
  return globals
}
