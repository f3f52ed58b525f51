/**
 * The standard reflection services, `grpc.reflection.v1` and `v1alpha`: programs like grpcurl learn from them what is served and how messages look.
 *
 * Descriptions are those that the generated code embeds. Services that are served under a second package, whose messages are the same, are described by files made here.
 */
import { create, type DescFile, toBinary } from "@bufbuild/protobuf"
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt"
import * as Stream from "effect/Stream"
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema
} from "../../wire/gen/grpc/reflection/v1/reflection_pb.ts"
import { file_grpc_health_v1_health } from "../../wire/gen/grpc/health/v1/health_pb.ts"
import { file_grpc_reflection_v1_reflection, ServerReflection } from "../../wire/gen/grpc/reflection/v1/reflection_pb.ts"
import { file_snix_build_v1_rpc_build } from "../../wire/gen/snix/build/v1/rpc_build_pb.ts"
import { file_snix_castore_v1_rpc_blobstore } from "../../wire/gen/snix/castore/v1/rpc_blobstore_pb.ts"
import { file_snix_castore_v1_rpc_directory } from "../../wire/gen/snix/castore/v1/rpc_directory_pb.ts"
import { file_snix_store_v1_rpc_pathinfo } from "../../wire/gen/snix/store/v1/rpc_pathinfo_pb.ts"
import { file_tvix_build_v1_rpc_build } from "../../wire/gen/tvix/build/v1/rpc_build_pb.ts"
import { file_yix_build_v1_build } from "../../wire/gen/yix/build/v1/build_pb.ts"
import { file_yix_castore_v1_batch } from "../../wire/gen/yix/castore/v1/batch_pb.ts"
import { file_yix_castore_v1_listing } from "../../wire/gen/yix/castore/v1/listing_pb.ts"
import { rpc } from "../../wire/grpc/Rpc.ts"
import { code } from "../../wire/grpc/RpcError.ts"
import { bothStream, type Handler } from "../../wire/grpc/Server.ts"

/** A file as clients read it, with the files that it needs. */
interface File {
  readonly name: string
  readonly bytes: Uint8Array
  readonly needs: ReadonlyArray<string>
  /** Full names of what it declares. */
  readonly symbols: ReadonlyArray<string>
}

const nameOf = (file: DescFile): string => file.proto.name

const symbolsOf = (file: DescFile): ReadonlyArray<string> => {
  const symbols: Array<string> = []
  const messages = [...file.messages]
  for (let message = messages.pop(); message !== undefined; message = messages.pop()) {
    symbols.push(message.typeName, ...message.fields.map((field) => `${message!.typeName}.${field.name}`))
    symbols.push(
      ...message.oneofs.map((oneof) => `${message!.typeName}.${oneof.name}`),
      ...message.nestedEnums.map((each) => each.typeName)
    )
    messages.push(...message.nestedMessages)
  }
  for (const service of file.services)
    symbols.push(service.typeName, ...service.methods.map((method) => `${service.typeName}.${method.name}`))
  symbols.push(...file.enums.map((each) => each.typeName))
  return symbols
}

const describe = (file: DescFile): File => ({
  name: nameOf(file),
  bytes: toBinary(FileDescriptorProtoSchema, file.proto),
  needs: file.dependencies.map(nameOf),
  symbols: symbolsOf(file)
})

/** The services of a file in another package (`from` and `to` are the beginnings of names); their messages stay where they are. */
const inPackage = (file: DescFile, from: string, to: string): File => {
  const renamed = (text: string) => to + text.slice(from.length)
  const name = renamed(file.proto.package).replaceAll(".", "/") + nameOf(file).slice(file.proto.package.length)
  const proto = create(FileDescriptorProtoSchema, {
    name,
    package: renamed(file.proto.package),
    syntax: file.proto.syntax,
    dependency: [nameOf(file), ...file.proto.dependency],
    service: file.proto.service
  })
  return {
    name,
    bytes: toBinary(FileDescriptorProtoSchema, proto),
    needs: [...proto.dependency],
    symbols: file.services.flatMap(({ typeName, methods }) => [
      renamed(typeName),
      ...methods.map((method) => `${renamed(typeName)}.${method.name}`)
    ])
  }
}

const alphaPath = (path: string): string => path.replace(".v1.", ".v1alpha.")

const served: ReadonlyArray<DescFile> = [
  file_grpc_health_v1_health,
  file_grpc_reflection_v1_reflection,
  file_snix_build_v1_rpc_build,
  file_snix_castore_v1_rpc_blobstore,
  file_snix_castore_v1_rpc_directory,
  file_snix_store_v1_rpc_pathinfo,
  file_tvix_build_v1_rpc_build,
  file_yix_build_v1_build,
  file_yix_castore_v1_batch,
  file_yix_castore_v1_listing
]

/** All files, those that others need included. */
const describeAll = (): ReadonlyArray<File> => {
  const all = new Map<string, File>()
  const add = (file: DescFile): void => {
    if (all.has(nameOf(file))) return
    all.set(nameOf(file), describe(file))
    file.dependencies.forEach(add)
  }
  served.forEach(add)
  const copies = [file_snix_castore_v1_rpc_blobstore, file_snix_castore_v1_rpc_directory, file_snix_store_v1_rpc_pathinfo]
  return [
    ...all.values(),
    ...copies.map((file) => inPackage(file, "snix", "tvix")),
    inPackage(file_grpc_reflection_v1_reflection, "grpc.reflection.v1", "grpc.reflection.v1alpha")
  ]
}

export const reflectionHandlers = (handlers: ReadonlyArray<{ readonly path: string }>): ReadonlyArray<Handler<never>> => {
  const method = rpc(ServerReflection.method.serverReflectionInfo)
  const paths = [method.path, alphaPath(method.path)]
  const services = [...new Set([...handlers.map(({ path }) => path), ...paths].map((path) => path.split("/")[1]!))].sort()
  let known: { readonly files: ReadonlyMap<string, File>; readonly symbols: ReadonlyMap<string, File> } | undefined

  const look = () => {
    if (known !== undefined) return known
    const all = describeAll()
    const symbols = all.flatMap((file) => file.symbols.map((symbol) => [symbol, file] as const))
    return (known = { files: new Map(all.map((file) => [file.name, file])), symbols: new Map(symbols) })
  }

  type Answer = ServerReflectionResponse["messageResponse"]
  const absent = (what: string): Answer => ({
    case: "errorResponse",
    value: { $typeName: "grpc.reflection.v1.ErrorResponse", errorCode: code.notFound, errorMessage: `${what} is not served here` }
  })

  /** A file and all that it needs, itself first. */
  const withNeeds = (file: File | undefined, what: string): Answer => {
    if (file === undefined) return absent(what)
    const { files } = look()
    const all = new Map<string, File>()
    const add = (each: File): void => {
      if (all.has(each.name)) return
      all.set(each.name, each)
      for (const need of each.needs) add(files.get(need)!)
    }
    add(file)
    return {
      case: "fileDescriptorResponse",
      value: { $typeName: "grpc.reflection.v1.FileDescriptorResponse", fileDescriptorProto: [...all.values()].map(({ bytes }) => bytes) }
    }
  }

  const answer = (asked: ServerReflectionRequest): Answer => {
    const { messageRequest } = asked
    switch (messageRequest.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: {
            $typeName: "grpc.reflection.v1.ListServiceResponse",
            service: services.map((name) => ({ $typeName: "grpc.reflection.v1.ServiceResponse", name }))
          }
        }
      case "fileByFilename":
        return withNeeds(look().files.get(messageRequest.value), `a file '${messageRequest.value}'`)
      case "fileContainingSymbol":
        return withNeeds(look().symbols.get(messageRequest.value.replace(/^\./, "")), `'${messageRequest.value}'`)
      // Proto3 has no extensions.
      case "fileContainingExtension":
        return absent(`an extension of '${messageRequest.value.containingType}'`)
      case "allExtensionNumbersOfType": {
        if (!look().symbols.has(messageRequest.value)) return absent(`'${messageRequest.value}'`)
        return {
          case: "allExtensionNumbersResponse",
          value: { $typeName: "grpc.reflection.v1.ExtensionNumberResponse", baseTypeName: messageRequest.value, extensionNumber: [] }
        }
      }
      case undefined:
        return {
          case: "errorResponse",
          value: { $typeName: "grpc.reflection.v1.ErrorResponse", errorCode: code.invalidArgument, errorMessage: "nothing is asked for" }
        }
    }
  }

  return paths.map((path) =>
    bothStream({ ...method, path }, (requests) =>
      Stream.map(requests, (asked) =>
        create(ServerReflectionResponseSchema, { validHost: asked.host, originalRequest: asked, messageResponse: answer(asked) })
      )
    )
  )
}
