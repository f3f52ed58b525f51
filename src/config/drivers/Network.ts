/** Fetchers over the network: type `http` asks the addresses themselves, type `mirror` first mirrors that hold files by hash. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as NetworkFetcher from "../../fetch/NetworkFetcher.ts"
import { driver } from "../Driver.ts"

const count = (least: number, normal: number) =>
  Schema.Int.check(Schema.isBetween({ minimum: least, maximum: Number.MAX_SAFE_INTEGER })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(normal))
  )

const fields = {
  /** Fetches at a time, in all and from one host. */
  concurrency: count(1, 16),
  per_host: count(1, 8),
  /** Further attempts after the first. */
  retries: count(0, 5),
  /** Bytes that a fetch may bring, at most; absent is no limit. */
  max_bytes: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))),
  /** Bytes that an archive may decompress to, at most. */
  max_unpacked: count(1, 64 * 2 ** 30)
}

interface NetworkKeys {
  readonly concurrency: number
  readonly per_host: number
  readonly retries: number
  readonly max_bytes?: number
  readonly max_unpacked: number
}

const layer = (keys: NetworkKeys, mirrors: ReadonlyArray<string>) =>
  NetworkFetcher.layer({
    fetcher: {
      concurrency: keys.concurrency,
      perHost: keys.per_host,
      maxBytes: keys.max_bytes,
      maxUnpacked: keys.max_unpacked,
      mirrors
    },
    http: { retries: keys.retries }
  })

export const http = driver({ kind: "fetchers", type: "http", fields, layer: (keys) => layer(keys, []) })

const address = Schema.String.check(
  Schema.makeFilter((url) =>
    /^https?:$/.test(URL.parse(url)?.protocol ?? "") ? undefined : "expected an address that begins with http:// or https://"
  )
)

export const mirror = driver({
  kind: "fetchers",
  type: "mirror",
  fields: {
    /** Addresses below which files are found as `{algorithm}/{hex}`, in the order in which they are asked. */
    mirrors: Schema.NonEmptyArray(address),
    ...fields
  },
  layer: (keys) => layer(keys, keys.mirrors)
})
