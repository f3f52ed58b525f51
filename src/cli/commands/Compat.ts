/**
 * `yix compat PROGRAM …`: Nix's programs with their own flags. The words after the program's name are not read as yix's (`ProgramArguments.ts`).
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { programs } from "../compat/Compat.ts"
import { CompatError } from "../compat/Common.ts"
import { ProgramArguments } from "../ProgramArguments.ts"
import { UsageError } from "../Usage.ts"

const list = Object.keys(programs).join(", ")

export const compatCommand = Command.make(
  "compat",
  {},
  Effect.fn("yix compat")(function* () {
    const [name, ...words] = yield* ProgramArguments
    if (name === undefined) return yield* new UsageError({ detail: `say which program of Nix is meant: ${list}` })
    const load = Object.hasOwn(programs, name) ? programs[name] : undefined
    if (load === undefined)
      return yield* new UsageError({ detail: `'${name}' is none of Nix's programs that yix can stand in for: ${list}` })
    const program = yield* Effect.promise(load)
    // Nix's programs know the statuses 0 and 1 for the command line.
    yield* Effect.catch(program(words), (error) =>
      Effect.fail(error instanceof UsageError ? new CompatError({ detail: error.message }) : error)
    )
  })
).pipe(Command.withDescription(`Stand in for a program of Nix: yix compat PROGRAM [ARGUMENTS], with its own flags (${list})`))
