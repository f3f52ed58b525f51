/**
 * `yix run`: runs a program of a store path as if the store were at `/nix/store`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { DirectoryService } from "../../castore/directory/DirectoryService.ts"
import type { Node } from "../../castore/Node.ts"
import { CheckoutCache } from "../../castore/view/Checkout.ts"
import { type ByteString, fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import { isStorePath, nameOf, splitStorePath, storeDir, StorePathError } from "../../nix/StorePath.ts"
import { Realiser } from "../../realise/Realiser.ts"
import { closure } from "../../store/Closure.ts"
import { locate } from "../../store/Lookup.ts"
import type { PathInfo } from "../../store/PathInfo.ts"
import { substituterFlags, withSubstituters } from "../Caches.ts"
import { evaluationFlags } from "../EvaluationFlags.ts"
import { installablesOf } from "../Installables.ts"
import { realiseFlags, realiseOptionsOf } from "../RealiseFlags.ts"
import { become, type Member } from "../StoreNamespace.ts"
import { ProgramArguments } from "../ProgramArguments.ts"
import { UsageError } from "../Usage.ts"
import { withEvaluator } from "../World.ts"

/** It is not clear which program to run. */
export class NoProgram extends Schema.TaggedError<NoProgram>()("NoProgram", {
  path: Schema.String,
  programs: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return this.programs.length === 0
      ? `'${this.path}' has no programs in bin/`
      : `'${this.path}' has several programs, none of them named after it: say which one by '${this.path}/bin/…' (${this.programs.join(", ")}), or with --program`
  }
}

const flags = {
  ...evaluationFlags,
  ...realiseFlags,
  ...substituterFlags,
  program: Flag.String("program").pipe(
    Flag.optional,
    Flag.withMetavar("NAME"),
    Flag.withDescription("Which program of bin/ to run (default: the only one, or the one named after the package)")
  )
}

/** A path below a store path, as in `/nix/store/…-hello/bin/hello`. */
const belowStore = (text: string) => {
  if (!text.startsWith(`${storeDir}/`) || isStorePath(fromUnicode(text))) return undefined
  try {
    const split = splitStorePath(fromUnicode(text))
    return split.rest === "" ? undefined : split
  } catch (error) {
    if (error instanceof StorePathError) return undefined
    throw error
  }
}

const entriesOf = (node: Node) =>
  node._tag !== "Directory"
    ? Effect.succeed([])
    : Effect.flatMap(DirectoryService, (directories) =>
        Effect.map(directories.get(node.digest), (found) => (Option.isSome(found) ? found.value.entries : []))
      )

/** The program of bin/ that is meant. */
const mainProgram = Effect.fnUntraced(function* (info: PathInfo) {
  if (info.node._tag === "File") return info.path as string
  const bin = (yield* entriesOf(info.node)).find(({ name }) => name === "bin")
  const names = bin === undefined ? [] : (yield* entriesOf(bin.node)).map(({ name }) => name)
  const bare = nameOf(info.path).replace(/-[0-9].*$/, "")
  const name = names.length === 1 ? names[0] : (names.find((n) => n === nameOf(info.path)) ?? names.find((n) => n === bare))
  if (name === undefined) return yield* new NoProgram({ path: info.path, programs: names.filter((n) => !n.startsWith(".")).map(toUnicode) })
  return `${info.path}/bin/${name}`
})

/** A path in the store that cannot be run. */
export class NotExecutable extends Schema.TaggedError<NotExecutable>()("NotExecutable", { path: Schema.String, kind: Schema.String }) {
  override get message(): string {
    return `'${this.path}' is a ${this.kind} and cannot be run`
  }
}

/** The program must be there and look like one; where a symlink leads is found out by running it. */
const checkProgram = Effect.fnUntraced(function* (program: ByteString) {
  const { node } = yield* locate(program)
  if (node._tag === "Directory") return yield* new NotExecutable({ path: toUnicode(program), kind: "directory" })
  if (node._tag === "File" && !node.executable) {
    return yield* new NotExecutable({ path: toUnicode(program), kind: "file without the executable bit" })
  }
  return toUnicode(program)
})

/** Everything that the program may see, on the host's disk. */
const membersOf = Effect.fnUntraced(function* (info: PathInfo) {
  const checkouts = yield* CheckoutCache
  return yield* Effect.forEach(
    yield* closure([info.path]),
    ({ path, node }): Effect.Effect<Member, Effect.Error<ReturnType<typeof checkouts.path>>> =>
      node._tag === "Symlink"
        ? Effect.succeed({ _tag: "Symlink", path, target: node.target })
        : Effect.map(checkouts.path(node), (host) => ({ _tag: "Checkout", path, host, directory: node._tag === "Directory" })),
    { concurrency: 8 }
  )
})

export const runCommand = Command.make(
  "run",
  flags,
  Effect.fn("yix run")(function* (input) {
    const options = yield* realiseOptionsOf(input, false)
    const below = input.input === undefined ? undefined : belowStore(input.input)
    const plan = yield* withEvaluator(
      withSubstituters(
        input,
        Effect.gen(function* () {
          const realiser = yield* Realiser
          const targets =
            below === undefined
              ? (yield* installablesOf(input, { readOnly: false })).map(({ target }) => target)
              : [{ _tag: "Path", path: below.storePath } as const]
          if (targets.length !== 1) return yield* new UsageError({ detail: `exactly one thing can be run, these are ${targets.length}` })
          const [realised] = yield* realiser.realise(targets)
          const info = realised!.outputs[0]!.info
          const program =
            below !== undefined
              ? `${below.storePath}${below.rest}`
              : Option.isSome(input.program)
                ? `${info.path}/bin/${fromUnicode(input.program.value)}`
                : yield* mainProgram(info)
          return { program: yield* checkProgram(program), members: yield* membersOf(info) }
        })
      ),
      options
    )
    // Outside of the store's scope: nothing of ours is open any more.
    return yield* become(plan.program, yield* ProgramArguments, plan.members)
  })
).pipe(Command.withDescription("Run a program of a store path, with its closure at /nix/store: yix run PATH [-- ARGUMENTS]"))
