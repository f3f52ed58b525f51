/**
 * What stands after `--`: arguments for the program that `yix run` runs, never for yix.
 */
import * as Context from "effect/Context"

export const ProgramArguments = Context.Reference<ReadonlyArray<string>>("yix/cli/ProgramArguments", { defaultValue: () => [] })

/** Cuts the command line of `yix run` at the first `--`; others keep theirs. */
export const splitArguments = (
  argv: ReadonlyArray<string>
): { readonly own: ReadonlyArray<string>; readonly program: ReadonlyArray<string> } => {
  const cut = argv.indexOf("--")
  if (cut === -1 || argv.find((word) => !word.startsWith("-")) !== "run") return { own: argv, program: [] }
  return { own: argv.slice(0, cut), program: argv.slice(cut + 1) }
}
