/**
 * Code: one expression, compiled on first use.
 *
 * `run(env)` gives the forced value; `delay(env)` gives a value that may be a thunk, and makes none where none is needed: constants, functions
 * and variables that already have a value. `run` is a field, not a method: one load and a call, whatever the expression. Most code is never run, so what is made
 * for it beforehand is this one object: `run` is a function that all code of a kind shares and that
 * finds in `this` what it works on. Code that is run gets another such function, and in `payload` what that needs. A closure would be two objects where this is one, and the
 * engine can make no constants of what a function refers to of which there are thousands. Arithmetic, interpolation and what is rare are closures all the same.
 *
 * An environment is an array: slot 0 the environment around it, then the variables. A slot may be `undefined`: its thunk is made from the
 * frame's code table when it is first touched.
 */
import type { Position } from "./Positions.ts"
import type { SymbolId } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { Thunk } from "./Value.ts"

export interface Env extends Array<Value | Env | null | undefined> {}

export type Run = (this: Code, env: Env) => Value

/** How `delay` goes about it, and what `depth`, `slot` and `payload` are. */
export const Delay = {
  /** By a thunk. The fields belong to `run`. */
  Thunk: 0,
  /** `payload` is the value. */
  Constant: 1,
  /** A variable `depth` frames out in slot `slot`; `payload` is that frame's code table (where its slots are made when touched). */
  Variable: 2,
  /** `run` makes the function and evaluates nothing; `payload` is the LambdaCode once there is one. */
  Function: 3,
  /** `payload`, a Code, in the environment around this one (`inherit a` inside a recursive set). */
  Outer: 4,
  /** What is in slot `slot` of the environment, made there by the Code `payload`: the slot of a recursive set and that of its environment share one value. */
  Shared: 5
} as const

export class Code {
  // No `#private` method: it would cost each new object a call into the engine's runtime. No subclass: calls of `run` would no longer see one kind of object.
  run: Run
  how: (typeof Delay)[keyof typeof Delay] = Delay.Thunk
  depth = 0
  slot = 0
  payload: unknown = undefined
  /** The attribute that errors are told to come from (`Force.ts`), or what a function is bound to; -1: none. */
  symbol: SymbolId = -1
  /** Of that attribute, or of a variable. */
  position: Position = 0

  constructor(run: Run) {
    this.run = run
  }

  /** From now on it is run so; what it was compiled from is not needed any more. */
  become(run: Run, payload: unknown): void {
    this.run = run
    this.payload = payload
  }

  delay(env: Env): Value {
    switch (this.how) {
      case Delay.Thunk:
        return new Thunk(this, env)
      case Delay.Constant:
        return this.payload as Value
      case Delay.Variable: {
        let frame = env
        for (let i = this.depth; i > 0; i--) frame = frame[0] as Env
        const value = frame[this.slot]
        if (value === undefined) return this.untouched(frame, env)
        if (value instanceof Thunk && value.code === null && !Array.isArray(value.env)) return value.env as Value
        return value as Value
      }
      case Delay.Function:
        return this.run(env)
      case Delay.Outer:
        return (this.payload as Code).delay(env[0] as Env)
      case Delay.Shared: {
        const value = env[this.slot]
        return value !== undefined ? (value as Value) : (env[this.slot] = (this.payload as Code).delay(env))
      }
    }
  }

  /** Whether it gives a function without evaluating anything: printing shows a promise where nobody has touched it. */
  get givesFunction(): boolean {
    return this.how === Delay.Function || (this.how === Delay.Shared && (this.payload as Code).how === Delay.Function)
  }

  /** A variable whose slot was never touched: its value is made now. Where that is a variable again, both become one value, as in Nix. */
  private untouched(frame: Env, env: Env): Value {
    const code = (this.payload as ReadonlyArray<Code | undefined> | undefined)?.[this.slot]
    if (code === undefined) return new Thunk(this, env)
    if (code.how === Delay.Variable || code.how === Delay.Outer) {
      // Stands in the slot meanwhile: variables that lead in a circle end here, and forcing it finds the circle.
      const own = new Thunk(code, frame)
      frame[this.slot] = own
      const value = code.delay(frame)
      frame[this.slot] = value
      return value
    }
    const value = code.how === Delay.Function ? new Thunk(code, frame) : code.delay(frame)
    frame[this.slot] = value
    return value
  }
}

/** The value of a variable that has one already; `undefined` where it must be evaluated. */
export const ready = (variable: Code, env: Env): Value | undefined => {
  let frame = env
  for (let i = variable.depth; i > 0; i--) frame = frame[0] as Env
  const value = frame[variable.slot] as Value | undefined
  return value instanceof Thunk ? (value.code === null ? (value.env as Value) : undefined) : value
}

/** `code.run(env)`. Most code whose value is wanted at once is a variable that has its value already: it is read here, without a call of what only `code` knows. */
export const evaluate = (code: Code, env: Env): Value => {
  if (code.how === Delay.Variable) {
    const value = ready(code, env)
    if (value !== undefined) return value
  }
  return code.run(env)
}

const runConstant: Run = function () {
  return this.payload as Value
}

/** Code that gives a value it was made with. */
export const constant = (value: Value): Code => {
  const code = new Code(runConstant)
  code.how = Delay.Constant
  code.payload = value
  return code
}

const templates: Array<ReadonlyArray<undefined>> = []

/**
 * What a frame or the values of a set are before anything in them is touched: to be copied with `slice`, which is one move of memory, where filling a new array is a
 * loop, and growing one by `push` takes three times the memory. One for each size: most functions and sets that are compiled never run.
 */
export const untouched = (size: number): ReadonlyArray<undefined> => (templates[size] ??= new Array<undefined>(size).fill(undefined))

const noEnv: Env = [null]

/** A thunk that runs a JavaScript function once. */
export const lazily = (run: () => Value): Thunk => new Thunk(new Code(run), noEnv)
