/** Builder of type `sandbox`: builds on this machine. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { BuildSlots, driver } from "../Driver.ts"

export const sandbox = driver({
  kind: "builders",
  type: "sandbox",
  fields: {
    /** Where scratch directories are made. Default: `scratch` in the store's directory of this run. */
    scratch: Schema.optionalKey(Schema.NonEmptyString),
    /** Builds at the same time. Default: what `--max-jobs` says. */
    slots: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4096 }))),
    driver: Schema.Literals(["auto", "bubblewrap", "util-linux"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("auto" as const))),
    /** Program for /bin/sh inside. Default: a static busybox of the host, else the host's own. */
    shell: Schema.optionalKey(Schema.NonEmptyString),
    /** Systems that it builds for. Default: the machine's own. */
    systems: Schema.optionalKey(Schema.NonEmptyArray(Schema.NonEmptyString)),
    /** Bytes of log that a build may write; 0 is no limit. */
    max_log: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })).pipe(
      Schema.withDecodingDefaultKey(Effect.succeed(0))
    )
  },
  complete: (config, place) => ({
    ...config,
    scratch: config.scratch === undefined ? path.join(place.stateDirectory, "scratch") : path.resolve(place.directory, config.scratch),
    ...(config.shell === undefined ? {} : { shell: path.resolve(place.directory, config.shell) })
  }),
  // Loaded when something is to be built: commands that only look at the store do not pay for it.
  layer: (config, around) =>
    Layer.unwrap(
      Effect.gen(function* () {
        const LocalBuilder = yield* Effect.promise(() => import("../../build/LocalBuilder.ts"))
        return LocalBuilder.layer({
          scratchRoot: config.scratch ?? path.join(around.stateDirectory, "scratch"),
          slots: config.slots ?? (yield* BuildSlots),
          driver: config.driver,
          shell: config.shell,
          systems: config.systems,
          maxLog: config.max_log
        })
      })
    )
})
