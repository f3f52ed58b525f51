/**
 * `yix config …`: looks at the composition of services without opening any of them.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { toToml } from "../../config/Composition.ts"
import { drawSvg, drawText } from "../../config/Drawing.ts"
import * as LoadConfig from "../../config/LoadConfig.ts"
import { Switch } from "../CommonFlags.ts"
import { foundConfig, stateDirectory } from "../Configuration.ts"
import { printTextLine } from "../Output.ts"

const composition = Effect.gen(function* () {
  return yield* LoadConfig.load(yield* foundConfig, { stateDirectory: yield* stateDirectory })
})

const check = Command.make(
  "check",
  {},
  Effect.fn("yix config check")(function* () {
    const { file, instances } = yield* composition
    yield* printTextLine(`${file}: ${instances.size} services, all is well`)
  })
).pipe(Command.withDescription("Say what is wrong with the configuration, if anything"))

const show = Command.make(
  "show",
  {},
  Effect.fn("yix config show")(function* () {
    const composed = yield* composition
    yield* printTextLine(`# ${composed.file}\n${toToml(composed).trimEnd()}`)
  })
).pipe(Command.withDescription("Print the configuration with all defaults filled in, as TOML"))

const draw = Command.make(
  "draw",
  { svg: Switch("svg").pipe(Flag.withDescription("Draw boxes and arrows, as SVG")) },
  Effect.fn("yix config draw")(function* ({ svg }) {
    const composed = yield* composition
    yield* printTextLine(svg ? drawSvg(composed) : drawText(composed).join("\n"))
  })
).pipe(Command.withDescription("Draw which service uses which"))

export const configCommand = Command.make("config").pipe(
  Command.withDescription("Look at the composition of services (yix.toml)"),
  Command.withSubcommands([check, show, draw])
)
