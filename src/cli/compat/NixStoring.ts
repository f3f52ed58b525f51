/**
 * Commands of `nix` on stores, hashes and archives: nothing of this evaluates expressions, but for installables that do.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import { parseAlgorithm, parseFormat, parseHash, printHash } from "../../nix/Hash.ts"
import { NarError } from "../../nix/Nar.ts"
import { NarLister, type NarListing } from "../../nix/NarListing.ts"
import { nameOf, type StorePath } from "../../nix/StorePath.ts"
import { addPath } from "../../store/Add.ts"
import { cat, locate } from "../../store/Lookup.ts"
import { render } from "../../store/Nar.ts"
import { pathInfoJson } from "../../store/PathInfoJson.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { Realiser, type Target } from "../../realise/Realiser.ts"
import { copyPaths } from "../commands/Copy.ts"
import { readLog } from "../commands/Log.ts"
import { offersOf, withPathInfos } from "../commands/store/PathInfo.ts"
import { print, printBytes, printLine, printTextLine } from "../Output.ts"
import { parsePath } from "../StoreQueries.ts"
import { withEvaluator, withStore } from "../World.ts"
import { trustIn, withCaches } from "./Caches.ts"
import { type CommonKey, CompatError, NotThere, placeOf, realiseOptionsIn } from "./Common.ts"
import type { CommandLine, FlagTable } from "./Flags.ts"
import { derivationOf, installablesIn, installableTable, storedPaths, targetsOf } from "./Installables.ts"
import { listingAt, listingJson, listingLines, listingTable, type ListingOptions } from "./Listings.ts"
import { hashing, hashOfPath } from "./NixHash.ts"
import { verifyAll, writeHostNar } from "./NixStore.ts"
import type { Settings } from "./Settings.ts"
import { evaluationSettings, evaluationTable } from "./Sources.ts"

// Hashes

export const hashFormatTable = {
  type: ["--type --algo --hash-algo", "ALGORITHM", "md5, sha1, sha256 (default), sha512 or blake3"],
  base16: ["--base16", "", "Print as base16"],
  base32: ["--base32", "", "Print in Nix's base32"],
  base64: ["--base64", "", "Print as base64"],
  sri: ["--sri", "", "Print as SRI (default)"],
  format: ["--format --to", "FORMAT", "base16, nix32, base64 or sri"],
  from: ["--from", "FORMAT", "What the hashes are written in; found by their length"],
  mode: ["--mode", "MODE", "nar or flat"]
} as const satisfies FlagTable

type HashLine = CommandLine<keyof typeof hashFormatTable | CommonKey>

const formats = { base16: "base16", base32: "nix32", base64: "base64", sri: "sri" } as const

const formatOf = (line: HashLine) => {
  const short = line.used(["base16", "base32", "base64", "sri"]).at(-1)
  return hashing(() => (short !== undefined ? formats[short] : parseFormat(line.last("format") ?? "sri")))
}

export const nixHashPaths = Effect.fnUntraced(function* (line: HashLine, flat: boolean) {
  const mode = line.last("mode")
  if (mode !== undefined && mode !== "nar" && mode !== "flat") return yield* new NotThere({ what: `--mode ${mode}` })
  const algorithm = yield* hashing(() => parseAlgorithm(line.last("type") ?? "sha256"))
  const format = yield* formatOf(line)
  for (const word of line.words) {
    yield* printTextLine(printHash(yield* hashOfPath(word, algorithm, mode === undefined ? flat : mode === "flat"), format))
  }
})

/** Hashes written another way; `to` where the command's name says it. */
export const nixHashConvert = Effect.fnUntraced(function* (line: HashLine, to?: "base16" | "nix32" | "base64" | "sri") {
  const format = to ?? (yield* formatOf(line))
  const type = line.last("type")
  for (const word of line.words) {
    yield* printTextLine(yield* hashing(() => printHash(parseHash(word, type === undefined ? undefined : parseAlgorithm(type)), format)))
  }
})

// Archives

type ListLine = CommandLine<keyof typeof listingTable | CommonKey>

const printListed = Effect.fnUntraced(function* (line: ListLine, node: NarListing, name: string) {
  const options: ListingOptions = { long: line.has("long"), recursive: line.has("recursive"), directory: line.has("directory") }
  if (line.has("json")) return yield* printLine(listingJson(node, options.recursive))
  const lines = listingLines(node, fromUnicode(name), options)
  yield* print(lines.map((text) => `${text}\n`).join(""))
})

const narFile = Effect.fnUntraced(function* (file: string) {
  const bytes = yield* Effect.try({
    try: () => fs.readFileSync(file),
    catch: (error) =>
      new CompatError({
        detail: `opening NAR file "${file}": ${(error as NodeJS.ErrnoException).code === "ENOENT" ? "No such file or directory" : String(error)}`
      })
  })
  const lister = new NarLister()
  const listing = yield* Effect.suspend(() => {
    try {
      lister.push(bytes)
      return Effect.succeed(lister.end())
    } catch (cause) {
      return cause instanceof NarError
        ? Effect.fail(new CompatError({ detail: `'${file}' is no NAR: ${cause.message}` }))
        : Effect.die(cause)
    }
  })
  return { bytes, listing }
})

const inNar = Effect.fnUntraced(function* (words: ReadonlyArray<string>) {
  const [file, inside] = words
  if (file === undefined || inside === undefined || words.length > 2)
    return yield* new CompatError({ detail: "a NAR and a path in it are needed" })
  const { bytes, listing } = yield* narFile(file)
  const node = listingAt(listing, fromUnicode(inside))
  if (node === undefined) return yield* new CompatError({ detail: `path '${inside}' does not exist in '${file}'` })
  return { bytes, node, inside }
})

export const nixNarLs = Effect.fnUntraced(function* (line: ListLine) {
  const { node, inside } = yield* inNar(line.words)
  yield* printListed(line, node, path.basename(inside))
})

export const nixNarCat = Effect.fnUntraced(function* (line: CommandLine<CommonKey>) {
  const { bytes, node, inside } = yield* inNar(line.words)
  if (node._tag !== "File") return yield* new CompatError({ detail: `'${inside}' is not a regular file` })
  yield* printBytes(bytes.subarray(node.narOffset, node.narOffset + node.size))
})

export const nixNarPack = Effect.fnUntraced(function* (line: CommandLine<CommonKey>) {
  const [file] = line.words
  if (file === undefined || line.words.length > 1) return yield* new CompatError({ detail: "one path is needed" })
  yield* writeHostNar(file)
})

// The store

export const storeAddTable = {
  name: ["--name -n", "NAME", "Name in the store (default: that of the file)"],
  mode: ["--mode", "MODE", "nar (default) or flat"],
  algorithm: ["--hash-algo", "ALGORITHM", "Of the hash that addresses it (default: sha256)"],
  dryRun: ["--dry-run", "", "Only print what the path would be"]
} as const satisfies FlagTable

export const nixStoreAdd = Effect.fnUntraced(function* (line: CommandLine<keyof typeof storeAddTable | CommonKey>, flat: boolean) {
  if (line.has("dryRun"))
    return yield* new NotThere({ what: "--dry-run of nix store add", instead: "adding to --store dummy:// is refused, too" })
  const mode = line.last("mode") ?? (flat ? "flat" : "nar")
  if (mode !== "nar" && mode !== "flat") return yield* new NotThere({ what: `--mode ${mode}` })
  const algorithm = yield* hashing(() => parseAlgorithm(line.last("algorithm") ?? "sha256"))
  const [file] = line.words
  if (file === undefined || line.words.length > 1) return yield* new CompatError({ detail: "one path is needed" })
  const absolute = path.resolve(file)
  const name = fromUnicode(line.last("name") ?? path.basename(absolute))
  const info = yield* withStore(addPath(name, fromUnicode(absolute), { method: mode === "flat" ? "flat" : "recursive", algorithm }))
  yield* printLine(info.path)
})

/** The tree of a store path, or of something in one, as a listing. */
const storedListing = Effect.fnUntraced(function* (word: string) {
  const { node, info, inside } = yield* locate(fromUnicode(word))
  const lister = new NarLister()
  // Its NAR says all that there is to be said.
  yield* Stream.runForEach(render(node), (piece) => Effect.sync(() => lister.push(piece)))
  return { listing: lister.end(), name: inside === "" ? nameOf(info.path) : path.basename(toUnicode(inside)) }
})

export const nixStoreLs = Effect.fnUntraced(function* (line: ListLine) {
  const [word] = line.words
  if (word === undefined || line.words.length > 1) return yield* new CompatError({ detail: "one path is needed" })
  const { listing, name } = yield* withStore(storedListing(word))
  yield* printListed(line, listing, name)
})

export const nixStoreCat = (line: CommandLine<CommonKey>) =>
  withStore(Effect.forEach(line.words, (word) => Stream.runForEach(cat(fromUnicode(word)), printBytes), { discard: true }))

export const nixStoreDump = (line: CommandLine<CommonKey>) =>
  withStore(
    Effect.forEach(
      line.words,
      (word) => Effect.flatMap(locate(fromUnicode(word)), ({ node }) => Stream.runForEach(render(node), printBytes)),
      {
        discard: true
      }
    )
  )

export const nixStoreFromPart = Effect.fnUntraced(function* (line: CommandLine<CommonKey>) {
  const [part = ""] = line.words
  const found = yield* withStore(
    Effect.flatMap(PathInfoService, (infos) => (/^[0-9a-z]{32}$/.test(part) ? infos.getByHashPart(part) : Effect.succeedNone))
  )
  if (Option.isNone(found)) return yield* new CompatError({ detail: `there is no store path corresponding to '${part}'` })
  yield* printLine(found.value.path)
})

export const verifyTable = {
  all: ["--all", "", "All that the store has"],
  noTrust: ["--no-trust", "", "Changes nothing: signatures of what is in the store do not matter"],
  noContents: ["--no-contents", "", "Changes nothing: contents are always checked"]
} as const satisfies FlagTable

export const nixStoreVerify = Effect.fnUntraced(function* (line: CommandLine<keyof typeof verifyTable | CommonKey>) {
  const paths = yield* Effect.forEach(line.words, parsePath)
  yield* withStore(verifyAll(line.has("all") ? undefined : paths))
})

/** The paths of the outputs that a target means, without making them. */
const plannedPaths = Effect.fnUntraced(function* (target: Target) {
  if (target._tag === "Path") return [target.path]
  const { outputs } = yield* (yield* Realiser).derivation(target.drvPath)
  const paths: Array<StorePath> = []
  for (const name of target.outputs ?? outputs.keys()) {
    const path = outputs.get(name)?.path
    if (path === undefined || path === "") {
      return yield* new CompatError({ detail: `the path of the output '${toUnicode(name)}' of '${target.drvPath}' is not known` })
    }
    paths.push(path)
  }
  return paths
})

/** Store paths that installables mean; with `realise` outputs of derivations are made. */
const pathsOf = Effect.fnUntraced(function* (line: CommandLine<StoredKey>, settings: Settings, realise: boolean) {
  const job = yield* evaluationSettings(line, settings)
  const installables = yield* installablesIn(line, job)
  const stored = installables.flatMap((one) => (one._tag === "Stored" ? [one.target] : []))
  if (stored.length === installables.length) return storedPaths(stored)
  const evaluating = Effect.gen(function* () {
    const targets = yield* targetsOf(installables, job)
    if (!realise) return (yield* Effect.forEach(targets, plannedPaths)).flat()
    const realised = yield* (yield* Realiser).realise(targets)
    return realised.flatMap(({ outputs }) => outputs.map(({ path }): StorePath => path))
  })
  return yield* withEvaluator(withCaches(settings, evaluating), yield* realiseOptionsIn(settings, false))
})

export const storedTable = { ...evaluationTable, ...installableTable } as const satisfies FlagTable
type StoredKey = keyof typeof storedTable | CommonKey

export const pathInfoTable = {
  ...storedTable,
  recursive: ["--recursive -r", "", "All that they refer to, too"],
  size: ["--size -s", "", "Bytes of the NAR"],
  closureSize: ["--closure-size -S", "", "Bytes of the NARs of all that they refer to"],
  human: ["--human-readable -h", "", "Sizes as people read them"],
  sigs: ["--sigs", "", "Signatures"],
  json: ["--json", "", "Print JSON"],
  jsonFormat: ["--json-format", "FORMAT", "1 (default) or 2"],
  pretty: ["--no-pretty --pretty", "", "Changes nothing"],
  all: ["--all", "", "All that the store has"]
} as const satisfies FlagTable

const shownSize = (bytes: number, human: boolean): string =>
  human
    ? `${(bytes / 1024 >= 1024 ? (bytes / 1024 / 1024).toFixed(1) : (bytes / 1024).toFixed(1)).padStart(6)} ${bytes / 1024 >= 1024 ? "MiB" : "KiB"}`
    : String(bytes).padStart(11)

export const nixPathInfo = Effect.fnUntraced(function* (line: CommandLine<keyof typeof pathInfoTable | CommonKey>, settings: Settings) {
  const place = yield* placeOf(settings)
  const all = line.has("all")
  if (all && place._tag === "Cache") return yield* new NotThere({ what: "--all of a cache" })
  const named = all ? [] : yield* pathsOf(line, settings, false)
  const from = place._tag === "Cache" ? Option.some(place.url) : Option.none()
  const { offers, closures } = yield* withPathInfos(
    from,
    trustIn(settings),
    Effect.fnUntraced(function* (service) {
      const paths = all ? yield* Stream.runCollect(service.paths()) : named
      const offers = yield* offersOf(service, [...new Set(paths)], line.has("recursive"))
      const sizes = (found: typeof offers): number => found.reduce((sum, [, offer]) => sum + (offer?.told.narSize ?? 0), 0)
      const closures = line.has("closureSize")
        ? yield* Effect.forEach(offers, ([one]) => Effect.map(offersOf(service, [one], true), sizes))
        : undefined
      return { offers, closures }
    })
  )
  if (line.has("json")) {
    return yield* printTextLine(JSON.stringify(pathInfoJson(offers, line.last("jsonFormat") === "2" ? 2 : 1, () => ({}))))
  }
  const columns = line.has("size") || line.has("closureSize") || line.has("sigs")
  const width = columns ? Math.max(...offers.map(([one]) => one.length)) : 0
  for (const [i, [one, offer]] of offers.entries()) {
    if (offer === undefined) return yield* new CompatError({ detail: `path '${one}' is not valid` })
    const { narSize, ca, signatures } = offer.told
    const cells = [one.padEnd(width)]
    if (line.has("size")) cells.push(shownSize(narSize, line.has("human")))
    if (closures !== undefined) cells.push(shownSize(closures[i]!, line.has("human")))
    if (line.has("sigs")) cells.push([...(ca === undefined ? [] : [`ca:${ca}`]), ...signatures].join(" "))
    yield* printTextLine(cells.join("\t"))
  }
})

export const copyTable = {
  ...storedTable,
  from: ["--from", "URL", "The binary cache to copy from"],
  to: ["--to", "URL", "The binary cache to copy to"],
  noSigs: ["--no-check-sigs", "", "Take paths without valid signatures, too"],
  onDestination: ["--substitute-on-destination -s", "", "Changes nothing: caches do not fetch"]
} as const satisfies FlagTable

export const nixCopy = Effect.fnUntraced(function* (line: CommandLine<keyof typeof copyTable | CommonKey>, settings: Settings) {
  const from = line.last("from")
  const url = from ?? line.last("to")
  if (url === undefined || (from !== undefined && line.has("to")))
    return yield* new CompatError({ detail: "name one cache, by '--from' or by '--to'" })
  const paths = yield* pathsOf(line, settings, true)
  const trust = trustIn(settings)
  const input = {
    url,
    direction: from === undefined ? "to" : "from",
    ...trust,
    noCheckSigs: trust.noCheckSigs || line.has("noSigs")
  } as const
  yield* withStore(copyPaths(paths, input))
})

export const nixLog = Effect.fnUntraced(function* (line: CommandLine<StoredKey>, settings: Settings) {
  const job = yield* evaluationSettings(line, settings)
  const installables = yield* installablesIn(line, job)
  const show = Effect.gen(function* () {
    for (const target of yield* targetsOf(installables, job)) yield* printBytes(yield* readLog(yield* derivationOf(target)))
  })
  yield* withEvaluator(show, yield* realiseOptionsIn(settings, false))
})
