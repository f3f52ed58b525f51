/**
 * The store path that a source of the host would have, computed without storing it.
 */
import type { FarRequest, IoAnswer } from "../eval/IoRequest.ts"
import { printHash, sameHash } from "../nix/Hash.ts"
import { makeFixedOutput, makeSource } from "../nix/StorePath.ts"
import type { hashPath } from "../store/HashPath.ts"

export type AddSource = Extract<FarRequest, { readonly _tag: "AddSource" }>

/** The path, or that its content is not the expected one. Throws what `hash` throws. */
export const hashedSource = (request: AddSource, hash: typeof hashPath): IoAnswer => {
  const { expected } = request
  const algorithm = expected?.algorithm ?? "sha256"
  const digest = hash(request.path, { accepted: request.accepted, flat: !request.recursive, algorithm })
  if (expected !== undefined && !sameHash(expected, { algorithm, digest })) {
    const [wanted, found] = [expected, { algorithm, digest }].map((hash) => printHash(hash, "sri"))
    const message = `hash mismatch importing path '${request.path}':\n  specified: ${wanted}\n     got:    ${found}`
    return { ok: false, failure: { kind: "hash-mismatch", message, exitCode: undefined } }
  }
  const value =
    request.recursive && algorithm === "sha256"
      ? makeSource(request.name, digest)
      : makeFixedOutput(request.name, request.recursive ? "recursive" : "flat", { algorithm, digest })
  return { ok: true, value }
}
