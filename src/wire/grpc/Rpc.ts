/**
 * A method of a gRPC service as both ends need it: its path and how its messages become bytes.
 *
 * Bytes are decoded by us, not by the transport, so that a malformed message is answered with INVALID_ARGUMENT and, where bytes must be canonical
 * (directories), the bytes themselves are at hand: `asBytes` leaves a side as it came.
 */
import { fromBinary, toBinary, type DescMessage, type DescMethod, type MessageShape } from "@bufbuild/protobuf"

export interface Codec<A> {
  readonly encode: (value: A) => Uint8Array
  /** Throws when the bytes are no such message. */
  readonly decode: (bytes: Uint8Array) => A
}

export interface Rpc<Request, Response> {
  /** `/package.Service/Method`. */
  readonly path: string
  readonly request: Codec<Request>
  readonly response: Codec<Response>
}

/** Bytes as they are. */
export const asBytes: Codec<Uint8Array> = { encode: (bytes) => bytes, decode: (bytes) => bytes }

/** Messages of a generated schema. */
export const messageCodec = <Schema extends DescMessage>(schema: Schema): Codec<MessageShape<Schema>> => ({
  encode: (message) => toBinary(schema, message),
  decode: (bytes) => fromBinary(schema, bytes)
})

/** A method of a generated service descriptor. */
export const rpc = <Input extends DescMessage, Output extends DescMessage>(
  method: DescMethod & { readonly input: Input; readonly output: Output }
): Rpc<MessageShape<Input>, MessageShape<Output>> => ({
  path: `/${method.parent.typeName}/${method.name}`,
  request: messageCodec(method.input),
  response: messageCodec(method.output)
})
