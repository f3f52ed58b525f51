/**
 * Signs path infos on their way into a service, with the secret key of a file as `nix-store --generate-binary-cache-key` writes it. What the service has already
 * stays as it is. Type `keyfile-signing` in a composition.
 */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { attempt } from "../../castore/CastoreError.ts"
import { openInner } from "../../castore/NearFar.ts"
import { KeyError, parseSecretKey, type SecretKey } from "../../nix/Keys.ts"
import { PathInfoService } from "../PathInfoService.ts"
import { sign } from "../Signing.ts"
import { check } from "./Rules.ts"

/** A key file cannot be read or holds no secret key. Its contents are never shown. */
export class KeyfileUnusable extends Schema.TaggedError<KeyfileUnusable>()("KeyfileUnusable", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `key file '${this.path}' cannot be used: ${this.detail}; 'nix-store --generate-binary-cache-key NAME SECRET PUBLIC' makes one`
  }
}

/** Signs with a key that is at hand. */
export const make = (inner: PathInfoService["Service"], key: SecretKey): PathInfoService["Service"] =>
  PathInfoService.of({
    ...inner,
    put: (info) =>
      // Checked first: nobody should vouch for what breaks the rules.
      Effect.flatMap(
        attempt("keyfile-signing", "sign a path info", () => {
          check(info)
          return sign(info, key)
        }),
        (signed) => inner.put(signed)
      )
  })

/** The secret key in a file. */
export const readKey = (path: string): Effect.Effect<SecretKey, KeyfileUnusable> =>
  Effect.try({
    try: () => parseSecretKey(readFileSync(path, "utf8")),
    catch: (cause) =>
      new KeyfileUnusable({
        path,
        detail: cause instanceof KeyError ? cause.message : ((cause as NodeJS.ErrnoException).code ?? "unknown error")
      })
  })

export const layer = <E, R>(
  inner: Layer.Layer<PathInfoService, E, R>,
  options: { readonly keyfile: string }
): Layer.Layer<PathInfoService, E | KeyfileUnusable, R> =>
  openInner(PathInfoService, inner, (inner) => Effect.map(readKey(options.keyfile), (key) => make(inner, key)))
