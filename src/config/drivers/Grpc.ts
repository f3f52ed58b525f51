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
