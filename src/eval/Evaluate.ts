/**
 * Evaluations from the outside: a machine, a source, and what is wanted of it.
 *
 * `run` drives one to its end where the host can block, or to a suspension at its root, after which it may be run again when an answer is there.
 */
import type { Origin } from "../lang/Syntax.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { makeGlobals } from "./Builtins.ts"
import { lazily } from "./Code.ts"
import { force, suspend } from "./Force.ts"
import { evaluateText, importFile } from "./Import.ts"
import type { FarRequest, IoHost } from "./IoRequest.ts"
import type { Settings } from "./Machine.ts"
import { defaultSettings, enter, Machine } from "./Machine.ts"
import { Interrupted, NixError } from "./NixError.ts"
import type { Thunk, Value } from "./Value.ts"

export type Outcome<A> =
  | { readonly _tag: "Done"; readonly value: A }
  | { readonly _tag: "Failed"; readonly error: NixError }
  /** Run again when one of these is answered. */
  | { readonly _tag: "Suspended"; readonly requests: ReadonlyArray<FarRequest> }
  | { readonly _tag: "Interrupted" }

/** A machine ready to evaluate. */
export const makeMachine = (host: IoHost, settings: Partial<Settings> = {}): Machine => {
  const machine = new Machine(host, { ...defaultSettings, ...settings })
  machine.globals = makeGlobals(machine.settings.pure, machine.settings.features)
  return machine
}

/** A program whose result is a JavaScript value. Run again after a suspension, it goes on with what it knows. */
export interface Program<A> {
  run(): Outcome<A>
}

/** Wraps a computation over values. It is one thunk: after a suspension its finished parts are kept and its lines are not printed again. */
export const program = <A>(machine: Machine, body: () => A): Program<A> => {
  let result: A
  const root: Thunk = enter(machine, () =>
    lazily(() => {
      result = body()
      return null
    })
  )
  return {
    run: () =>
      enter(machine, (): Outcome<A> => {
        machine.depth = 0
        machine.openBatches = 0
        try {
          force(root)
          return { _tag: "Done", value: result }
        } catch (error) {
          if (error === suspend) return { _tag: "Suspended", requests: machine.blockedOn }
          if (error instanceof NixError) return { _tag: "Failed", error }
          if (error instanceof Interrupted) return { _tag: "Interrupted" }
          if (error instanceof RangeError) {
            machine.host.stackExhausted?.()
            return { _tag: "Failed", error: new NixError("stack-overflow", "stack overflow (possible infinite recursion)") }
          }
          throw error
        }
      })
  }
}

/** The value of a text. To be called inside a program. */
export const textValue = (source: ByteString, origin: Origin, directory: ByteString): Value => evaluateText(source, origin, directory)

/** The value of a file or of the `default.nix` of a directory. To be called inside a program. */
export const fileValue = (path: ByteString): Value => importFile(path)
