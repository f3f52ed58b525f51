/**
 * The castore's errors on the wire: as statuses of gRPC, and back.
 *
 * INVALID_ARGUMENT is `InvalidData`, NOT_FOUND `MissingData`, DATA_LOSS `CorruptData`, UNAVAILABLE `StoreUnavailable`. A yix server also sends the error itself, so
 * that a yix client has it whole; with other servers code and words must do.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Channel } from "../wire/grpc/Channel.ts"
import { code, type RpcFailed, RpcFault } from "../wire/grpc/RpcError.ts"
import { type CastoreError, CorruptData, InvalidData, isCastoreError, MissingData, StoreUnavailable } from "./CastoreError.ts"

const Sent = Schema.fromJsonString(Schema.Union([CorruptData, MissingData, InvalidData]))
const print = Schema.encodeSync(Sent)
const read = Schema.decodeUnknownOption(Sent)

/** Of any other error: FAILED_PRECONDITION, a store that does not do this. */
const codes: { readonly [tag: string]: number } = {
  InvalidData: code.invalidArgument,
  MissingData: code.notFound,
  CorruptData: code.dataLoss,
  StoreUnavailable: code.unavailable
}

const isSent = (error: CastoreError): error is CorruptData | MissingData | InvalidData =>
  error._tag === "CorruptData" || error._tag === "MissingData" || error._tag === "InvalidData"

/** What a server answers for an error of a service. */
export const toFault = (error: CastoreError): RpcFault =>
  new RpcFault({
    code: codes[error._tag] ?? code.failedPrecondition,
    details: error.message,
    ...(isSent(error) ? { data: print(error) } : {})
  })

/** Runs code that throws `InvalidData`, as a step of answering a call. */
export const checked = <A>(run: () => A): Effect.Effect<A, RpcFault> =>
  Effect.try({
    try: run,
    catch: (cause) =>
      isCastoreError(cause) ? toFault(cause) : new RpcFault({ code: code.internal, details: `the server failed: ${String(cause)}` })
  })

/** NOT_FOUND for what was asked for itself, as servers that are no yix say it too. */
export const unknown = (details: string): RpcFault => new RpcFault({ code: code.notFound, details })

/** Whether the server says that it does not have what was asked for, as opposed to lacking something below it. */
export const isUnknown = (error: RpcFailed): boolean => error.code === code.notFound && error.data === undefined

/** What a client's caller gets for a failed call. */
export const fromFailure =
  (operation: string) =>
  (error: RpcFailed): CastoreError => {
    const sent = error.data === undefined ? Option.none() : read(error.data)
    if (Option.isSome(sent)) return sent.value
    if (error.code === code.invalidArgument) return new InvalidData({ what: `what '${error.peer}' was asked for`, detail: error.details })
    return new StoreUnavailable({ store: error.peer, operation, cause: error })
  }

/** Runs code that throws a `CastoreError` on what a server answered; anything wrong in it is the server's fault. */
export const answered = <A>(channel: Channel, operation: string, run: () => A): Effect.Effect<A, CastoreError> =>
  Effect.try({
    try: run,
    catch: (cause) => new StoreUnavailable({ store: channel.peer, operation, cause })
  })
