/** Type `grpc`: a service of another process. The client is loaded when the service is opened. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { driver } from "../Driver.ts"

const type = "grpc"
const fields = {
  /** As `grpc+http://host:port`, `grpc+https://…` or `grpc+unix:/path`. */
  url: Schema.NonEmptyString
}

export const blobs = driver({
  kind: "blobservices",
  type,
  fields,
  layer: ({ url }) =>
    Layer.unwrap(
      Effect.map(
        Effect.promise(() => import("../../castore/blob/Grpc.ts")),
        (Grpc) => Grpc.layer(url)
      )
    )
})

export const directories = driver({
  kind: "directoryservices",
  type,
  fields,
  layer: ({ url }) =>
    Layer.unwrap(
      Effect.map(
        Effect.promise(() => import("../../castore/directory/Grpc.ts")),
        (Grpc) => Grpc.layer(url)
      )
    )
})

export const pathInfos = driver({
  kind: "pathinfoservices",
  type,
  fields,
  layer: ({ url }) =>
    Layer.unwrap(
      Effect.map(
        Effect.promise(() => import("../../store/pathinfo/Grpc.ts")),
        (Grpc) => Grpc.layer(url)
      )
    )
})

/** Builds over there. */
export const builders = driver({
  kind: "builders",
  type,
  fields: {
    ...fields,
    /** The blobs that the far builder works with, where they are not at its own address. */
    blob_service: Schema.optionalKey(Schema.NonEmptyString),
    /** The directories that it works with, likewise. */
    directory_service: Schema.optionalKey(Schema.NonEmptyString)
  },
  references: { blob_service: "blobservices", directory_service: "directoryservices" },
  layer: ({ url, blob_service, directory_service }, { service }) =>
    Layer.unwrap(
      Effect.map(
        Effect.promise(() => import("../../build/GrpcBuilder.ts")),
        (GrpcBuilder) =>
          GrpcBuilder.layer({
            address: url,
            blobs: blob_service === undefined ? undefined : service("blobservices", blob_service),
            directories: directory_service === undefined ? undefined : service("directoryservices", directory_service)
          })
      )
    )
})
