/**
 * The `yix` program: its commands and what they share. The module of a command is loaded when that command is asked for, all of them for help and for
 * words that are no command.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import manifest from "../../package.json" with { type: "json" }
import { rewrite } from "./Argv.ts"
import { commonFlags } from "./CommonFlags.ts"
import * as Platform from "./Platform.ts"
import { runToExit } from "./Process.ts"
import { ProgramArguments, splitArguments } from "./ProgramArguments.ts"
import { tracingLayer } from "./Tracing.ts"
import * as Usage from "./Usage.ts"

/** What a command may need and fail with: the flags that all share, and errors with a message and perhaps an exit code. */
type AnyCommand = Command.Command<string, unknown, unknown, { readonly message: string }, (typeof commonFlags)[number]["Identifier"]>

/** The command, where it asks for no service that nobody gives it; what it is called and reads is its own affair. */
const fitting = <Name extends string, Input, Context, E extends { readonly message: string }>(
  command: Command.Command<Name, Input, Context, E, (typeof commonFlags)[number]["Identifier"]>
): AnyCommand => command as unknown as AnyCommand

/** In the order of the help text. */
const commands: ReadonlyArray<readonly [name: string, load: () => Promise<AnyCommand>]> = [
  ["eval", async () => fitting((await import("./commands/Eval.ts")).evalCommand)],
  ["build", async () => fitting((await import("./commands/Build.ts")).buildCommand)],
  ["instantiate", async () => fitting((await import("./commands/Instantiate.ts")).instantiateCommand)],
  ["eval-jobs", async () => fitting((await import("./commands/EvalJobs.ts")).evalJobsCommand)],
  ["repl", async () => fitting((await import("./commands/Repl.ts")).replCommand)],
  ["run", async () => fitting((await import("./commands/Run.ts")).runCommand)],
  ["store", async () => fitting((await import("./commands/Store.ts")).storeCommand)],
  ["derivation", async () => fitting((await import("./commands/Derivation.ts")).derivationCommand)],
  ["log", async () => fitting((await import("./commands/Log.ts")).logCommand)],
  ["copy", async () => fitting((await import("./commands/Copy.ts")).copyCommand)],
  ["serve", async () => fitting((await import("./commands/Serve.ts")).serveCommand)],
  ["compat", async () => fitting((await import("./commands/Compat.ts")).compatCommand)],
  ["config", async () => fitting((await import("./commands/Config.ts")).configCommand)]
]

/** The name of the command that is asked for. Every known flag has its value in one word here, so it is the first other word. */
const nameIn = (argv: ReadonlyArray<string>): string | undefined => argv.find((word) => !word.startsWith("-"))

/** The command that is asked for, or all of them. */
const load = async (argv: ReadonlyArray<string>): Promise<ReadonlyArray<AnyCommand>> => {
  const asked = commands.filter(([name]) => name === nameIn(argv))
  return Promise.all((asked.length > 0 ? asked : commands).map(([, load]) => load()))
}

/** Runs the command line given, without program and script, and ends the process. `taking`: called when the process is its own from now on. */
export const main = async (words: ReadonlyArray<string>, taking: () => void = () => {}): Promise<void> => {
  const { own, program } = splitArguments(words)
  const argv = rewrite(own)
  const yix = Command.make("yix").pipe(
    Command.withDescription("Evaluate, fetch and build Nix expressions into a content-addressed store"),
    Command.withSubcommands(await load(argv)),
    Command.provide(tracingLayer(nameIn(argv) !== "config")),
    Command.withGlobalFlags(commonFlags)
  )
  taking()
  runToExit(
    Command.runWith(yix, { version: manifest.version })(argv).pipe(
      Effect.provideService(ProgramArguments, program),
      Effect.provide([Usage.layer, Platform.layer])
    ),
    { debug: argv.includes("--debug=true"), json: argv.includes("--log-format=json"), jsonErrors: argv.includes("--error-format=json") }
  )
}
