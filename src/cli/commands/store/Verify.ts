/**
 * `yix store verify`: checks that everything in the store is whole and what it claims to be.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { verify } from "../../../store/Verify.ts"
import { EventSink } from "../../../wire/Events.ts"
import { printTextLine } from "../../Output.ts"
import { parsePath, pathInfoOf } from "../../StoreQueries.ts"
import { withStore } from "../../World.ts"

/** The store has damage; each was told as it was found. */
export class StoreDamaged extends Schema.TaggedError<StoreDamaged>()("StoreDamaged", { problems: Schema.Finite }) {
  override get message(): string {
    return `the store has ${this.problems} problem${this.problems === 1 ? "" : "s"}; what is damaged can be removed and then built or fetched again`
  }
}

export const verifyCommand = Command.make(
  "verify",
  {
    paths: Argument.String("PATH").pipe(Argument.atLeast(0), Argument.withDescription("Only these store paths (default: the whole store)"))
  },
  Effect.fn("yix store verify")(function* (input) {
    const report = yield* withStore(
      Effect.gen(function* () {
        const emit = yield* EventSink
        const paths = yield* Effect.forEach(input.paths, (text) => Effect.flatMap(parsePath(text), pathInfoOf))
        return yield* verify({
          ...(paths.length === 0 ? {} : { paths: paths.map((info) => info.path) }),
          onProblem: (problem) => Effect.sync(() => emit({ _tag: "Message", level: "warning", text: problem.message }))
        })
      })
    )
    if (report.problems.length > 0) return yield* new StoreDamaged({ problems: report.problems.length })
    yield* printTextLine(
      `${report.paths} paths, ${report.directories} directories, ${report.blobs} blobs, ${report.bytes} bytes: all is well`
    )
  })
).pipe(Command.withDescription("Check the store for damage"))
