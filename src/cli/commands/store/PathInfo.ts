/**
 * `yix store path-info`: what the store knows about store paths.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Digest from "../../../castore/Digest.ts"
import type { Node } from "../../../castore/Node.ts"
import { toUnicode } from "../../../nix/Bytes.ts"
import { printHash } from "../../../nix/Hash.ts"
import type { StorePath } from "../../../nix/StorePath.ts"
import { inOrder } from "../../../store/Closure.ts"
import { NotInStore } from "../../../store/Lookup.ts"
import { type Offer, offerOf, type PathClaim } from "../../../store/Offer.ts"
import { pathInfoJson } from "../../../store/PathInfoJson.ts"
import { PathInfoService } from "../../../store/PathInfoService.ts"
import { trustFlags, type TrustInput, trustedKeysOf } from "../../Caches.ts"
import { Switch } from "../../CommonFlags.ts"
import { printTextLine } from "../../Output.ts"
import { parsePath } from "../../StoreQueries.ts"
import { withStore } from "../../World.ts"

const narHash = (info: PathClaim): string => printHash({ algorithm: "sha256", digest: info.narHash }, "sri")

const nodeJson = (node: Node) => {
  switch (node._tag) {
    case "Directory":
      return { type: "directory", digest: Digest.toText(node.digest), size: node.size }
    case "File":
      return { type: "regular", digest: Digest.toText(node.digest), size: node.size, executable: node.executable }
    case "Symlink":
      return { type: "symlink", target: toUnicode(node.target) }
  }
}

const nodeText = (node: Node): string =>
  node._tag === "Symlink"
    ? `symlink to ${toUnicode(node.target)}`
    : `${node._tag === "Directory" ? "directory" : node.executable ? "executable file" : "file"} ${Digest.toText(node.digest)}`

const textOf = ({ told, here, file }: Offer): string => {
  const lines = [
    told.path,
    ...(here === undefined ? [] : [`  contents:    ${nodeText(here.node)}`]),
    `  NAR:         ${narHash(told)}, ${told.narSize} bytes`,
    ...(file === undefined ? [] : [`  file:        ${file.url}${file.size === undefined ? "" : `, ${file.size} bytes`}`]),
    `  references:  ${told.references.length === 0 ? "none" : ""}`,
    ...told.references.map((reference) => `    ${reference}`),
    `  derivation:  ${told.deriver ?? "unknown"}`
  ]
  if (file === undefined) lines.push(`  registered:  ${new Date(told.registrationTime * 1000).toISOString()}`)
  if (told.ca !== undefined) lines.push(`  address:     ${told.ca}`)
  for (const signature of told.signatures) lines.push(`  signature:   ${signature}`)
  return lines.map((line) => line.trimEnd()).join("\n")
}

/** What the service says of the paths, and with `closure` of all that they refer to, references first. Fetches nothing. */
export const offersOf = Effect.fnUntraced(function* (
  service: PathInfoService["Service"],
  paths: ReadonlyArray<StorePath>,
  wholeClosure: boolean
) {
  const offers = new Map<StorePath, Offer | undefined>()
  for (let wanted = paths; wanted.length > 0;) {
    const found = yield* Effect.forEach(wanted, (path) => offerOf(service, path), { concurrency: 32 })
    wanted.forEach((path, i) => offers.set(path, Option.getOrUndefined(found[i]!)))
    const next = wholeClosure ? found.flatMap((offer) => (Option.isSome(offer) ? offer.value.told.references : [])) : []
    wanted = [...new Set(next)].filter((path) => !offers.has(path))
  }
  if (!wholeClosure) return [...offers]
  const claims = new Map([...offers].flatMap(([path, offer]) => (offer === undefined ? [] : [[path, offer.told] as const])))
  const absent = [...offers].filter(([, offer]) => offer === undefined)
  return [...absent, ...inOrder(claims).map(({ path }) => [path, offers.get(path)] as const)]
})

/** Runs `use` with the path infos of a cache, or of the store. */
export const withPathInfos = <A, E>(
  from: Option.Option<string>,
  trust: TrustInput,
  use: (service: PathInfoService["Service"]) => Effect.Effect<A, E>
) =>
  withStore(
    Effect.gen(function* () {
      if (Option.isNone(from)) return yield* use(yield* PathInfoService)
      const trustedKeys = yield* trustedKeysOf(trust)
      const [NixCache, Http] = yield* Effect.promise(() =>
        Promise.all([import("../../../store/pathinfo/NixCache.ts"), import("../../../wire/Http.ts")])
      )
      return yield* Effect.flatMap(NixCache.make({ url: from.value, trustedKeys }), use).pipe(Effect.provide(Http.layer()))
    })
  )

export const pathInfoCommand = Command.make(
  "path-info",
  {
    paths: Argument.String("PATH").pipe(Argument.atLeast(1), Argument.withDescription("Store paths")),
    closure: Switch("closure").pipe(Flag.withDescription("All that they refer to, too, references first")),
    json: Switch("json").pipe(
      Flag.withDescription("Print JSON as nix path-info --json does: an object with an entry for each path, null for what is not there")
    ),
    jsonFormat: Flag.Literals("json-format", ["1", "2"]).pipe(
      Flag.withDefault("1"),
      Flag.withDescription("Nix's form of JSON: 1 (full store paths, the default) or 2 (base names)")
    ),
    node: Switch("node").pipe(Flag.withDescription("With --json: the root node in the castore, too, which Nix does not have")),
    from: Flag.String("from").pipe(
      Flag.optional,
      Flag.withMetavar("URL"),
      Flag.withDescription("Ask this binary cache instead of the store; no contents are fetched")
    ),
    ...trustFlags
  },
  Effect.fn("yix store path-info")(function* (input) {
    const paths = yield* Effect.forEach(input.paths, parsePath)
    const offers = yield* withPathInfos(input.from, input, (service) => offersOf(service, [...new Set(paths)], input.closure))
    const absent = offers.find(([, offer]) => offer === undefined)
    if (input.json) {
      const more = ({ here }: Offer) => (input.node && here !== undefined ? { node: nodeJson(here.node) } : {})
      return yield* printTextLine(JSON.stringify(pathInfoJson(offers, input.jsonFormat === "2" ? 2 : 1, more)))
    }
    if (absent !== undefined) {
      const where = Option.match(input.from, { onNone: () => "in the store", onSome: (url) => `in '${url}'` })
      return yield* new NotInStore({ path: absent[0], detail: `is not ${where}` })
    }
    yield* printTextLine(offers.map(([, offer]) => textOf(offer!)).join("\n\n"))
  })
).pipe(Command.withDescription("Tell what the store, or a binary cache, knows about paths"))
