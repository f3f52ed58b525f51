/**
 * `nix-hash`: hashes of files and trees, and hashes written another way.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { installNode } from "../../castore/crypto/Node.ts"
import { fromUnicode } from "../../nix/Bytes.ts"
import {
  algorithmNamed,
  HashError,
  type HashFormat,
  type NixHash,
  type NixHashAlgorithm,
  parseAlgorithm,
  parseHash,
  printHash
} from "../../nix/Hash.ts"
import { compress } from "../../nix/StorePath.ts"
import { hashPath } from "../../store/HashPath.ts"
import { printTextLine } from "../Output.ts"
import { answered, CompatError, parseProgram } from "./Common.ts"
import { BadUsage, type FlagTable } from "./Flags.ts"

export const hashTable = {
  flat: ["--flat", "", "Of the contents of files instead of their NARs"],
  type: ["--type", "ALGORITHM", "md5 (default), sha1, sha256, sha512 or blake3"],
  base16: ["--base16", "", "Print as base16 (default)"],
  base32: ["--base32", "", "Print in Nix's base32"],
  base64: ["--base64", "", "Print as base64"],
  sri: ["--sri", "", "Print as SRI"],
  truncate: ["--truncate", "", "Cut down to 160 bits, as in store paths"],
  toBase16: ["--to-base16", "", "The words are hashes: print them as base16"],
  toBase32: ["--to-base32", "", "… in Nix's base32"],
  toBase64: ["--to-base64", "", "… as base64"],
  toSri: ["--to-sri", "", "… as SRI"]
} as const satisfies FlagTable

const program = "nix-hash"

/** The same in the terms of formats. */
const formats = { base16: "base16", base32: "nix32", base64: "base64", sri: "sri" } as const satisfies Record<string, HashFormat>
const conversions = { toBase16: "base16", toBase32: "nix32", toBase64: "base64", toSri: "sri" } as const satisfies Record<
  string,
  HashFormat
>

/** What pure functions of hashes throw, as errors. */
export const hashing = <A>(run: () => A): Effect.Effect<A, CompatError> =>
  Effect.try({
    try: run,
    catch: (error) => new CompatError({ detail: error instanceof Error ? error.message : String(error) })
  })

/** The hash of what lies at a path of the host. */
export const hashOfPath = Effect.fnUntraced(function* (named: string, algorithm: NixHashAlgorithm, flat: boolean) {
  const absolute = path.resolve(named)
  if (fs.lstatSync(absolute, { throwIfNoEntry: false }) === undefined) {
    return yield* new CompatError({ detail: `path '${absolute}' does not exist` })
  }
  installNode()
  // Flat is what a link leads to.
  const at = flat ? fs.realpathSync(absolute) : absolute
  return yield* hashing((): NixHash => ({ algorithm, digest: hashPath(fromUnicode(at), { flat, algorithm }) }))
})

export const nixHash = Effect.fn("yix compat nix-hash")(function* (words: ReadonlyArray<string>) {
  const line = yield* parseProgram(program, hashTable, words)
  if (yield* answered(program, "[FLAG]… PATH… | --to-… HASH…", line, hashTable)) return
  const type = line.last("type")
  if (type !== undefined && algorithmNamed(type) === undefined) {
    return yield* new BadUsage({ detail: new HashError({ kind: "unknown-algorithm", text: type }).message, program })
  }
  const conversion = line.used(["toBase16", "toBase32", "toBase64", "toSri"]).at(-1)
  if (conversion !== undefined) {
    // Nix takes bare texts for MD5, as it does for files.
    for (const word of line.words) {
      const hash = yield* hashing(() =>
        parseHash(word, type === undefined && /[:-]/.test(word) ? undefined : parseAlgorithm(type ?? "md5"))
      )
      yield* printTextLine(printHash(hash, conversions[conversion]))
    }
    return
  }
  const format = formats[line.used(["base16", "base32", "base64", "sri"]).at(-1) ?? "base16"]
  for (const word of line.words) {
    const { algorithm, digest } = yield* hashOfPath(word, parseAlgorithm(type ?? "md5"), line.has("flat"))
    const cut = line.has("truncate") && digest.length > 20 ? compress(digest) : digest
    yield* printTextLine(printHash({ algorithm, digest: cut }, format))
  }
})
