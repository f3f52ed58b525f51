/**
 * Build requests and what came of them as messages of `snix.build.v1` (shared/reference/anchors.md §3.6).
 *
 * The protocol's texts are UTF-8, a request's are bytes: one that is not UTF-8 cannot be sent. What is read may have texts that no build would have; whether it keeps
 * the rules of requests is for `requestProblem` to say.
 */
import { create } from "@bufbuild/protobuf"
import * as EntryMessage from "../castore/EntryMessage.ts"
import { type ByteString, fromBytes, fromUnicode, toBytes, toUnicode } from "../nix/Bytes.ts"
import {
  type BuildRequest as RequestMessage,
  BuildRequestSchema,
  type BuildResponse as ResponseMessage,
  BuildResponseSchema
} from "../wire/gen/snix/build/v1/build_pb.ts"
import type { BuiltOutput } from "./Builder.ts"
import { InvalidBuildRequest } from "./BuildError.ts"
import type { BuildRequest } from "./BuildRequest.ts"

const text = (bytes: ByteString): string => {
  const unicode = toUnicode(bytes)
  if (fromUnicode(unicode) === bytes) return unicode
  throw new InvalidBuildRequest({ problem: `'${unicode}' is not UTF-8, so it cannot be sent to another machine; build it on this one` })
}

const texts = (all: ReadonlyArray<ByteString>): Array<string> => all.map(text)

/** The message, with outputs in the order of the request. Throws `InvalidBuildRequest` for what the protocol cannot say. */
export const requestMessage = (request: BuildRequest): RequestMessage =>
  create(BuildRequestSchema, {
    inputs: request.inputs.map(EntryMessage.toMessage),
    commandArgs: texts(request.commandArgs),
    workingDir: text(request.workingDir),
    scratchPaths: texts(request.scratchPaths),
    inputsDir: text(request.inputsDir),
    outputs: texts(request.outputs),
    environmentVars: request.environmentVars.map(({ key, value }) => ({ key: text(key), value: toBytes(value) })),
    constraints: {
      system: text(request.constraints.system),
      minMemory: BigInt(request.constraints.minMemory),
      availableRoPaths: texts(request.constraints.availableReadOnlyPaths),
      networkAccess: request.constraints.networkAccess,
      provideBinSh: request.constraints.provideBinSh
    },
    additionalFiles: request.additionalFiles.map(({ path, contents }) => ({ path: text(path), contents })),
    refscanNeedles: texts(request.refscanNeedles)
  })

/** Reads a message. Throws `InvalidData` for inputs that are none. */
export const fromRequestMessage = (message: RequestMessage): BuildRequest => ({
  inputs: message.inputs.map(EntryMessage.fromMessage),
  commandArgs: message.commandArgs.map(fromUnicode),
  workingDir: fromUnicode(message.workingDir),
  scratchPaths: message.scratchPaths.map(fromUnicode),
  inputsDir: fromUnicode(message.inputsDir),
  outputs: message.outputs.map(fromUnicode),
  environmentVars: message.environmentVars.map(({ key, value }) => ({ key: fromUnicode(key), value: fromBytes(value) })),
  constraints: {
    system: fromUnicode(message.constraints?.system ?? ""),
    minMemory: Number(message.constraints?.minMemory ?? 0n),
    availableReadOnlyPaths: (message.constraints?.availableRoPaths ?? []).map(fromUnicode),
    networkAccess: message.constraints?.networkAccess ?? false,
    provideBinSh: message.constraints?.provideBinSh ?? false
  },
  additionalFiles: message.additionalFiles.map(({ path, contents }) => ({ path: fromUnicode(path), contents })),
  refscanNeedles: message.refscanNeedles.map(fromUnicode)
})

export const responseMessage = (outputs: ReadonlyArray<BuiltOutput>): ResponseMessage =>
  create(BuildResponseSchema, {
    outputs: outputs.map(({ node, needles }) => ({ output: EntryMessage.toMessage({ name: "", node }), needles: needles.map(BigInt) }))
  })

/** Reads a response to a request for `count` outputs. Throws `InvalidData` for outputs that are none, an `Error` where there are more or less. */
export const fromResponseMessage = (message: ResponseMessage, count: number): ReadonlyArray<BuiltOutput> => {
  if (message.outputs.length !== count) throw new Error(`it gave ${message.outputs.length} outputs, ${count} were asked for`)
  return message.outputs.map(({ output, needles }) => ({ node: EntryMessage.fromMessage(output).node, needles: needles.map(Number) }))
}
