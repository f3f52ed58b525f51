/** Builders on this machine: type `sandbox` by bubblewrap or the tools of util-linux, type `oci` in containers by an OCI runtime (runc). */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { LocalBuilderOptions } from "../../build/LocalBuilder.ts"
import { BuildSlots, driver, type Place, type Surroundings } from "../Driver.ts"

const fields = {
  /** Where scratch directories are made. Default: `scratch` in the store's directory of this run. */
  scratch: Schema.optionalKey(Schema.NonEmptyString),
  /** Builds at the same time. Default: what `--max-jobs` says. */
  slots: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4096 }))),
  /** Program for /bin/sh inside. Default: a static busybox of the host, else the host's own. */
  shell: Schema.optionalKey(Schema.NonEmptyString),
  /** Systems that it builds for. Default: the machine's own. */
  systems: Schema.optionalKey(Schema.NonEmptyArray(Schema.NonEmptyString)),
  /** Bytes of log that a build may write; 0 is no limit. */
  max_log: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(0))
  )
}

interface Keys {
  readonly scratch?: string
  readonly slots?: number
  readonly shell?: string
  readonly systems?: ReadonlyArray<string>
  readonly max_log: number
}

const complete = <K extends Keys>(keys: K, place: Place): K => ({
  ...keys,
  scratch: keys.scratch === undefined ? path.join(place.stateDirectory, "scratch") : path.resolve(place.directory, keys.scratch),
  ...(keys.shell === undefined ? {} : { shell: path.resolve(place.directory, keys.shell) })
})

// Loaded when something is to be built: commands that only look at the store do not pay for it.
const layer = (keys: Keys, around: Surroundings, options: Pick<LocalBuilderOptions, "driver" | "runtime">) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const LocalBuilder = yield* Effect.promise(() => import("../../build/LocalBuilder.ts"))
      return LocalBuilder.layer({
        scratchRoot: keys.scratch ?? path.join(around.stateDirectory, "scratch"),
        slots: keys.slots ?? (yield* BuildSlots),
        shell: keys.shell,
        systems: keys.systems,
        maxLog: keys.max_log,
        ...options
      })
    })
  )

export const sandbox = driver({
  kind: "builders",
  type: "sandbox",
  fields: {
    driver: Schema.Literals(["auto", "bubblewrap", "util-linux"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("auto" as const))),
    ...fields
  },
  complete,
  layer: (keys, around) => layer(keys, around, { driver: keys.driver })
})

export const oci = driver({
  kind: "builders",
  type: "oci",
  fields: {
    /** The OCI runtime: a path, or a name to look for on the PATH. Default: runc, else crun. */
    runtime: Schema.optionalKey(Schema.NonEmptyString),
    ...fields
  },
  complete: (keys, place) => ({
    ...complete(keys, place),
    ...(keys.runtime?.includes("/") === true ? { runtime: path.resolve(place.directory, keys.runtime) } : {})
  }),
  layer: (keys, around) => layer(keys, around, { driver: "oci", runtime: keys.runtime })
})
