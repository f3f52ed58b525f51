/**
 * What a derivation demands of its outputs: `allowedReferences`, `allowedRequisites`, `disallowedReferences`, `disallowedRequisites` for all of them, or with
 * structured attributes `outputChecks.<output>`, which also knows `maxSize`, `maxClosureSize` and `ignoreSelfRefs`. Meanings as in the Nix manual,
 * "Advanced attributes". Pure.
 */
import { toUnicode } from "../nix/Bytes.ts"
import type { Derivation } from "../nix/Derivation.ts"
import { storeDir, type StorePath } from "../nix/StorePath.ts"

const listChecks = ["allowedReferences", "allowedRequisites", "disallowedReferences", "disallowedRequisites"] as const
type ListCheck = (typeof listChecks)[number]

export interface OutputChecks {
  /** Each a list of store paths and names of outputs; absent where the derivation does not ask. */
  readonly lists: ReadonlyMap<ListCheck, ReadonlyArray<string>>
  /** Of the requisites checks only: an output may always refer to itself. */
  readonly ignoreSelfReferences: boolean
  /** Bytes of NAR; undefined is no limit. */
  readonly maxSize: number | undefined
  readonly maxClosureSize: number | undefined
}

export interface Violation {
  readonly check: string
  readonly offenders: ReadonlyArray<string>
  readonly detail: string
}

const none: OutputChecks = { lists: new Map(), ignoreSelfReferences: true, maxSize: undefined, maxClosureSize: undefined }

const isStrings = (value: unknown): value is ReadonlyArray<string> => Array.isArray(value) && value.every((v) => typeof v === "string")

const structured = (json: string, output: string): OutputChecks | Violation => {
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch {
    return { check: "outputChecks", offenders: [], detail: "the derivation's structured attributes are not JSON" }
  }
  const all = (parsed as { readonly outputChecks?: unknown } | null)?.outputChecks
  const mine = typeof all === "object" && all !== null ? (all as Record<string, unknown>)[output] : undefined
  if (typeof mine !== "object" || mine === null) return none
  const record = mine as Record<string, unknown>
  const lists = new Map<ListCheck, ReadonlyArray<string>>()
  for (const check of listChecks) {
    const value = record[check]
    if (value === undefined) continue
    if (!isStrings(value)) return { check, offenders: [], detail: "it must be a list of strings" }
    lists.set(check, value)
  }
  const number = (key: string) => (typeof record[key] === "number" ? record[key] : undefined)
  return {
    lists,
    ignoreSelfReferences: record["ignoreSelfRefs"] === true,
    maxSize: number("maxSize"),
    maxClosureSize: number("maxClosureSize")
  }
}

/** The checks for one output, or what is wrong with how they are written. */
export const outputChecks = (derivation: Derivation, output: string): OutputChecks | Violation => {
  const json = derivation.env.get("__json")
  if (json !== undefined) return structured(toUnicode(json), output)
  const lists = new Map<ListCheck, ReadonlyArray<string>>()
  for (const check of listChecks) {
    const value = derivation.env.get(check)
    if (value !== undefined)
      lists.set(
        check,
        value.split(/[ \t\n\r]+/).filter((word) => word !== "")
      )
  }
  return lists.size === 0 ? none : { ...none, lists }
}

/** An output as it came out of the builder. */
export interface CheckedOutput {
  readonly path: StorePath
  readonly references: ReadonlyArray<StorePath>
  /** Everything reachable from it, itself included, with NAR sizes. */
  readonly closure: ReadonlyMap<StorePath, number>
  readonly narSize: number
}

/** The first check that the output fails. `outputs`: paths of the derivation's outputs by name. */
export const violation = (checks: OutputChecks, output: CheckedOutput, outputs: ReadonlyMap<string, StorePath>): Violation | undefined => {
  if (checks.maxSize !== undefined && output.narSize > checks.maxSize) {
    return { check: "maxSize", offenders: [], detail: `its NAR has ${output.narSize} bytes, ${checks.maxSize} are allowed` }
  }
  if (checks.maxClosureSize !== undefined) {
    let size = 0
    for (const narSize of output.closure.values()) size += narSize
    if (size > checks.maxClosureSize) {
      return { check: "maxClosureSize", offenders: [], detail: `its closure has ${size} bytes, ${checks.maxClosureSize} are allowed` }
    }
  }
  for (const [check, words] of checks.lists) {
    const named = new Set<string>()
    for (const word of words) {
      const path = word.startsWith(`${storeDir}/`) ? word : outputs.get(word)
      if (path === undefined) return { check, offenders: [word], detail: "it names what is neither a store path nor an output" }
      named.add(path)
    }
    const recursive = check.endsWith("Requisites")
    const allowed = check.startsWith("allowed")
    const used = recursive ? [...output.closure.keys()] : output.references
    const offenders = used.filter(
      (path) => named.has(path) !== allowed && !(recursive && checks.ignoreSelfReferences && path === output.path)
    )
    if (offenders.length > 0) return { check, offenders: offenders.sort(), detail: "it must not refer to" }
  }
  return undefined
}
