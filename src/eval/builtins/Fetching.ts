/**
 * `fetchurl` and `fetchTarball`. Where a hash is given the store path is known and the fetch waits until somebody wants the content; the path is
 * registered with the host by a `Fetch` request only when it must be known. (`fetchGit`, `fetchTree` and flakes are not here yet.)
 */
import type { ByteString } from "../../nix/Bytes.ts"
import type { NixHash } from "../../nix/Hash.ts"
import { checkName, StorePathError } from "../../nix/StorePath.ts"
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
  checkFetchName(who, url, name, v instanceof AttributeSet ? v : undefined)
  const path = ask({ _tag: "Fetch", url, name, hash, unpack }) as string
  return new ContextString(path, new Set([path]))
}

/** A name that no store path can have is refused before anything is fetched. */
const checkFetchName = (who: string, url: ByteString, name: ByteString, given: AttributeSet | undefined): void => {
  try {
    checkName(name)
  } catch (error) {
    if (!(error instanceof StorePathError)) throw error
    const advice =
      given === undefined
        ? `Please pass an attribute set with 'url' and 'name' attributes to '${who}',  so that`
        : given.has(nameName)
          ? `Please change the value for the 'name' attribute passed to '${who}', so that`
          : `Please add a valid 'name' attribute to the argument for '${who}', so that`
    const problem = `invalid store path name when fetching URL '${url}': ${error.message}`
    throw new NixError("eval", `${problem}. ${advice} it can create a valid store path.`)
  }
}

export const fetching: ReadonlyArray<Builtin> = [
  new Builtin("fetchurl", 1, (argument) => fetch("fetchurl", argument, false)),
  new Builtin("fetchMercurial", 1, () => {
    throw new NixError("eval", "'builtins.fetchMercurial' is not supported; fetch an archive with 'builtins.fetchTarball' instead")
  }),
  new Builtin("fetchTarball", 1, (argument) => fetch("fetchTarball", argument, true))
]
