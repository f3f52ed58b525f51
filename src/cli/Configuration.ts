/**
 * Where this run's configuration and store are, from the common flags and the environment. Opens and makes nothing.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { findConfig } from "../config/ConfigFile.ts"
import { ConfigFlag, StoreDirectory } from "./CommonFlags.ts"
import { stateFolder } from "./StateFolder.ts"

/** The configuration, or `undefined` where there is none. */
export const foundConfig = Effect.map(ConfigFlag, (given) => findConfig(Option.getOrUndefined(given), process.env))

/** The store's directory: `--store`, else the user's own. */
export const stateDirectory = Effect.map(StoreDirectory, (given) => stateFolder(Option.getOrUndefined(given)))
