/**
 * Values.
 *
 * Representation, chosen by measurement (shared/reference/measurements.md part II §7):
 *
 *     null, booleans     themselves
 *     integer            a JS number within ±2^53, a bigint outside, always within 64 bits
 *     float              `NixFloat`
 *     string             a JS string of bytes; `ContextString` only when it has a context
 *     path               `NixPath`
 *     list               an array of values, elements perhaps thunks
 *     attribute set      `AttributeSet` (its own file)
 *     function           `Lambda`, `Builtin`, `PartialBuiltin`
 *     unevaluated        `Thunk`, updated in place; never the result of `force`
 *
 * Two fields a thunk: `code` and `env`; when forced, `code` is null and `env` is the value.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { AttributeSet } from "./AttributeSet.ts"
import type { Code, Env } from "./Code.ts"
import type { Elements } from "./Elements.ts"
import type { LambdaCode } from "./LambdaCode.ts"

export class NixFloat {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

/** Encoded context elements: `/nix/store/…` (a path), `!out!/nix/store/….drv` (an output), `=/nix/store/….drv` (a derivation with all outputs). */
export type StringContext = ReadonlySet<string>

export class ContextString {
  readonly text: ByteString
  /** Never empty. */
  readonly context: StringContext
  constructor(text: ByteString, context: StringContext) {
    this.text = text
    this.context = context
  }
}

export class NixPath {
  /** Absolute and normalised. */
  readonly path: ByteString
  constructor(path: ByteString) {
    this.path = path
  }
}

export class Thunk {
  /** `null` once forced; a black hole while being forced. */
  code: Code | null
  /** The environment; the value once forced. */
  env: Env | Value
  constructor(code: Code, env: Env) {
    this.code = code
    this.env = env
  }
}

/** What is known of a value without evaluating it: a thunk only where it was never forced. */
export const settled = (value: Value): Value => (value instanceof Thunk && value.code === null ? (value.env as Value) : value)

export class Lambda {
  readonly code: LambdaCode
  readonly env: Env
  constructor(code: LambdaCode, env: Env) {
    this.code = code
    this.env = env
  }
}

/** A function of `arity` arguments, given as they are (perhaps thunks); returns a forced value. */
export type BuiltinFunction = (a: Value, b: Value, c: Value) => Value

export class Builtin {
  readonly name: string
  readonly arity: number
  readonly call: BuiltinFunction
  /** Whether it looks at the elements of its last argument one after the other, and at nothing else of it: it may be given a `CallArgument`. */
  readonly takesElements: boolean
  /** Of one that makes a list of calls: those calls, for who takes elements. */
  readonly elements: ((a: Value, b: Value) => Elements) | undefined
  constructor(
    name: string,
    arity: number,
    call: BuiltinFunction,
    takesElements = false,
    elements: ((a: Value, b: Value) => Elements) | undefined = undefined
  ) {
    this.name = name
    this.arity = arity
    this.call = call
    this.takesElements = takesElements
    this.elements = elements
  }
}

export class PartialBuiltin {
  readonly builtin: Builtin
  /** Fewer than the arity. */
  readonly args: ReadonlyArray<Value>
  constructor(builtin: Builtin, args: ReadonlyArray<Value>) {
    this.builtin = builtin
    this.args = args
  }
}

export type Value =
  | null
  | boolean
  | number
  | bigint
  | NixFloat
  | ByteString
  | ContextString
  | NixPath
  | Array<Value>
  | AttributeSet
  | Lambda
  | Builtin
  | PartialBuiltin
  | Thunk

export type FunctionValue = Lambda | Builtin | PartialBuiltin

const none: StringContext = new Set()

/** The context of a string value; empty for plain strings. */
export const contextOf = (value: ByteString | ContextString): StringContext => (typeof value === "string" ? none : value.context)

/** The bytes of a string value. */
export const textOf = (value: ByteString | ContextString): ByteString => (typeof value === "string" ? value : value.text)

/** A string value with this context, plain when the context is empty. */
export const withContext = (text: ByteString, context: StringContext): ByteString | ContextString =>
  context.size === 0 ? text : new ContextString(text, context)

const safe = Number.MAX_SAFE_INTEGER

/** A bigint within 64 bits as an integer value in its canonical form. */
export const fromBigInt = (value: bigint): number | bigint =>
  value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value

/** Whether a bigint fits into 64 signed bits. */
export const fitsInt64 = (value: bigint): boolean => BigInt.asIntN(64, value) === value

/** Whether a JS number is an exact integer value. */
export const isExact = (value: number): boolean => value <= safe && value >= -safe
