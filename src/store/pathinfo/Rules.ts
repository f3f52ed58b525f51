/**
 * What every path-info driver checks and how two entries of one path become one.
 */
import { InvalidData } from "../../castore/CastoreError.ts"
import { nodeProblem } from "../../castore/Directory.ts"
import { isStorePath } from "../../nix/StorePath.ts"
import type { PathInfo } from "../PathInfo.ts"

const signatureForm = /^[^\s:]+:[A-Za-z0-9+/]+={0,2}$/

const problemOf = (info: PathInfo): string | undefined => {
  if (!isStorePath(info.path)) return "its path is not a store path"
  const problem = nodeProblem(info.node)
  if (problem !== undefined) return `its node holds ${problem}`
  if (info.narHash.length !== 32) return `its NAR hash has ${info.narHash.length} bytes instead of 32`
  if (!Number.isSafeInteger(info.narSize) || info.narSize < 0) return `its NAR size is ${info.narSize}`
  if (!Number.isSafeInteger(info.registrationTime)) return `its registration time is ${info.registrationTime}`
  if (info.deriver !== undefined && !isStorePath(info.deriver)) return `its deriver '${info.deriver as string}' is not a store path`
  if (info.ca !== undefined && (info.ca === "" || /\s/.test(info.ca))) return `its content address '${info.ca}' is malformed`
  for (let i = 0; i < info.references.length; i++) {
    const reference = info.references[i]!
    if (!isStorePath(reference)) return `its reference '${reference as string}' is not a store path`
    if (i > 0 && reference <= info.references[i - 1]!)
      return `its references are not sorted: '${reference}' comes after '${info.references[i - 1]!}'`
  }
  for (const signature of info.signatures)
    if (!signatureForm.test(signature)) return `its signature '${signature}' is not of the form 'name:base64'`
  return undefined
}

/** Throws `InvalidData` when a path info breaks a rule. */
export const check = (info: PathInfo): void => {
  const problem = problemOf(info)
  if (problem !== undefined) throw new InvalidData({ what: `path info of '${info.path}'`, detail: problem })
}

/** The new entry with the signatures of both, those of the earlier entry first. */
export const merge = (earlier: PathInfo | undefined, next: PathInfo): PathInfo =>
  earlier === undefined ? next : { ...next, signatures: [...new Set([...earlier.signatures, ...next.signatures])] }
