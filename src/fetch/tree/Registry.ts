/**
 * The flake registry: what short names such as `nixpkgs` stand for. Looked up in the user's, the system's and the global registry, in this order; in Nix's places, so that both agree.
 * Format: `nix registry` in the Nix manual (version 2).
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { fromUnicode } from "../../nix/Bytes.ts"
import { type Attribute, checkInput, FlakeRefError, type TreeInput } from "../../nix/FlakeRef.ts"
import type { TransferError } from "../FetchError.ts"
import { readText, type Transfer } from "../Transfer.ts"

/** A short name leads nowhere, or a registry is unreadable. */
export class NotRegistered extends Schema.TaggedError<NotRegistered>()("NotRegistered", { id: Schema.String, detail: Schema.String }) {
  override get message(): string {
    return `cannot find flake 'flake:${this.id}' in the flake registries: ${this.detail}`
  }
}

const Reference = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))

const RegistryFile = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(2),
    flakes: Schema.Array(Schema.Struct({ from: Reference, to: Reference, exact: Schema.optionalKey(Schema.Boolean) }))
  })
)

const globalRegistry = "https://channels.nixos.org/flake-registry.json"
const registryLimit = 4 << 20
/** Names that stand for names, at most. */
const hopLimit = 100

interface Entry {
  readonly from: TreeInput
  readonly to: TreeInput
  readonly exact: boolean
}

const parse = (source: string, text: string, id: string): Effect.Effect<ReadonlyArray<Entry>, NotRegistered> =>
  Schema.decodeUnknownEffect(RegistryFile)(text).pipe(
    Effect.mapError((error) => new NotRegistered({ id, detail: `'${source}' is no registry: ${error.message}` })),
    Effect.map(({ flakes }) => flakes.map(({ from, to, exact }) => ({ from: inputOf(from), to: inputOf(to), exact: exact ?? false })))
  )

const inputOf = (attributes: Readonly<Record<string, Attribute>>): TreeInput =>
  new Map(Object.entries(attributes).map(([name, value]) => [fromUnicode(name), typeof value === "string" ? fromUnicode(value) : value]))

/** The user's and the system's registry files. */
const places = (): ReadonlyArray<string> => [
  path.join(process.env["XDG_CONFIG_HOME"] || path.join(os.homedir(), ".config"), "nix", "registry.json"),
  "/etc/nix/registry.json"
]

const readAll = Effect.fnUntraced(function* (
  source: string,
  id: string
): Effect.fn.Return<ReadonlyArray<Entry>, NotRegistered | TransferError, Transfer> {
  if (source.startsWith("/")) {
    if (!fs.existsSync(source)) return []
    const text = yield* Effect.try({
      try: () => fs.readFileSync(source, "utf8"),
      catch: (error) => new NotRegistered({ id, detail: `'${source}' cannot be read: ${(error as Error).message}` })
    })
    return yield* parse(source, text, id)
  }
  return yield* parse(source, yield* readText(source, registryLimit), id)
})

/** One step: what the entry makes of the input, or `undefined` where it is about another. */
const apply = (input: TreeInput, { from, to, exact }: Entry): TreeInput | undefined => {
  if (from.get("id") !== input.get("id") || from.get("type") !== "indirect") return undefined
  if (exact) return from.get("ref") === input.get("ref") && from.get("rev") === input.get("rev") ? to : undefined
  if (from.has("ref") && from.get("ref") !== input.get("ref")) return undefined
  const result = new Map(to)
  for (const name of ["ref", "rev", "narHash"]) {
    const own = input.get(name)
    if (own === undefined || from.get(name) === own) continue
    result.set(name, own)
    // A forge takes a branch or a commit, not both.
    if (name === "rev" && result.get("type") !== "git") result.delete("ref")
  }
  return result
}

/** The input that a short name stands for: one that is not a short name. */
export const resolve = Effect.fnUntraced(function* (input: TreeInput) {
  const id = String(input.get("id"))
  // Each registry is read at most once, when the names before did not stand in another.
  const read = new Map<string, ReadonlyArray<Entry>>()
  const entriesIn = Effect.fnUntraced(function* (source: string) {
    const entries = read.get(source) ?? (yield* readAll(source, id))
    read.set(source, entries)
    return entries
  })
  let current = input
  for (let hop = 0; hop < hopLimit; hop++) {
    if (current.get("type") !== "indirect") {
      const found = current
      return yield* Effect.try({
        try: () => {
          const { dir: _, ...attributes } = Object.fromEntries(found)
          return { input: checkInput(new Map(Object.entries(attributes)), { flake: false }), dir: found.get("dir") }
        },
        catch: (error) => {
          if (!(error instanceof FlakeRefError)) throw error
          return new NotRegistered({ id, detail: error.message })
        }
      })
    }
    let next: TreeInput | undefined
    for (const source of [...places(), globalRegistry]) {
      for (const entry of yield* entriesIn(source)) if ((next = apply(current, entry)) !== undefined) break
      if (next !== undefined) break
    }
    if (next === undefined) return yield* new NotRegistered({ id, detail: "no registry has this name" })
    current = next
  }
  return yield* new NotRegistered({ id, detail: "its entries lead to each other in a circle" })
})
