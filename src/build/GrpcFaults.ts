/**
 * Failed builds on the wire. `yix.build.v1` sends the error itself, so that who asked for the build has it whole; `snix.build.v1` has statuses and words only:
 *
 * INVALID_ARGUMENT a request that breaks the rules · FAILED_PRECONDITION another system or feature is wanted · DEADLINE_EXCEEDED it took too long ·
 * NOT_FOUND an input is not in the castore · ABORTED the build failed · INTERNAL the machine cannot build
 */
import { create } from "@bufbuild/protobuf"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type BuildFailure, BuildFailureSchema } from "../wire/gen/yix/build/v1/build_pb.ts"
import { code, type RpcFailed, RpcFault } from "../wire/grpc/RpcError.ts"
import * as BuildError from "./BuildError.ts"

// As JSON says it: what is undefined is null there.
const Sent = Schema.fromJsonString(
  Schema.toCodecJson(
    Schema.Union([
      BuildError.BuilderFailed,
      BuildError.BuilderNotExecutable,
      BuildError.BuildTimedOut,
      BuildError.LogTooLarge,
      BuildError.OutputMissing,
      BuildError.OutputRejected,
      BuildError.SandboxUnavailable,
      BuildError.SandboxFailed,
      BuildError.ScratchUnavailable,
      BuildError.UnsupportedSystem,
      BuildError.UnsupportedFeatures,
      BuildError.InvalidBuildRequest,
      BuildError.InvalidDerivation,
      BuildError.InputUnavailable,
      BuildError.OutputNotStored,
      BuildError.BuilderUnavailable,
      BuildError.FailedElsewhere
    ])
  )
)
const print = Schema.encodeSync(Sent)
const read = Schema.decodeUnknownOption(Sent)

/** The message. */
export const failureMessage = (error: BuildError.BuildError): BuildFailure =>
  create(BuildFailureSchema, { message: error.message, error: print(error), exitCode: error.exitCode })

/** What a message says; of a kind that is not known here, what it means. */
export const fromFailureMessage = (builder: string, { message, error, exitCode }: BuildFailure): BuildError.BuildError => {
  const known = read(error)
  if (Option.isSome(known)) return known.value
  return exitCode === 100 || exitCode === 101
    ? new BuildError.FailedElsewhere({ builder, detail: message, lastLines: [] })
    : new BuildError.BuilderUnavailable({ builder, detail: message })
}

/** Characters of a message that travel in a header. */
const wordsLimit = 1500

/** The message with as much of the log's end as fits a header. */
const words = (error: BuildError.BuildError): string => {
  if (!("lastLines" in error)) return error.message
  const marker = `; last ${error.lastLines.length} log lines:\n`
  const at = error.message.indexOf(marker)
  if (at === -1) return error.message
  let kept = ""
  for (const line of error.lastLines.toReversed()) {
    if (kept.length + line.length > wordsLimit) break
    kept = `\n> ${line}${kept}`
  }
  return `${error.message.slice(0, at)}; the log ended with:${kept}`
}

const codeOf = (error: BuildError.BuildError): number => {
  switch (error._tag) {
    case "InvalidBuildRequest":
    case "InvalidDerivation":
      return code.invalidArgument
    case "UnsupportedSystem":
    case "UnsupportedFeatures":
      return code.failedPrecondition
    case "BuildTimedOut":
      return code.deadlineExceeded
    case "InputUnavailable":
      return code.notFound
    case "BuilderUnavailable":
      return code.unavailable
    default:
      return error.exitCode === 100 ? code.aborted : code.internal
  }
}

/** What a server answers where the protocol has no place for the error itself. */
export const toFault = (error: BuildError.BuildError): RpcFault => new RpcFault({ code: codeOf(error), details: words(error) })

/** Statuses by which a server says that it does not build now, or not for us. */
const refusals: ReadonlySet<number> = new Set([
  code.cancelled,
  code.permissionDenied,
  code.resourceExhausted,
  code.unimplemented,
  code.unavailable,
  code.unauthenticated
])

/** What a client's caller gets for a failed call. */
export const fromFailure = (error: RpcFailed): BuildError.BuildError => {
  if (error.code === code.invalidArgument)
    return new BuildError.InvalidBuildRequest({ problem: `${error.details} (said by '${error.peer}')` })
  return refusals.has(error.code)
    ? new BuildError.BuilderUnavailable({ builder: error.peer, detail: error.message })
    : new BuildError.FailedElsewhere({ builder: error.peer, detail: error.details, lastLines: [] })
}
