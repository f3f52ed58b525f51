/**
 * The folder for what can be made again: `$XDG_CACHE_HOME`, or else `~/.cache`. No home is made for it (`/homeless-shelter` must not exist): then nothing is
 * kept. `bin/yix.js` keeps V8's compiled code by the same rule.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { findConfig } from "../config/ConfigFile.ts"
import type { EvaluationCachePlace } from "../realise/Evaluation.ts"
import { stateFolder } from "./StateFolder.ts"

const cacheFolder = (name: string): string | undefined => {
  const named = process.env["XDG_CACHE_HOME"]
  if (named !== undefined && path.isAbsolute(named)) return path.join(named, "yix", name)
  const home = os.homedir()
  return fs.existsSync(home) ? path.join(home, ".cache", "yix", name) : undefined
}

/** Where syntax trees are kept from run to run; `undefined` where there is no place for them. */
export const syntaxCacheFolder = (): string | undefined => cacheFolder("syntax")

/** What the common flags name, where they do. */
export interface StoreChoice {
  readonly store: string | undefined
  readonly config: string | undefined
}

/** Where results of evaluations with this store are kept from run to run; `undefined` where there is no place for them. */
export const evaluationCachePlace = ({ store, config }: StoreChoice): EvaluationCachePlace | undefined => {
  const folder = cacheFolder("evaluation")
  if (folder === undefined) return undefined
  const directory = stateFolder(store)
  const found = findConfig(config, process.env)
  return { folder, world: JSON.stringify([directory, found?.file]), database: found === undefined ? directory : undefined }
}
