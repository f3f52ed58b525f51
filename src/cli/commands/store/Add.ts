/**
 * `yix store add`: copies a file or tree of the host into the store.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { fromUnicode } from "../../../nix/Bytes.ts"
import { HashError, parseHash } from "../../../nix/Hash.ts"
import { addPath } from "../../../store/Add.ts"
import { Switch } from "../../CommonFlags.ts"
import { printLine } from "../../Output.ts"
import { UsageError } from "../../Usage.ts"
import { withStore } from "../../World.ts"

const parseExpected = (text: string) =>
  Effect.try({
    try: () => parseHash(text, "sha256"),
    catch: (error) => new UsageError({ detail: error instanceof HashError ? error.message : String(error) })
  })

export const addCommand = Command.make(
  "add",
  {
    paths: Argument.String("PATH").pipe(Argument.atLeast(1), Argument.withDescription("Files, directories or symlinks of this machine")),
    name: Flag.String("name").pipe(
      Flag.optional,
      Flag.withMetavar("NAME"),
      Flag.withDescription("Name in the store (default: that of the file)")
    ),
    flat: Switch("flat").pipe(Flag.withDescription("Address a file by the hash of its contents instead of its NAR")),
    hash: Flag.String("hash").pipe(Flag.optional, Flag.withMetavar("HASH"), Flag.withDescription("Refuse anything that has another hash"))
  },
  Effect.fn("yix store add")(function* ({ paths, name, flat, hash }) {
    if (paths.length > 1 && (Option.isSome(name) || Option.isSome(hash))) {
      return yield* new UsageError({ detail: "--name and --hash go with one path only" })
    }
    const expected = Option.isSome(hash) ? yield* parseExpected(hash.value) : undefined
    const infos = yield* withStore(
      Effect.forEach(paths, (given) => {
        const absolute = path.resolve(given)
        return addPath(fromUnicode(Option.getOrElse(name, () => path.basename(absolute))), fromUnicode(absolute), {
          method: flat ? "flat" : "recursive",
          algorithm: expected?.algorithm,
          expected
        })
      })
    )
    for (const info of infos) yield* printLine(info.path)
  })
).pipe(Command.withDescription("Copy files of this machine into the store"))
