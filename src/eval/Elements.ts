/**
 * The elements of a list for who takes them one after the other and keeps none.
 *
 * Much of what lists are for is `concatStringsSep "," (map f list)`: a list that nobody has but the builtin that it is made for. Of such a list there is only what it is
 * made of, and each of its elements only as long as it is looked at; a list of promises that nobody can see is not made.
 */
import { call, lazyCalls } from "./Call.ts"
import type { Code, Env } from "./Code.ts"
import { expectList } from "./Expect.ts"
import { force, poll } from "./Force.ts"
import type { Value } from "./Value.ts"
import { Thunk } from "./Value.ts"

export class Elements {
  readonly size: number
  /** What is called for each element; `undefined`: `from` has the elements themselves. */
  private readonly f: Value | undefined
  /** What it is called with; `undefined`: the index. */
  private readonly from: ReadonlyArray<Value> | undefined
  private readonly delayed: ((a: Value) => Thunk) | undefined

  private constructor(size: number, f: Value | undefined, from: ReadonlyArray<Value> | undefined) {
    this.size = size
    this.f = f
    this.from = from
    this.delayed = f === undefined ? undefined : lazyCalls(f)
  }

  /** Those of a list. */
  static of(list: ReadonlyArray<Value>): Elements {
    return new Elements(list.length, undefined, list)
  }

  /** What a function gives for each element of a list. */
  static mapped(f: Value, list: ReadonlyArray<Value>): Elements {
    return new Elements(list.length, f, list)
  }

  /** What a function gives for each index below `size`. */
  static generated(f: Value, size: number): Elements {
    return new Elements(size, f, undefined)
  }

  /** The element, perhaps a thunk. Where there is no list, another one each time. */
  at(index: number): Value {
    const { delayed, from } = this
    const known = from === undefined ? index : (from[index] as Value)
    return delayed === undefined ? known : delayed(known)
  }

  /** The element, forced. Where there is no list, it is evaluated each time. */
  value(index: number): Value {
    const { f, from } = this
    const known = from === undefined ? index : (from[index] as Value)
    return f === undefined ? force(known) : call(f, known)
  }

  /** All of them, as a list. */
  list(): Array<Value> {
    const { delayed, from, size } = this
    if (delayed === undefined) return from as Array<Value>
    const list = new Array<Value>(size)
    for (let i = 0; i < size; i++) {
      poll()
      list[i] = delayed(from === undefined ? i : (from[i] as Value))
    }
    return list
  }
}

/** An argument that is a call, and that nobody has but the builtin which it is given to. For all others it is a thunk like any other. */
export class CallArgument extends Thunk {
  private readonly begin: (env: Env) => Elements | Value

  constructor(code: Code, env: Env, begin: (env: Env) => Elements | Value) {
    super(code, env)
    this.begin = begin
  }

  /** Evaluates the call, once. Gives the elements where it would make a list of calls, and else its value. */
  open(): Elements | Value {
    return this.begin(this.env as Env)
  }
}

/** The elements of a list. To be asked of the last argument of a builtin that `takesElements`. */
export const expectElements = (list: Value, during: string): Elements => {
  const opened = list instanceof CallArgument ? list.open() : list
  return opened instanceof Elements ? opened : Elements.of(expectList(opened, during))
}
