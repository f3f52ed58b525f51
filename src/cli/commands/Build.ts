/**
 * `yix build`: realises derivations or store paths and prints where they are, one path a line. Leaves `result` links to checkouts of them, which also keep
 * them from being collected.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { ByteString } from "../../nix/Bytes.ts"
import { type Realised, Realiser, RealiseOptions } from "../../realise/Realiser.ts"
import { substituterFlags, withSubstituters } from "../Caches.ts"
import { Switch } from "../CommonFlags.ts"
import { evaluationFlags } from "../EvaluationFlags.ts"
import { installablesOf } from "../Installables.ts"
import { linkName, makeLink } from "../OutLink.ts"
import { printLine, printTextLine } from "../Output.ts"
import { realiseFlags, realiseOptionsOf } from "../RealiseFlags.ts"
import { withEvaluator } from "../World.ts"

export const buildFlags = {
  ...evaluationFlags,
  ...realiseFlags,
  ...substituterFlags,
  check: Switch("check").pipe(Flag.withDescription("Build again what is there and compare (status 104 when it differs)")),
  outLink: Flag.String("out-link").pipe(
    Flag.withAlias("o"),
    Flag.optional,
    Flag.withMetavar("NAME"),
    Flag.withDescription("Name of the links to the outputs (default: result)")
  ),
  noOutLink: Switch("no-out-link").pipe(Flag.withDescription("Make no links")),
  json: Switch("json").pipe(Flag.withDescription("Print JSON: derivations and their outputs"))
}

export const buildCommand = Command.make(
  "build",
  buildFlags,
  Effect.fn("yix build")(function* (input) {
    const options = yield* realiseOptionsOf(input, input.check)
    const realised = yield* withEvaluator(
      withSubstituters(
        input,
        Effect.gen(function* () {
          const installables = yield* installablesOf(input, { readOnly: false })
          const realiser = yield* Realiser
          const realised = yield* realiser.realise(installables.map(({ target }) => target))
          if (!input.noOutLink)
            yield* links(
              Option.getOrElse(input.outLink, () => "result"),
              realised
            )
          return realised
        })
      ),
      options
    ).pipe(Effect.provideService(RealiseOptions, options))
    if (input.json) return yield* printTextLine(JSON.stringify(realised.map(jsonOf)))
    for (const { outputs } of realised) for (const { path } of outputs) yield* printLine(path)
  })
).pipe(Command.withDescription("Build derivations and print the paths of their outputs"))

const links = Effect.fnUntraced(function* (stem: string, realised: ReadonlyArray<Realised>) {
  for (const [index, { outputs }] of realised.entries()) {
    for (const { name, info } of outputs) yield* makeLink(linkName(stem, index, name), info)
  }
})

const jsonOf = ({ target, outputs }: Realised) =>
  target._tag === "Path"
    ? { path: target.path }
    : { drvPath: target.drvPath, outputs: Object.fromEntries(outputs.map(({ name, path }): [ByteString, string] => [name, path])) }
