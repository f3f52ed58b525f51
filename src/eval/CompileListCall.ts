/**
 * Calls whose last argument is a call as well, such as `concatStringsSep "," (map f list)`: where the one is a builtin that takes elements and the other one that
 * makes a list of calls, no list is made (`Elements.ts`). What is called is known when it is called first; for all others this is a call like any other from then on.
 */
import type { Position } from "./AttributeSet.ts"
import { call, call2, callAll } from "./Call.ts"
import type { Env, Run } from "./Code.ts"
import { Code, evaluate } from "./Code.ts"
import { callClosure, children, compile, framed } from "./Compile.ts"
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

/** The closure of a call whose last argument, at the node `last`, is a list call. */
export const callWithCall = (
  unit: Unit,
  last: number,
  scope: Scope | null,
  callee: Code,
  args: ReadonlyArray<Code>,
  position: Position
): Run => {
  const n = args.length
  const argument = args[n - 1] as Code
  const apply = (f: Value, env: Env, given: Value): Value => {
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
  return function (this: Code, env: Env): Value {
    const f = evaluate(callee, env)
    if (!takesElements(f, n)) {
      this.run = callClosure(callee, args, position)
      return apply(f, env, argument.delay(env))
    }
    const begin = begins(unit, last, scope)
    this.run = (again) => {
      const other = evaluate(callee, again)
      return apply(other, again, takesElements(other, n) ? new CallArgument(argument, again, begin) : argument.delay(again))
    }
    return apply(f, env, new CallArgument(argument, env, begin))
  }
}
