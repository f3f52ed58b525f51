/**
 * One build: from a derivation whose inputs are in the store to path infos of its outputs, not yet committed.
 *
 * The builder's word is taken for nothing: number of outputs, declared hashes, references and the derivation's own checks are verified here, and NAR hash and
 * size are computed from the tree that arrived in the castore.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Node } from "../castore/Node.ts"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { BuildError } from "../build/BuildError.ts"
import { derivationRequest } from "../build/DerivationRequest.ts"
import { Builder, type BuiltOutput } from "../build/Builder.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { type Derivation, type DerivationOutput, fixedHash, kindOf } from "../nix/Derivation.ts"
import { type NixHash, printHash, sameHash } from "../nix/Hash.ts"
import { hashPart, type StorePath } from "../nix/StorePath.ts"
import { calculate, calculateWith } from "../store/Nar.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import type { Reporter } from "./Announce.ts"
import { BuildLogs } from "./BuildLogs.ts"
import { contentAddress, flatHash, isSupported } from "./FixedOutput.ts"
import { LogLines } from "./LogLines.ts"
import { outputChecks, type Violation, violation } from "./OutputChecks.ts"
import { DerivationFailed, HashMismatch, OutputRefused, type RealiseError, storeFailure } from "./RealiseError.ts"
import { RealiseOptions } from "./Realiser.ts"

export interface BuildInput {
  readonly drvPath: StorePath
  readonly derivation: Derivation
  /** The closure of the inputs. */
  readonly closure: ReadonlyMap<StorePath, PathInfo>
  /** Output paths of a derivation that is known, for builds that want to see whole graphs. */
  readonly outputsOf: (drvPath: StorePath) => ReadonlyArray<StorePath>
}

/** An output as it came, under its name. */
interface Arrived {
  readonly name: ByteString
  readonly path: StorePath
  readonly node: Node
  readonly references: ReadonlyArray<StorePath>
  readonly nar: BuiltOutput["nar"]
}

export type BuildServices = Builder | BuildLogs | BlobService | DirectoryService

/** Builds, verifies, and describes all outputs, those that others refer to first. Interrupting it ends the builder's processes. */
export const buildDerivation = (
  input: BuildInput,
  reporter: Reporter
): Effect.Effect<ReadonlyArray<{ readonly name: ByteString; readonly info: PathInfo }>, RealiseError, BuildServices> =>
  Effect.gen(function* () {
    const arrived = yield* Effect.scoped(runBuilder(input, reporter))
    const described = yield* Effect.forEach(arrived, (output) => describe(input, output))
    yield* checkOutputs(input, described)
    return referencedFirst(described)
  })

const failed = (input: BuildInput, detail: string, lines: LogLines | undefined, reason: "failed" | "timeout" | "unsupported" = "failed") =>
  new DerivationFailed({ drvPath: input.drvPath, reason, detail, lastLines: [...(lines?.lastLines ?? [])], logged: lines !== undefined })

/** The builder's error with the derivation's name; its log lines are replaced by ours, which know where the whole log is. */
const builderFailed = (input: BuildInput, error: BuildError, lines: LogLines | undefined) => {
  const { message, exitCode } = error
  const cut = "lastLines" in error ? message.indexOf(`; last ${error.lastLines.length} log lines:\n`) : -1
  const detail = cut === -1 ? message : message.slice(0, cut)
  return failed(
    input,
    detail,
    exitCode === 1 ? undefined : lines,
    exitCode === 101 ? "timeout" : exitCode === 100 ? "failed" : "unsupported"
  )
}

const runBuilder = Effect.fnUntraced(function* (input: BuildInput, reporter: Reporter) {
  const { derivation, drvPath, closure } = input
  const builder = yield* Builder
  const logs = yield* BuildLogs
  const { timeout, maxSilent, offline } = yield* RealiseOptions
  const {
    request: online,
    outputNames,
    discardedReferences
  } = yield* derivationRequest(derivation, closure, { outputsOf: input.outputsOf }).pipe(
    Effect.mapError((error) => builderFailed(input, error, undefined))
  )
  const request = offline ? { ...online, constraints: { ...online.constraints, networkAccess: false } } : online
  const log = yield* logs.open(drvPath)
  const lines = new LogLines(reporter.line)
  const onLog = (bytes: Uint8Array) => {
    log.append(bytes)
    lines.push(bytes)
  }
  const built = yield* builder.build(request, { timeout, maxSilent, onLog }).pipe(
    Effect.ensuring(Effect.sync(() => lines.end())),
    Effect.mapError((error) => builderFailed(input, error, lines))
  )
  if (built.length !== request.outputs.length)
    return yield* failed(input, `the builder gave ${built.length} outputs, ${request.outputs.length} were asked for`, lines)
  const byHashPart = new Map<string, StorePath>()
  for (const path of closure.keys()) byHashPart.set(hashPart(path), path)
  for (const output of derivation.outputs.values()) if (output.path !== "") byHashPart.set(hashPart(output.path), output.path)
  const arrived: Array<Arrived> = []
  for (const [at, name] of outputNames.entries()) {
    const { node, needles, nar } = built[at]!
    const references = discardedReferences.has(name) ? [] : needles.map((index) => byHashPart.get(request.refscanNeedles[index] ?? ""))
    if (references.includes(undefined))
      return yield* failed(input, `the builder names references of '${name}' that nobody asked about`, lines)
    const path = derivation.outputs.get(name)!.path as StorePath
    arrived.push({ name, path, node, nar, references: (references as Array<StorePath>).sort() })
  }
  return arrived
})

/** The path info of an output, and for a fixed one the proof that it is what was declared. */
const describe = Effect.fnUntraced(function* (input: BuildInput, output: Arrived) {
  const { derivation, drvPath } = input
  const nar = output.nar ?? (yield* Effect.mapError(calculate(output.node), storeFailure))
  const registrationTime = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const declaration = derivation.outputs.get(output.name)!
  const ca = kindOf(derivation) === "fixed" ? yield* verifyFixed(input, output, declaration, nar.narHash) : undefined
  return {
    name: output.name,
    info: {
      path: output.path,
      node: output.node,
      references: output.references,
      ...nar,
      signatures: [],
      deriver: drvPath,
      ca,
      registrationTime
    } satisfies PathInfo
  }
})

const verifyFixed = Effect.fnUntraced(function* (input: BuildInput, output: Arrived, declaration: DerivationOutput, narSha256: Uint8Array) {
  const { drvPath, derivation } = input
  const { method, algorithm, digest } = fixedHash(derivation.name, output.name, declaration)
  if (!isSupported(method)) return yield* failed(input, `outputs hashed by '${method}' are not supported`, undefined, "unsupported")
  if (method === "flat" && (output.node._tag !== "File" || output.node.executable)) {
    return yield* failed(input, `output '${output.path}' should be a file that is not executable, since its hash is flat`, undefined)
  }
  const actual: NixHash =
    output.node._tag === "File" && method === "flat"
      ? yield* Effect.mapError(flatHash(output.node, algorithm), storeFailure)
      : algorithm === "sha256"
        ? { algorithm, digest: narSha256 }
        : { algorithm, digest: (yield* Effect.mapError(calculateWith(output.node, algorithm), storeFailure)).digest }
  const expected = { algorithm, digest }
  if (!sameHash(actual, expected)) {
    return yield* new HashMismatch({ what: drvPath, expected: printHash(expected, "sri"), actual: printHash(actual, "sri") })
  }
  if (output.references.length > 0) {
    return yield* failed(
      input,
      `its output has a fixed hash, so it must not refer to store paths, but does: ${output.references.join(", ")}`,
      undefined
    )
  }
  return contentAddress(method, expected)
})

const checkOutputs = Effect.fnUntraced(function* (input: BuildInput, described: ReadonlyArray<{ name: ByteString; info: PathInfo }>) {
  const { derivation, drvPath, closure } = input
  const own = new Map(described.map(({ info }) => [info.path, info]))
  const paths = new Map(described.map(({ name, info }) => [name, info.path]))
  for (const { name, info } of described) {
    const refuse = (v: Violation) =>
      new OutputRefused({ drvPath, output: name, check: v.check, offenders: [...v.offenders], detail: v.detail })
    const checks = outputChecks(derivation, name)
    if ("check" in checks) return yield* refuse(checks)
    const reached = new Map<StorePath, number>()
    const waiting = [info.path]
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      const found = own.get(path) ?? closure.get(path)
      if (found === undefined || reached.has(path)) continue
      reached.set(path, found.narSize)
      waiting.push(...found.references)
    }
    const found = violation(checks, { path: info.path, references: info.references, closure: reached, narSize: info.narSize }, paths)
    if (found !== undefined) return yield* refuse(found)
  }
})

/** Outputs in an order in which each comes after those that it refers to; of a cycle, which no output checks forbid, in any. */
const referencedFirst = <T extends { readonly info: PathInfo }>(outputs: ReadonlyArray<T>): ReadonlyArray<T> => {
  const byPath = new Map(outputs.map((output) => [output.info.path, output]))
  const ordered = new Set<T>()
  const visiting = new Set<T>()
  const visit = (output: T): void => {
    if (ordered.has(output) || visiting.has(output)) return
    visiting.add(output)
    for (const reference of output.info.references) {
      const other = byPath.get(reference)
      if (other !== undefined) visit(other)
    }
    ordered.add(output)
  }
  for (const output of outputs) visit(output)
  return [...ordered]
}
