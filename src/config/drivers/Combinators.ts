/**
 * Types that stand on other instances: `cache` and `combined` (a near and a far one), `readonly` of each kind; `lru`, `negative` and `keyfile-signing` of path infos.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as NearFarBlobs from "../../castore/blob/NearFar.ts"
import * as ReadOnlyBlobs from "../../castore/blob/ReadOnly.ts"
import * as NearFarDirectories from "../../castore/directory/NearFar.ts"
import * as ReadOnlyDirectories from "../../castore/directory/ReadOnly.ts"
import * as KeyfileSigning from "../../store/pathinfo/KeyfileSigning.ts"
import * as Lru from "../../store/pathinfo/Lru.ts"
import * as NearFarPathInfos from "../../store/pathinfo/NearFar.ts"
import * as Negative from "../../store/pathinfo/Negative.ts"
import * as ReadOnlyPathInfos from "../../store/pathinfo/ReadOnly.ts"
import { driver } from "../Driver.ts"
import type { Kind } from "../Kinds.ts"

const name = Schema.NonEmptyString

const nearFarFields = {
  near: name,
  far: name,
  /** Where puts go. */
  write: Schema.Literals(["both", "near", "far"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("both" as const)))
}

const nearFarOf = <K extends Kind>(kind: K) => ({ kind, fields: nearFarFields, references: { near: kind, far: kind } }) as const

/** Snix has `combined` of blobs and directories and `cache` of path infos; here they are the same, and each kind has both. */
export const nearFar = (["cache", "combined"] as const).flatMap((type) => [
  driver({
    ...nearFarOf("blobservices"),
    type,
    layer: ({ near, far, write }, { service }) => NearFarBlobs.layer(service("blobservices", near), service("blobservices", far), { write })
  }),
  driver({
    ...nearFarOf("directoryservices"),
    type,
    layer: ({ near, far, write }, { service }) =>
      NearFarDirectories.layer(service("directoryservices", near), service("directoryservices", far), { write })
  }),
  driver({
    ...nearFarOf("pathinfoservices"),
    type,
    layer: ({ near, far, write }, { service }) =>
      NearFarPathInfos.layer(service("pathinfoservices", near), service("pathinfoservices", far), { write })
  })
])

const innerOf = <K extends Kind>(kind: K) => ({ kind, references: { inner: kind } }) as const

export const readOnly = [
  driver({
    ...innerOf("blobservices"),
    type: "readonly",
    fields: { inner: name },
    layer: ({ inner }, { service }) => ReadOnlyBlobs.layer(service("blobservices", inner), `blobservices.${inner}`)
  }),
  driver({
    ...innerOf("directoryservices"),
    type: "readonly",
    fields: { inner: name },
    layer: ({ inner }, { service }) => ReadOnlyDirectories.layer(service("directoryservices", inner), `directoryservices.${inner}`)
  }),
  driver({
    ...innerOf("pathinfoservices"),
    type: "readonly",
    fields: { inner: name },
    layer: ({ inner }, { service }) => ReadOnlyPathInfos.layer(service("pathinfoservices", inner), `pathinfoservices.${inner}`)
  })
]

export const keyfileSigning = driver({
  ...innerOf("pathinfoservices"),
  type: "keyfile-signing",
  fields: {
    inner: name,
    /** File with a secret key as `nix-store --generate-binary-cache-key` makes it. */
    keyfile: Schema.NonEmptyString
  },
  complete: (config, place) => ({ ...config, keyfile: path.resolve(place.directory, config.keyfile) }),
  layer: ({ inner, keyfile }, { service }) => KeyfileSigning.layer(service("pathinfoservices", inner), { keyfile })
})

const count = (least: number) => Schema.Int.check(Schema.isBetween({ minimum: least, maximum: 2 ** 31 }))

export const lru = driver({
  kind: "pathinfoservices",
  type: "lru",
  fields: {
    /** Path infos held at most. */
    capacity: count(1)
  },
  layer: ({ capacity }) => Lru.layer({ capacity })
})

export const negative = driver({
  ...innerOf("pathinfoservices"),
  type: "negative",
  fields: {
    inner: name,
    /** Seconds for which absence is remembered. */
    ttl: count(0).pipe(Schema.withDecodingDefaultKey(Effect.succeed(3600))),
    /** Absences remembered at most. */
    capacity: count(1).pipe(Schema.withDecodingDefaultKey(Effect.succeed(65_536)))
  },
  layer: ({ inner, ttl, capacity }, { service }) => Negative.layer(service("pathinfoservices", inner), { ttl: ttl * 1000, capacity })
})
