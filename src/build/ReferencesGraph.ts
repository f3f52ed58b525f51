/**
 * `exportReferencesGraph`: what a builder is told about the closure of some of its inputs, in the two forms that Nix has.
 *
 * Pure. Formats found by building with Nix 2.34.8: paths sorted; the text form has per path the path, the deriver (always empty here), the number of
 * references and the references, a line each; the JSON form `{ca?, closureSize, narHash, narSize, path, references, valid}`.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { printPrefixed } from "../nix/Hash.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import type { Json } from "./StructuredAttrs.ts"

/** What is known of inputs. */
export type Closure = ReadonlyMap<StorePath, PathInfo>

/** Everything reachable from some paths, themselves included, sorted. What is not in the closure is left out. */
export const reachable = (roots: ReadonlyArray<StorePath>, closure: Closure): ReadonlyArray<PathInfo> => {
  const found = new Map<StorePath, PathInfo>()
  const waiting = [...roots]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const info = closure.get(path)
    if (info === undefined || found.has(path)) continue
    found.set(path, info)
    waiting.push(...info.references)
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** The file that a derivation without structured attributes gets. */
export const printGraph = (infos: ReadonlyArray<PathInfo>): ByteString =>
  infos.map(({ path, references }) => [path, "", references.length, ...[...references].sort(), ""].join("\n")).join("")

/** The value that structured attributes get. */
export const graphJson = (infos: ReadonlyArray<PathInfo>, closure: Closure): Json =>
  infos.map(({ path, narHash, narSize, references, ca }) => {
    const fields = new Map<ByteString, Json>([
      ["closureSize", reachable([path], closure).reduce((size, info) => size + info.narSize, 0)],
      ["narHash", printPrefixed({ algorithm: "sha256", digest: narHash }, "nix32")],
      ["narSize", narSize],
      ["path", path],
      ["references", [...references].sort()],
      ["valid", true]
    ])
    if (ca !== undefined) fields.set("ca", ca)
    return fields
  })
