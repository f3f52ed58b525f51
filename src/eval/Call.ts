/**
 * Calling functions: lambdas, builtins, partial applications and sets with `__functor`. Arguments are given as they are, perhaps thunks.
 */
import { AttributeSet } from "./AttributeSet.ts"
import type { Env } from "./Code.ts"
import { Code } from "./Code.ts"
import { describe } from "./Describe.ts"
import { force } from "./Force.ts"
import { enterCall, LambdaCode } from "./LambdaCode.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"
import { printShort } from "./Print.ts"
import { Names } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { Builtin, Lambda, PartialBuiltin, Thunk } from "./Value.ts"

/** `f a`, forced. */
export const call = (f: Value, a: Value): Value => {
  const callee = force(f)
  if (callee instanceof Lambda) return callee.code.apply(callee.env, a)
  if (callee instanceof Builtin && callee.arity === 1) {
    enterCall()
    const result = callee.call(a, null, null)
    machine.depth--
    return result
  }
  return callOther(callee, a)
}

/** The rest of `call`, apart from it: what it needs would take room on the stack in each of the calls that nest. */
const callOther = (callee: Value, a: Value): Value => {
  if (callee instanceof Builtin) return new PartialBuiltin(callee, [a])
  if (callee instanceof PartialBuiltin) {
    const { args, builtin } = callee
    const n = args.length
    if (n + 1 < builtin.arity) return new PartialBuiltin(builtin, [...args, a])
    enterCall()
    const result = n === 1 ? builtin.call(args[0] as Value, a, null) : builtin.call(args[0] as Value, args[1] as Value, a)
    machine.depth--
    return result
  }
  if (callee instanceof AttributeSet) {
    const functor = callee.get(Names.functor)
    if (functor !== undefined) return call(call(functor, callee), a)
  }
  throw new NixError("type", `attempt to call something which is not a function but ${describe(callee)}: ${printShort(callee)}`)
}

/** `f a b`, forced. */
export const call2 = (f: Value, a: Value, b: Value): Value => {
  const callee = force(f)
  if (callee instanceof Lambda && callee.code.formals === undefined) {
    // `a: b: …`: the inner function is applied without being made.
    const { code, env } = callee
    const inner = code.body.payload
    if (inner instanceof LambdaCode) return inner.joins === 1 ? inner.enter([env, a, b]) : inner.apply(code.frame(env, a), b)
  }
  if (callee instanceof Builtin && callee.arity === 2) {
    enterCall()
    const result = callee.call(a, b, null)
    machine.depth--
    return result
  }
  return call(call(callee, a), b)
}

/** `f a b c`, forced. */
export const call3 = (f: Value, a: Value, b: Value, c: Value): Value => {
  const callee = force(f)
  if (callee instanceof Lambda && callee.code.formals === undefined) {
    const second = callee.code.body.payload
    const third = second instanceof LambdaCode && second.joins === 1 ? second.body.payload : undefined
    if (third instanceof LambdaCode && third.joins === 2) return third.enter([callee.env, a, b, c])
  }
  if (callee instanceof Builtin && callee.arity === 3) {
    enterCall()
    const result = callee.call(a, b, c)
    machine.depth--
    return result
  }
  return call(call2(callee, a, b), c)
}

/** `f a b …`, forced; there is at least one argument. */
export const callAll = (f: Value, args: ReadonlyArray<Value>): Value => {
  const n = args.length
  if (n === 1) return call(f, args[0] as Value)
  if (n === 2) return call2(f, args[0] as Value, args[1] as Value)
  let result = call3(f, args[0] as Value, args[1] as Value, args[2] as Value)
  for (let i = 3; i < n; i++) result = call(result, args[i] as Value)
  return result
}

/** Whether a forced value can be called. */
export const isFunction = (value: Value): boolean => value instanceof Lambda || value instanceof Builtin || value instanceof PartialBuiltin

const applied2 = new Code((env) => call2(env[1] as Value, env[2] as Value, env[3] as Value))

/** `f a b` as a thunk. */
export const lazyCall2 = (f: Value, a: Value, b: Value): Thunk => new Thunk(applied2, [null, f, a, b])

/** Many thunks of `f`: each is no more than its argument and the code that they share. */
export const lazyCalls = (f: Value): ((a: Value) => Thunk) => {
  const code = new Code((env) => call(f, env as unknown as Value))
  return (a) => new Thunk(code, a as unknown as Env)
}
