/**
 * Contexts of strings, put together: what a text refers to that was made of several. Contexts are shared and never changed once a value has them.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { ContextString, StringContext } from "./Value.ts"

/** Adds what is in a context: by the engine alone, where a loop makes an object for each element. */
export const addContext = (context: Set<string>, more: StringContext): void => more.forEach(context.add, context)

const isSubset = (some: StringContext, all: StringContext): boolean => {
  if (some === all) return true
  for (const element of some) if (!all.has(element)) return false
  return true
}

/** The contexts of all of these united; `undefined` where they have none. One that adds nothing costs nothing. */
export const unitedContext = (strings: ReadonlyArray<ByteString | ContextString>): StringContext | undefined => {
  let context: StringContext | undefined
  let united: Set<string> | undefined
  for (let i = 0; i < strings.length; i++) {
    const string = strings[i] as ByteString | ContextString
    if (typeof string === "string") continue
    if (context === undefined) context = string.context
    else if (united === undefined && !isSubset(string.context, context)) context = united = new Set(context)
    if (united !== undefined) addContext(united, string.context)
  }
  return context
}
