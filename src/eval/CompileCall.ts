/**
 * Calls `f a b …`: their arguments are delayed, and what they throw is told with the function and the place of the call.
 *
 * The payload is read where it is wanted: a variable for it would take room on the stack in each of the calls that nest.
 */
import type { Position } from "./Positions.ts"
import { call, call2, call3, callAll } from "./Call.ts"
import type { Code, Run } from "./Code.ts"
import { evaluate } from "./Code.ts"
import { NixError } from "./NixError.ts"
import type { Value } from "./Value.ts"
import { Builtin, Lambda } from "./Value.ts"

/** The error of a call, with the frames that tell of it. */
export const framed = (error: unknown, f: Value, position: Position): unknown => {
  if (error instanceof NixError) {
    if (error.position === 0 && error.kind === "stack-overflow" && error.trace.length === 0) error.position = position
    else if (f instanceof Lambda) {
      if (error.trace.length === 0 && error.kind === "missing-argument" && error.position === f.code.position) {
        return error.during("from call site", position)
      }
      const name = f.code.displayName
      error.during(name === "anonymous lambda" ? "while calling anonymous lambda" : `while calling '${name}'`, f.code.position)
      error.during("from call site", position)
    } else if (f instanceof Builtin) error.during(`while calling the '${f.name}' builtin`, position)
    else {
      if (error.position === 0 && error.trace.length === 0) error.position = position
      error.during("from call site", position)
    }
  }
  return error
}

/** What a call works on. */
export class Call {
  readonly callee: Code
  readonly args: ReadonlyArray<Code>
  readonly first: Code
  readonly position: Position
  constructor(callee: Code, args: ReadonlyArray<Code>, position: Position) {
    this.callee = callee
    this.args = args
    this.first = args[0] as Code
    this.position = position
  }
}

const runCall: Run = function (env) {
  const f = evaluate((this.payload as Call).callee, env)
  try {
    return call(f, (this.payload as Call).first.delay(env))
  } catch (error) {
    throw framed(error, f, (this.payload as Call).position)
  }
}

const runCall2: Run = function (env) {
  const f = evaluate((this.payload as Call).callee, env)
  try {
    return call2(f, (this.payload as Call).first.delay(env), ((this.payload as Call).args[1] as Code).delay(env))
  } catch (error) {
    throw framed(error, f, (this.payload as Call).position)
  }
}

const runCall3: Run = function (env) {
  const f = evaluate((this.payload as Call).callee, env)
  try {
    const { first, args } = this.payload as Call
    return call3(f, first.delay(env), (args[1] as Code).delay(env), (args[2] as Code).delay(env))
  } catch (error) {
    throw framed(error, f, (this.payload as Call).position)
  }
}

const runCallAll: Run = function (env) {
  const { args } = this.payload as Call
  const f = evaluate((this.payload as Call).callee, env)
  const values = new Array<Value>(args.length)
  for (let i = 0; i < args.length; i++) values[i] = (args[i] as Code).delay(env)
  try {
    return callAll(f, values)
  } catch (error) {
    throw framed(error, f, (this.payload as Call).position)
  }
}

/** Makes `code` a call. */
export const becomeCall = (code: Code, own: Call): void => {
  const n = own.args.length
  code.become(n === 1 ? runCall : n === 2 ? runCall2 : n === 3 ? runCall3 : runCallAll, own)
}
