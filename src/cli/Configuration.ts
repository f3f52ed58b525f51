/**
 * Where this run's configuration and store are, from the common flags and the environment. Opens and makes nothing.
 */
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { findConfig } from "../config/ConfigFile.ts"
import { ConfigFlag, StoreDirectory } from "./CommonFlags.ts"

/** The configuration, or `undefined` where there is none. */
export const foundConfig = Effect.map(ConfigFlag, (given) => findConfig(Option.getOrUndefined(given), process.env))

const defaultDirectory = (): string => {
  const data = process.env["XDG_DATA_HOME"]
  return path.join(data !== undefined && path.isAbsolute(data) ? data : path.join(os.homedir(), ".local", "share"), "yix")
}

/** The store's directory: `--store`, else the user's own. */
export const stateDirectory = Effect.map(StoreDirectory, (given) => path.resolve(Option.getOrElse(given, defaultDirectory)))
