/** Type `nix`: path infos of a Nix binary cache, whose contents go into the blob and directory services named. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { parsePublicKey } from "../../nix/Keys.ts"
import { defaultKey } from "../../realise/TrustedKeys.ts"
import { driver } from "../Driver.ts"
import { rootName } from "../Kinds.ts"

const isKey = (text: string): boolean => {
  try {
    parsePublicKey(text)
    return true
  } catch {
    return false
  }
}

const publicKey = Schema.String.check(Schema.makeFilter((text) => (isKey(text) ? undefined : "expected a public key as NAME:BASE64")))

const rootByDefault = Schema.NonEmptyString.pipe(Schema.withDecodingDefaultKey(Effect.succeed(rootName)))

export const nix = driver({
  kind: "pathinfoservices",
  type: "nix",
  fields: {
    base_url: Schema.String.check(
      Schema.makeFilter((url) =>
        /^(https?|file):$/.test(URL.parse(url)?.protocol ?? "")
          ? undefined
          : "expected an address that begins with http://, https:// or file:///"
      )
    ),
    blob_service: rootByDefault,
    directory_service: rootByDefault,
    /** Whose signatures count. An empty list: none is needed, the cache itself is trusted. */
    public_keys: Schema.Array(publicKey).pipe(Schema.withDecodingDefaultKey(Effect.succeed([defaultKey])))
  },
  references: { blob_service: "blobservices", directory_service: "directoryservices" },
  layer: (config, { service }) =>
    Layer.unwrap(
      Effect.map(
        Effect.promise(() => Promise.all([import("../../store/pathinfo/NixCache.ts"), import("../../wire/Http.ts")])),
        ([NixCache, Http]) =>
          NixCache.layer({
            url: config.base_url,
            trustedKeys: config.public_keys.length === 0 ? undefined : config.public_keys.map(parsePublicKey)
          }).pipe(
            Layer.provide([
              service("blobservices", config.blob_service),
              service("directoryservices", config.directory_service),
              Http.layer()
            ])
          )
      )
    )
})
