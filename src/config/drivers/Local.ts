/** Type `local`: a part of the local store in a directory. Instances with the same directory share its database. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as LocalBlobs from "../../castore/blob/Local.ts"
import * as LocalDirectories from "../../castore/directory/Local.ts"
import * as LocalPathInfos from "../../store/pathinfo/Local.ts"
import { driver, type Place } from "../Driver.ts"

const type = "local"
const fields = {
  /** The store's directory, which is made when it does not exist. Default: the one of this run. */
  path: Schema.optionalKey(Schema.NonEmptyString)
}

const complete = <C extends { readonly path?: string }>(config: C, place: Place): C => ({
  ...config,
  path: config.path === undefined ? place.stateDirectory : path.resolve(place.directory, config.path)
})

const always = Schema.Literals(["always", "never"]).pipe(Schema.withDecodingDefaultKey(Effect.succeed("always" as const)))

export const blobs = driver({
  kind: "blobservices",
  type,
  fields: { ...fields, fsync: always, verify: always },
  complete,
  layer: ({ path, fsync, verify }, around) =>
    LocalBlobs.layer({ fsync, verify }).pipe(Layer.provide(around.database(path ?? around.stateDirectory)))
})

export const directories = driver({
  kind: "directoryservices",
  type,
  fields,
  complete,
  layer: ({ path }, around) => Layer.fresh(LocalDirectories.layer).pipe(Layer.provide(around.database(path ?? around.stateDirectory)))
})

export const pathInfos = driver({
  kind: "pathinfoservices",
  type,
  fields,
  complete,
  layer: ({ path }, around) => Layer.fresh(LocalPathInfos.layer).pipe(Layer.provide(around.database(path ?? around.stateDirectory)))
})
