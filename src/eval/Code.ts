/**
 * Code: one expression, compiled on first use.
 *
 * `run(env)` gives the forced value; `delay(env)` gives a value that may be a thunk, and makes none where none is needed: constants, functions
 * and variables that already have a value. `run` is a field holding a closure, not a method: one load and a call, whatever the expression.
 *
 * An environment is an array: slot 0 the environment around it, then the variables. A slot may be `undefined`: its thunk is made from the
 * frame's code table when it is first touched.
 */
import type { Value } from "./Value.ts"
import { Lambda, Thunk } from "./Value.ts"
import type { LambdaCode } from "./LambdaCode.ts"

export interface Env extends Array<Value | Env | null | undefined> {}

export type Run = (env: Env) => Value

/** How `delay` goes about it. */
export const Delay = {
  Thunk: 0,
  Constant: 1,
  /** A variable `depth` frames out in slot `slot`. */
  Variable: 2,
  Function: 3,
  /** `inner`, in the environment around this one (`inherit a` inside a recursive set). */
  Outer: 4
} as const

export class Code {
  // No `#private` method: it would cost each new object a call into the engine's runtime.
  run: Run
  how: (typeof Delay)[keyof typeof Delay] = Delay.Thunk
  depth = 0
  slot = 0
  /** The constant, the frame's code table (where its slots are made when touched), the LambdaCode or the inner Code, as `how` says. */
  payload: unknown = undefined

  constructor(run: Run) {
    this.run = run
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
        return new Lambda(this.payload as LambdaCode, env)
      case Delay.Outer:
        return (this.payload as Code).delay(env[0] as Env)
    }
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

/** Code that gives a value it was made with. */
export const constant = (value: Value): Code => {
  const code = new Code(() => value)
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
