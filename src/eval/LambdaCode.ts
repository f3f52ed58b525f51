/**
 * The code of a function: its parameters and its body; applying it makes the environment of the body.
 */
import { AttributeSet } from "./AttributeSet.ts"
import type { Position } from "./Positions.ts"
import type { Code, Env } from "./Code.ts"
import { Delay, untouched } from "./Code.ts"
import { machine } from "./Machine.ts"
import { Interrupted, NixError } from "./NixError.ts"
import { mismatch } from "./Describe.ts"
import { force } from "./Force.ts"
import type { Shape } from "./Shape.ts"
import { printName } from "../lang/Names.ts"
import { closestNames } from "../lang/Suggestions.ts"
import type { SymbolId } from "./Symbols.ts"
import { nameOf } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { Thunk } from "./Value.ts"

export interface Formal {
  readonly symbol: SymbolId
  readonly position: Position
  /** Evaluated in the body's environment. */
  readonly fallback: Code | undefined
}

const pollMask = 0x3fff

/** To be called on entering any call; `machine.depth` goes down again on the way out. */
export const enterCall = (): void => {
  const m = machine
  if (++m.depth > m.maxDepth) throw new NixError("stack-overflow", "stack overflow; max-call-depth exceeded")
  if ((++m.calls & pollMask) === 0 && m.host.interrupted()) throw new Interrupted()
}

export class LambdaCode {
  /** The name it is bound to, for messages; set by the binding. */
  name: SymbolId | undefined
  readonly position: Position
  /** `x:` or `x@{…}`. */
  readonly parameter: SymbolId | undefined
  /** In source order; slots 1… of the environment, after the parameter where there is one. */
  readonly formals: ReadonlyArray<Formal> | undefined
  readonly ellipsis: boolean
  readonly body: Code
  /** How many parameters of the functions around this one its frame begins with: it stands alone as their body. */
  readonly joins: number
  /** The shape of the last argument, and where the formals stand in it. */
  private shape: Shape | undefined = undefined
  private slots: ReadonlyArray<number> = []
  /** The frame of a call with formals. */
  private readonly template: ReadonlyArray<undefined>

  constructor(
    position: Position,
    parameter: SymbolId | undefined,
    formals: ReadonlyArray<Formal> | undefined,
    ellipsis: boolean,
    body: Code,
    name: SymbolId | undefined,
    joins: number
  ) {
    this.name = name
    this.template = untouched(1 + (parameter === undefined ? 0 : 1) + (formals?.length ?? 0))
    this.position = position
    this.parameter = parameter
    this.formals = formals
    this.ellipsis = ellipsis
    this.body = body
    this.joins = joins
  }

  get displayName(): string {
    return this.name === undefined ? "anonymous lambda" : nameOf(this.name)
  }

  /** The body, run with `argument` (perhaps a thunk). */
  apply(outer: Env, argument: Value): Value {
    enterCall()
    const env = this.formals === undefined ? this.frame(outer, argument) : this.bind(outer, argument, this.formals)
    const result = this.body.run(env)
    machine.depth--
    return result
  }

  /** The body, run in a frame that holds all parameters. */
  enter(frame: Env): Value {
    enterCall()
    const result = this.body.run(frame)
    machine.depth--
    return result
  }

  /** The frame of a call, where there are no formals. */
  frame(outer: Env, argument: Value): Env {
    const { joins } = this
    if (joins === 0) return [outer, argument]
    return joins === 1 ? [outer[0], outer[1], argument] : [outer[0], outer[1], outer[2], argument]
  }

  private bind(outer: Env, argument: Value, formals: ReadonlyArray<Formal>): Env {
    const set = argument instanceof AttributeSet ? argument : force(argument)
    if (!(set instanceof AttributeSet)) {
      throw mismatch("a set", set).during(`while evaluating the value passed for the lambda argument`, 0)
    }
    const slots = set.shape === this.shape ? this.slots : this.match(set, formals)
    const env = this.template.slice() as unknown as Env
    env[0] = outer
    let at = 1
    if (this.parameter !== undefined) env[at++] = argument
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number
      if (slot >= 0) env[at++] = set.at(slot)
      else {
        const fallback = (formals[i] as Formal).fallback as Code
        // A variable is one value with the argument, as in Nix.
        const plain = fallback.how === Delay.Constant || fallback.how === Delay.Variable
        env[at++] = plain ? fallback.delay(env) : new Thunk(fallback, env)
      }
    }
    return env
  }

  /** Where each formal's argument stands in a set; refuses missing and unexpected ones. */
  private match(set: AttributeSet, formals: ReadonlyArray<Formal>): ReadonlyArray<number> {
    let used = 0
    const slots: Array<number> = []
    for (let i = 0; i < formals.length; i++) {
      const formal = formals[i] as Formal
      const slot = set.shape.slot(formal.symbol)
      if (slot >= 0) used++
      else if (formal.fallback === undefined) {
        throw new NixError(
          "missing-argument",
          `function '${this.displayName}' called without required argument '${printName(nameOf(formal.symbol))}'`,
          this.position
        )
      }
      slots.push(slot)
    }
    if (!this.ellipsis && used !== set.size) {
      const known = new Set(formals.map((f) => f.symbol))
      for (const slot of set.shape.nameOrder) {
        const symbol = set.shape.symbols[slot] as number
        if (!known.has(symbol)) {
          const error = new NixError(
            "missing-argument",
            `function '${this.displayName}' called with unexpected argument '${printName(nameOf(symbol))}'`,
            this.position
          )
          error.suggestions = closestNames(
            nameOf(symbol),
            formals.map((f) => nameOf(f.symbol))
          )
          throw error
        }
      }
    }
    this.shape = set.shape
    this.slots = slots
    return slots
  }
}
