/**
 * What a wrong command line gives: one line that says what is wrong, one that says where help is; status 2. And help itself, when asked for.
 */
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { printTextLine } from "./Output.ts"
import { tell } from "./StandardStreams.ts"

export const usageStatus = 2

/** The flags are each right, together they are not. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { detail: Schema.String }) {
  get exitCode(): number {
    return usageStatus
  }
  override get message(): string {
    return this.detail
  }
}

const color = isatty(1) && (process.env["NO_COLOR"] ?? "") === ""
const formatter = CliOutput.defaultFormatter({ colors: color })

const presenter = CliOutput.layerPresenter({
  present: (event) => {
    switch (event._tag) {
      case "Help":
        return event.reason === "Requested"
          ? Effect.ignore(printTextLine(formatter.formatHelpDoc(event.helpDoc)))
          : Effect.sync(() => tell(CliOutput.defaultFormatter({ colors: false }).formatHelpDoc(event.helpDoc)))
      case "Version":
        return Effect.ignore(printTextLine(`${event.name} ${event.version}`))
      case "InvalidInvocation":
        return Effect.sync(() => {
          for (const line of new Set(event.errors.map((error) => error.message.replaceAll(/\s*\n\s*/g, " ").trim()))) tell(`error: ${line}`)
          tell(`Try '${event.commandPath.join(" ")} --help'.`)
        })
    }
  }
})

/** `--version` without the `-v` that means "say more" here. */
const version = GlobalFlag.Action({
  flag: Flag.Boolean("version").pipe(Flag.withDescription("Show the version"), Flag.withDefault(false), Flag.withoutNegation),
  run: GlobalFlag.Version.run
})

/** How the command line behaves: presenter and built-in flags. */
export const layer = Layer.mergeAll(presenter, CliConfig.layer({ builtIns: [GlobalFlag.Help, version, GlobalFlag.Completions] }))
