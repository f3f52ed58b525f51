/**
 * Arguments for another program, never for yix: what stands after `--` of `yix run`, and all that follows `yix compat`.
 */
import * as Context from "effect/Context"
import { rewrite } from "./Argv.ts"

export const ProgramArguments = Context.Reference<ReadonlyArray<string>>("yix/cli/ProgramArguments", { defaultValue: () => [] })

/** Where `compat` stands as the command's name, with nothing but whole flags of yix before it; -1 where it does not. */
const compatAt = (argv: ReadonlyArray<string>): number => {
  const at = argv.indexOf("compat")
  return rewrite(argv.slice(0, Math.max(at, 0))).every((word) => /^--[a-z-]+=/.test(word)) ? at : -1
}

/** Cuts the command line of `yix run` at the first `--`, that of `yix compat` after its name; others keep theirs. Help of `yix compat` itself is yix's. */
export const splitArguments = (
  argv: ReadonlyArray<string>
): { readonly own: ReadonlyArray<string>; readonly program: ReadonlyArray<string> } => {
  const compat = compatAt(argv)
  if (compat !== -1 && argv[compat + 1]?.startsWith("-") !== true)
    return { own: argv.slice(0, compat + 1), program: argv.slice(compat + 1) }
  const cut = argv.indexOf("--")
  if (cut === -1 || argv.find((word) => !word.startsWith("-")) !== "run") return { own: argv, program: [] }
  return { own: argv.slice(0, cut), program: argv.slice(cut + 1) }
}
