/**
 * Fetchers beside those of the network: type `file` serves from directories, `recorded` keeps another fetcher's answers and replays them, `combined` asks a near one and
 * then a far one.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as NearFarFetcher from "../../fetch/NearFar.ts"
import { driver } from "../Driver.ts"

const name = Schema.NonEmptyString

export const file = driver({
  kind: "fetchers",
  type: "file",
  fields: {
    /** Directories, in the order in which they are asked. */
    roots: Schema.NonEmptyArray(Schema.NonEmptyString),
    /** Bytes that an archive may decompress to, at most. */
    max_unpacked: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })).pipe(
      Schema.withDecodingDefaultKey(Effect.succeed(64 * 2 ** 30))
    )
  },
  complete: (config, place) => {
    const [first, ...others] = config.roots
    return {
      ...config,
      roots: [path.resolve(place.directory, first), ...others.map((root) => path.resolve(place.directory, root))] as const
    }
  },
  layer: ({ roots, max_unpacked }) =>
    Layer.unwrap(
      Effect.map(
        Effect.promise(() => import("../../fetch/FileFetcher.ts")),
        (FileFetcher) => FileFetcher.layer({ roots, fetcher: { maxUnpacked: max_unpacked } })
      )
    )
})

export const recorded = driver({
  kind: "fetchers",
  type: "recorded",
  fields: {
    inner: name,
    /** Where the recordings are. */
    directory: Schema.NonEmptyString,
    /** `auto` replays what is recorded and records the rest; `record` records everything anew; `replay` asks nobody. */
    mode: Schema.Literals(["auto", "record", "replay"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("auto" as const)))
  },
  references: { inner: "fetchers" },
  complete: (config, place) => ({ ...config, directory: path.resolve(place.directory, config.directory) }),
  layer: ({ inner, directory, mode }, { service }) =>
    Layer.unwrap(
      Effect.map(
        Effect.promise(() => import("../../fetch/RecordedFetcher.ts")),
        (RecordedFetcher) => RecordedFetcher.layer(service("fetchers", inner), { directory, mode })
      )
    )
})

export const combined = driver({
  kind: "fetchers",
  type: "combined",
  fields: { near: name, far: name },
  references: { near: "fetchers", far: "fetchers" },
  layer: ({ near, far }, { service }) => NearFarFetcher.layer(service("fetchers", near), service("fetchers", far))
})
