/**
 * Strings with antiquotations: `"a ${b} c"`. The parts are a batch point where two or more of them have to be evaluated.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Code, Env, Run } from "./Code.ts"
import { Delay } from "./Code.ts"
import { unitedContext } from "./ContextStrings.ts"
import { Coercion, coerceToString } from "./Coerce.ts"
import { batch } from "./Force.ts"
import { NixError } from "./NixError.ts"
import type { Value } from "./Value.ts"
import { ContextString, textOf } from "./Value.ts"

/** Code for a string of these parts; `place` says where one stands. */
export const interpolation = (parts: ReadonlyArray<Code>, place: (part: number) => number): Run => {
  const written = parts.map((part) => (part.how === Delay.Constant && typeof part.payload === "string" ? part.payload : undefined))
  const coerced = (value: Value, i: number): ByteString | ContextString => {
    try {
      return coerceToString(value, Coercion.Plain, true)
    } catch (error) {
      throw error instanceof NixError ? error.during("while evaluating a path segment", place(i)) : error
    }
  }
  const part = (env: Env, i: number): ByteString | ContextString => {
    const text = written[i]
    if (text !== undefined) return text
    const value = (parts[i] as Code).run(env)
    return typeof value === "string" ? value : coerced(value, i)
  }
  const n = parts.length
  const open = parts.flatMap((code, i) => (code.how === Delay.Constant ? [] : [i]))
  if (open.length > 1) {
    return (env) => {
      const values = new Array<ByteString | ContextString>(n)
      batch(n, (i) => void (values[i] = part(env, i)))
      return join(values)
    }
  }
  // A path that is written out is no text yet.
  if (written.some((text, i) => text === undefined && i !== open[0])) {
    return (env) => join(parts.map((_, i) => part(env, i)))
  }
  const at = open[0] ?? n
  const before = written.slice(0, at).join("")
  const after = written.slice(at + 1).join("")
  if (open.length === 0) return () => before
  return (env) => {
    const value = part(env, at)
    return typeof value === "string" ? before + value + after : new ContextString(before + value.text + after, value.context)
  }
}

/** Strings one after the other, contexts united. */
export const join = (values: ReadonlyArray<ByteString | ContextString>): ByteString | ContextString => {
  let text = ""
  for (let i = 0; i < values.length; i++) text += textOf(values[i] as ByteString | ContextString)
  const context = unitedContext(values)
  return context === undefined ? text : new ContextString(text, context)
}
