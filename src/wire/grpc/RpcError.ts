/**
 * How calls fail: the status codes of gRPC, what a server answers instead of a result, what a client gets.
 *
 * A fault may carry data beside its words, so that a yix client gets back the very error that the server had; others see code and words. Loads no gRPC.
 */
import * as Schema from "effect/Schema"

/** Status codes (grpc.io/docs/guides/status-codes). */
export const code = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16
} as const

const names: ReadonlyArray<string> = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED"
]

/** The trailer that holds a fault's data. */
export const faultTrailer = "yix-fault-bin"

/** What a server answers instead of a result. */
export class RpcFault extends Schema.TaggedError<RpcFault>()("RpcFault", {
  code: Schema.Finite,
  details: Schema.String,
  /** Data for clients that know how to read it. */
  data: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return this.details
  }
}

/** A call failed: the server said so, or it could not be reached. */
export class RpcFailed extends Schema.TaggedError<RpcFailed>()("RpcFailed", {
  /** The address as it was given. */
  peer: Schema.String,
  /** Such as `/snix.castore.v1.BlobService/Stat`. */
  method: Schema.String,
  code: Schema.Finite,
  details: Schema.String,
  data: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const hint =
      this.code === code.unimplemented
        ? "; the server does not offer this service"
        : this.code === code.unavailable
          ? "; is a server listening there?"
          : ""
    return `${this.method} at '${this.peer}' failed with ${names[this.code] ?? this.code}: ${this.details}${hint}`
  }
}
