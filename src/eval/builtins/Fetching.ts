/**
 * `fetchurl` and `fetchTarball`. Where a hash is given the store path is known and the fetch waits until somebody wants the content; the path is
 * registered with the host by a `Fetch` request only when it must be known. (`fetchGit`, `fetchTree` and flakes are not here yet.)
 */
import type { ByteString } from "../../nix/Bytes.ts"
import { toUnicode } from "../../nix/Bytes.ts"
import type { NixHash } from "../../nix/Hash.ts"
import { StorePathError } from "../../nix/StorePath.ts"
import { AttributeSet } from "../AttributeSet.ts"
import { declaredHash } from "../DeclaredHash.ts"
import { mismatch } from "../Describe.ts"
import { ask, force } from "../Force.ts"
import { machine } from "../Machine.ts"
import { NixError } from "../NixError.ts"
import { baseName } from "../Paths.ts"
import { nameOf, symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin, ContextString, textOf } from "../Value.ts"

const urlName = symbol("url")
const nameName = symbol("name")
const sha256Name = symbol("sha256")

const text = (value: Value): ByteString => {
  const v = force(value)
  if (typeof v === "string" || v instanceof ContextString) return textOf(v)
  throw mismatch("a string", v)
}

const fetch = (who: string, argument: Value, unpack: boolean): Value => {
  const v = force(argument)
  let url: ByteString | undefined
  let name: ByteString | undefined
  let hash: NixHash | undefined
  if (v instanceof AttributeSet) {
    for (let slot = 0; slot < v.size; slot++) {
      const symbol = v.shape.symbols[slot] as number
      const value = v.at(slot)
      if (symbol === urlName) url = text(value)
      else if (symbol === nameName) name = text(value)
      else if (symbol === sha256Name) hash = declaredHash(text(value), "sha256")
      else throw new NixError("eval", `unsupported argument '${nameOf(symbol)}' to '${who}'`)
    }
    if (url === undefined) throw new NixError("eval", "'url' argument required")
  } else url = text(v)
  if (machine.settings.pure && hash === undefined) {
    throw new NixError("eval", `in pure evaluation mode, '${who}' requires a 'sha256' argument`)
  }
  name ??= unpack ? "source" : baseName(url.replace(/[?#].*$/, ""))
  if (name === "") throw new NixError("eval", `cannot tell a name for '${toUnicode(url)}': give 'name'`)
  try {
    const path = ask({ _tag: "Fetch", url, name, hash, unpack }) as string
    return new ContextString(path, new Set([path]))
  } catch (error) {
    throw error instanceof StorePathError ? new NixError("eval", error.message) : error
  }
}

export const fetching: ReadonlyArray<Builtin> = [
  new Builtin("fetchurl", 1, (argument) => fetch("fetchurl", argument, false)),
  new Builtin("fetchTarball", 1, (argument) => fetch("fetchTarball", argument, true))
]
