/**
 * Loads the evaluator: of a bundle, one script with code that runs before left (`KeptCode.ts`); of the sources, its modules.
 */
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { type LoadedScript, runScript } from "./KeptCode.ts"

type Evaluator = typeof import("./EvaluatorCode.ts")

/** In the bundle's folder, with a digest in its name. */
const scriptName = /^EvaluatorCode-[\w-]{8}\.cjs$/

/** `folder`: where its code is kept (`KeptCode.ts`). */
export const loadEvaluator = async (folder: string | undefined): Promise<LoadedScript<Evaluator>> => {
  if (import.meta.url.endsWith(".js")) {
    const here = fileURLToPath(new URL(".", import.meta.url))
    const script = fs.readdirSync(here).find((name) => scriptName.test(name))
    if (script !== undefined) return runScript(here + script, folder)
  }
  // Beside this file, and in no bundle.
  const sources = "./EvaluatorCode"
  const suffix = import.meta.url.slice(-3)
  return { exports: (await import(`${sources}${suffix}`)) as Evaluator, keeping: () => undefined }
}
