/**
 * Answering a request for an input: from what is remembered of a locked one whose tree the store has, else by fetching it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FarRequest, TreeAnswer } from "../eval/IoRequest.ts"
import { type Fetch, treeFetch } from "../fetch/Fetch.ts"
import type { Fetched } from "../fetch/Fetcher.ts"
import { type Attribute, isLocked } from "../nix/FlakeRef.ts"
import { printHash } from "../nix/Hash.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import type { InputMemory } from "./InputMemory.ts"
import type { RealiseError } from "./RealiseError.ts"

export interface FetchInputWays {
  readonly lookup: (path: StorePath) => Effect.Effect<Option.Option<PathInfo>, RealiseError>
  readonly memory: InputMemory
  readonly fetched: (fetch: Fetch) => Effect.Effect<Fetched, RealiseError>
}

const answerOf = (info: PathInfo, attributes: ReadonlyMap<string, Attribute>): TreeAnswer => ({
  path: info.path,
  narHash: printHash({ algorithm: "sha256", digest: info.narHash }, "sri"),
  attributes: [...attributes]
})

export const fetchInput = Effect.fnUntraced(function* (
  request: Extract<FarRequest, { readonly _tag: "FetchTree" }>,
  { lookup, fetched, memory }: FetchInputWays
): Effect.fn.Return<TreeAnswer, RealiseError> {
  const input = new Map(request.input)
  const fetch = treeFetch(input, request.name, request.hash)
  const key = `${request.name} ${JSON.stringify(request.input)}`
  const remembered = isLocked(input) ? memory.get(key) : undefined
  if (remembered !== undefined) {
    const present = yield* lookup(remembered.path)
    if (Option.isSome(present)) return answerOf(present.value, remembered.attributes)
  }
  const info = yield* fetched(fetch)
  const attributes = info.tree ?? new Map()
  if (isLocked(input) && info.tree !== undefined) memory.put(key, { path: info.path, attributes })
  return answerOf(info, attributes)
})
