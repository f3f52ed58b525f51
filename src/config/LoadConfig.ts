/**
 * Reads a configuration file, or makes up the one that means "no file".
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { type Composition, parse } from "./Composition.ts"
import type { FoundConfig } from "./ConfigFile.ts"
import { type ConfigInvalid, ConfigUnreadable } from "./ConfigError.ts"
import type { Driver } from "./Driver.ts"
import { standardDrivers } from "./Drivers.ts"

/** Bytes of a configuration, at most: what is larger is not one. */
const largest = 2 ** 20

const read = ({ file, origin }: FoundConfig): Effect.Effect<string, ConfigUnreadable> =>
  Effect.try({
    try: () => {
      const stat = fs.statSync(file)
      if (!stat.isFile()) throw new Error("it is not a file")
      if (stat.size > largest) throw new Error(`it is larger than ${largest} bytes`)
      return new TextDecoder("utf-8", { fatal: true }).decode(fs.readFileSync(file))
    },
    catch: (error) => {
      const { code, message } = error as NodeJS.ErrnoException
      const reasons = new Map([
        ["ENOENT", "there is no such file"],
        ["ENOTDIR", "there is no such file"],
        ["EACCES", "permission denied"],
        ["ERR_ENCODING_INVALID_ENCODED_DATA", "it is not UTF-8"]
      ])
      return new ConfigUnreadable({ file, origin, detail: reasons.get(code ?? "") ?? message })
    }
  })

export interface LoadOptions {
  /** The store's directory of this run. */
  readonly stateDirectory: string
  /** Default: those that yix brings along. */
  readonly drivers?: ReadonlyArray<Driver>
}

/** The composition in a file; without one the local store, network and sandbox. */
export const load = Effect.fn("Config.load")(function* (
  found: FoundConfig | undefined,
  { stateDirectory, drivers = standardDrivers }: LoadOptions
): Effect.fn.Return<Composition, ConfigUnreadable | ConfigInvalid> {
  const text = found === undefined ? "" : yield* read(found)
  const directory = found === undefined ? stateDirectory : path.dirname(found.file)
  return yield* parse(found?.file ?? "(no configuration file)", text, { drivers, place: { directory, stateDirectory } })
})
