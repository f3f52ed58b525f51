/**
 * `fetchClosure`, of the feature `fetch-closure`: a store path with all that it refers to from one binary cache; as it is, or rewritten so that its contents alone name it.
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { isStorePath, type StorePath } from "../../nix/StorePath.ts"
import type { AttributeSet } from "../AttributeSet.ts"
import { Coercion, coerceToText } from "../Coerce.ts"
import { mismatch } from "../Describe.ts"
import { contextNotAllowed, expectSet, only } from "../Expect.ts"
import { ask, force } from "../Force.ts"
import { NixError } from "../NixError.ts"
import { nameOf } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString } from "../Value.ts"

const refuse = (detail: string): never => {
  throw new NixError("eval", detail)
}

/** The store path that a string or path is; one that lies in a store path is none. */
const storePathOf = (value: Value): StorePath => {
  const path = coerceToText(value, new Set(), Coercion.Plain, false)
  return isStorePath(path) ? path : refuse(`path '${path}' is not in the Nix store`)
}

interface Arguments {
  cache: ByteString | undefined
  path: StorePath | undefined
  /** "": to be told by the error. */
  rewritten: StorePath | "" | undefined
  inputAddressed: boolean
}

const taken: ReadonlySet<ByteString> = new Set(["fromPath", "toPath", "fromStore", "inputAddressed"])

const read = (set: AttributeSet): Arguments => {
  const result: Arguments = { cache: undefined, path: undefined, rewritten: undefined, inputAddressed: false }
  for (let slot = 0; slot < set.size; slot++) {
    const name = nameOf(set.shape.symbols[slot] as number)
    const position = set.positions[slot] ?? 0
    const during = `while evaluating the attribute '${name}' passed to builtins.fetchClosure`
    if (!taken.has(name)) refuse(`attribute '${name}' isn't supported in call to 'fetchClosure'`)
    const value = set.at(slot)
    try {
      switch (name) {
        case "fromPath":
          result.path = storePathOf(value)
          break
        case "toPath":
          result.rewritten = force(value) === "" ? "" : storePathOf(value)
          break
        case "fromStore": {
          const url = force(value)
          if (typeof url !== "string") throw url instanceof ContextString ? contextNotAllowed(url) : mismatch("a string", url, position)
          result.cache = url
          break
        }
        case "inputAddressed": {
          const flag = force(value)
          if (typeof flag !== "boolean") throw mismatch("a Boolean", flag, position)
          result.inputAddressed = flag
          break
        }
      }
    } catch (error) {
      throw error instanceof NixError ? error.during(during, position) : error
    }
  }
  return result
}

const fetchClosure = (argument: Value): Value => {
  const { cache, path, rewritten, inputAddressed } = read(expectSet(argument, only("fetchClosure")))
  if (path === undefined) return refuse("attribute 'fromPath' is missing in call to 'fetchClosure'")
  if (inputAddressed && rewritten !== undefined) {
    return refuse("attribute 'inputAddressed' is set to true, but 'toPath' is also set. Please remove one of them")
  }
  if (cache === undefined) return refuse("attribute 'fromStore' is missing in call to 'fetchClosure'")
  // Nix takes directories in its tests alone; here they may be asked for by anyone who may read them.
  if (!/^(?:https?|file):\/\//i.test(cache)) return refuse("'fetchClosure' only supports http:// and https:// stores")
  if (cache.includes("?")) return refuse(`'fetchClosure' does not support URL query parameters (in '${cache}')`)
  const found = ask({
    ...{ _tag: "FetchClosure", cache, path },
    wanted: rewritten !== undefined ? "rewritten" : inputAddressed ? "input-addressed" : "content-addressed",
    rewritten: rewritten === "" ? undefined : rewritten
  }) as StorePath
  return new ContextString(found, new Set([found]))
}

/** Builtins that are there only with their feature. */
export const closures: ReadonlyArray<Builtin> = [new Builtin("fetchClosure", 1, fetchClosure)]
