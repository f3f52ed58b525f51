/**
 * Calls whose last argument is a call as well, such as `concatStringsSep "," (map f list)`: where the one is a builtin that takes elements and the other one that
 * makes a list of calls, no list is made (`Elements.ts`). What is called is known when it is called first; for all others this is a call like any other from then on.
 */
import { call, call2, callAll } from "./Call.ts"
import type { Code, Env, Run } from "./Code.ts"
import { evaluate } from "./Code.ts"
import { children, compile } from "./Compile.ts"
import type { Call } from "./CompileCall.ts"
import { becomeCall, framed } from "./CompileCall.ts"
import type { Elements } from "./Elements.ts"
import { CallArgument } from "./Elements.ts"
import { enterCall } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import type { Scope } from "./Scope.ts"
import * as Kind from "../lang/Kind.ts"
import type { Unit } from "./Unit.ts"
import type { Value } from "./Value.ts"
import { Builtin, PartialBuiltin } from "./Value.ts"

/** Arguments of the builtins that make lists of calls. */
const listCallArity = 2

/** Whether a node is a call of as many arguments as builtins have that make lists of calls. */
export const isListCall = (unit: Unit, node: number): boolean => unit.kind(node) === Kind.Call && unit.cell(node, 4) === listCallArity

/** Whether a function that is given the last of `n` arguments takes the elements of it. */
const takesElements = (f: Value, n: number): boolean =>
  f instanceof Builtin
    ? f.takesElements && f.arity === n
    : f instanceof PartialBuiltin && f.builtin.takesElements && f.builtin.arity === f.args.length + n

/** How the call at a node is begun for who takes elements. */
const begins = (unit: Unit, node: number, scope: Scope | null): ((env: Env) => Elements | Value) => {
  const position = unit.position(node)
  const callee = compile(unit, unit.cell(node, 3), scope)
  const [first, second] = children(unit, node + 4, scope) as [Code, Code]
  return (env) => {
    const f = evaluate(callee, env)
    const a = first.delay(env)
    const b = second.delay(env)
    try {
      if (!(f instanceof Builtin) || f.elements === undefined) return call2(f, a, b)
      enterCall()
      const elements = f.elements(a, b)
      machine.depth--
      return elements
    } catch (error) {
      throw framed(error, f, position)
    }
  }
}

/** A call whose last argument, at the node `last`, is a list call. */
class CallWithCall {
  readonly call: Call
  readonly unit: Unit
  readonly last: number
  readonly scope: Scope | null
  begin: ((env: Env) => Elements | Value) | undefined = undefined

  constructor(call: Call, unit: Unit, last: number, scope: Scope | null) {
    this.call = call
    this.unit = unit
    this.last = last
    this.scope = scope
  }
}

const apply = ({ args, position }: Call, f: Value, env: Env, given: Value): Value => {
  const n = args.length
  try {
    if (n === 1) return call(f, given)
    const values = new Array<Value>(n)
    for (let i = 0; i < n - 1; i++) values[i] = (args[i] as Code).delay(env)
    values[n - 1] = given
    return callAll(f, values)
  } catch (error) {
    throw framed(error, f, position)
  }
}

const runCallWithCall: Run = function (env) {
  const own = this.payload as CallWithCall
  const { args, callee } = own.call
  const argument = args[args.length - 1] as Code
  const f = evaluate(callee, env)
  if (!takesElements(f, args.length)) {
    if (own.begin === undefined) becomeCall(this, own.call)
    return apply(own.call, f, env, argument.delay(env))
  }
  own.begin ??= begins(own.unit, own.last, own.scope)
  return apply(own.call, f, env, new CallArgument(argument, env, own.begin))
}

/** Makes `code` a call whose last argument, at the node `last`, is a list call. */
export const callWithCall = (code: Code, unit: Unit, last: number, scope: Scope | null, own: Call): void =>
  code.become(runCallWithCall, new CallWithCall(own, unit, last, scope))
