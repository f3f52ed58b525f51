/**
 * The `yix` program: its commands, and how it ends.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import manifest from "../../package.json" with { type: "json" }
import { rewrite } from "./Argv.ts"
import { buildCommand } from "./commands/Build.ts"
import { derivationCommand } from "./commands/Derivation.ts"
import { evalCommand } from "./commands/Eval.ts"
import { instantiateCommand } from "./commands/Instantiate.ts"
import { logCommand } from "./commands/Log.ts"
import { runCommand } from "./commands/Run.ts"
import { storeCommand } from "./commands/Store.ts"
import { commonFlags } from "./CommonFlags.ts"
import * as Platform from "./Platform.ts"
import { ProgramArguments, splitArguments } from "./ProgramArguments.ts"
import { runToExit } from "./Process.ts"
import * as Usage from "./Usage.ts"

const yix = Command.make("yix").pipe(
  Command.withDescription("Evaluate, fetch and build Nix expressions into a content-addressed store"),
  Command.withSubcommands([evalCommand, buildCommand, instantiateCommand, runCommand, storeCommand, derivationCommand, logCommand]),
  Command.withGlobalFlags(commonFlags)
)

const { own, program } = splitArguments(process.argv.slice(2))
const argv = rewrite(own)

runToExit(
  Command.runWith(yix, { version: manifest.version })(argv).pipe(
    Effect.provideService(ProgramArguments, program),
    Effect.provide([Usage.layer, Platform.layer])
  ),
  { debug: argv.includes("--debug=true"), json: argv.includes("--log-format=json") }
)
