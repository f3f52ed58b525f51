/**
 * What `nix-store --query` tells of store paths, as lines.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { printHash } from "../../nix/Hash.ts"
import { derivationName, isDerivationPath, nameOf, type StorePath, storeDir } from "../../nix/StorePath.ts"
import { Realiser } from "../../realise/Realiser.ts"
import { closure, inOrder } from "../../store/Closure.ts"
import type { PathInfo } from "../../store/PathInfo.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { CompatError } from "./Common.ts"

export type Query =
  | "outputs"
  | "references"
  | "requisites"
  | "referrers"
  | "referrersClosure"
  | "deriver"
  | "validDerivers"
  | "hash"
  | "size"
  | "tree"
  | "graph"

/** The info of a path that the store must have. */
export const validInfo = Effect.fnUntraced(function* (path: StorePath) {
  const info = yield* (yield* PathInfoService).get(path)
  return Option.isSome(info) ? info.value : yield* new CompatError({ detail: `path '${path}' is not valid` })
})

/** The paths of a derivation's outputs, by their names. */
export const outputPaths = Effect.fnUntraced(function* (drvPath: StorePath) {
  if (!isDerivationPath(drvPath)) return yield* new CompatError({ detail: `path '${drvPath}' is not a store derivation` })
  const { outputs } = yield* (yield* Realiser).derivation(drvPath)
  const paths: Array<StorePath> = []
  for (const name of [...outputs.keys()].sort()) {
    const path = outputs.get(name)?.path
    if (path === undefined || path === "")
      return yield* new CompatError({ detail: `the path of the output '${name}' of '${drvPath}' is known only when it is built` })
    paths.push(path as StorePath)
  }
  return paths
})

/** What a path is a derivation's output of, or the derivation itself. */
export const deriverOf = Effect.fnUntraced(function* (path: StorePath) {
  if (isDerivationPath(path)) return path
  const { deriver } = yield* validInfo(path)
  return deriver === undefined ? yield* new CompatError({ detail: `the deriver of path '${path}' is not known` }) : deriver
})

/** All infos of the store, by what refers to them. */
const referrers = Effect.gen(function* () {
  const by = new Map<StorePath, Array<PathInfo>>()
  yield* Stream.runForEach((yield* PathInfoService).list(), (info) =>
    Effect.sync(() => {
      for (const reference of info.references) {
        const known = by.get(reference)
        if (known === undefined) by.set(reference, [info])
        else known.push(info)
      }
    })
  )
  return by
})

const ordered = (infos: Iterable<PathInfo>): ReadonlyArray<string> =>
  inOrder(new Map([...infos].map((info) => [info.path, info] as const))).map(({ path }) => path)

const infosOf = (paths: Iterable<StorePath>) => Effect.forEach(new Set(paths), validInfo, { concurrency: 32 })

/** Everything that refers to the paths, they themselves too. */
const referrersClosure = Effect.fnUntraced(function* (paths: ReadonlyArray<StorePath>) {
  const by = yield* referrers
  const found = new Map((yield* infosOf(paths)).map((info) => [info.path, info] as const))
  for (const path of found.keys()) for (const info of by.get(path) ?? []) found.set(info.path, info)
  return found.values()
})

/** With the outputs of derivations that the store has. */
const withOutputs = Effect.fnUntraced(function* (infos: ReadonlyArray<PathInfo>) {
  const service = yield* PathInfoService
  const paths = new Set(infos.map(({ path }) => path))
  for (const { path } of infos) {
    if (!isDerivationPath(path)) continue
    for (const output of yield* outputPaths(path)) if (Option.isSome(yield* service.get(output))) paths.add(output)
  }
  return yield* closure(paths)
})

/** References as a tree drawn with lines; what was drawn before is only named again. */
const treeLines = Effect.fnUntraced(function* (root: StorePath) {
  const infos = new Map((yield* closure([root])).map((info) => [info.path, info] as const))
  const done = new Set<StorePath>()
  const lines: Array<string> = []
  const draw = (path: StorePath, first: string, rest: string): void => {
    if (done.has(path)) return void lines.push(`${first}${path} [...]`)
    done.add(path)
    lines.push(`${first}${path}`)
    const below = infos.get(path)!.references.filter((reference) => reference !== path)
    const sorted = inOrder(new Map(below.map((reference) => [reference, infos.get(reference)!] as const)))
    sorted.forEach((info, i) => {
      const last = i === sorted.length - 1
      draw(info.path, `${rest}${last ? "└───" : "├───"}`, `${rest}${last ? "    " : "│   "}`)
    })
  }
  draw(root, "", "")
  return lines
})

const edgeColours = ["black", "red", "green", "blue", "magenta", "burlywood"] as const

/** References as a graph in the language of Graphviz. */
const graphLines = Effect.fnUntraced(function* (roots: ReadonlyArray<StorePath>) {
  const base = (path: StorePath): string => path.slice(storeDir.length + 1)
  const lines = ["digraph G {"]
  const waiting = new Set(roots)
  const done = new Set<StorePath>()
  let edges = 0
  while (waiting.size > 0) {
    const path = [...waiting].reduce((least, other) => (other < least ? other : least))
    waiting.delete(path)
    if (done.has(path)) continue
    done.add(path)
    lines.push(`"${base(path)}" [label = "${nameOf(path)}", shape = box, style = filled, fillcolor = "#ff0000"];`)
    for (const reference of (yield* validInfo(path)).references) {
      if (reference === path) continue
      waiting.add(reference)
      lines.push(`"${base(reference)}" -> "${base(path)}" [color = "${edgeColours[edges++ % edgeColours.length]}"];`)
    }
  }
  return [...lines, "}"]
})

/** The answer to a query about paths. `includeOutputs`: of derivations among the requisites the outputs, too. */
export const answerQuery = Effect.fnUntraced(function* (query: Query, paths: ReadonlyArray<StorePath>, includeOutputs: boolean) {
  switch (query) {
    case "outputs":
      return (yield* Effect.forEach(paths, outputPaths)).flat() as ReadonlyArray<string>
    case "references":
      return ordered(yield* infosOf((yield* infosOf(paths)).flatMap(({ references }) => references)))
    case "requisites": {
      yield* infosOf(paths)
      const infos = yield* closure(paths)
      return (includeOutputs ? yield* withOutputs(infos) : infos).map(({ path }) => path as string)
    }
    case "referrers": {
      yield* infosOf(paths)
      const by = yield* referrers
      return ordered(paths.flatMap((path) => by.get(path) ?? []))
    }
    case "referrersClosure":
      return ordered(yield* referrersClosure(paths))
    case "deriver":
      return (yield* Effect.forEach(paths, validInfo)).map(({ deriver }) => deriver ?? "unknown-deriver")
    case "validDerivers": {
      const service = yield* PathInfoService
      const derivers = new Set((yield* Effect.forEach(paths, validInfo)).flatMap(({ deriver }) => (deriver === undefined ? [] : [deriver])))
      return yield* Effect.filter(derivers, (deriver) => Effect.map(service.get(deriver), Option.isSome))
    }
    case "hash":
      return (yield* Effect.forEach(paths, validInfo)).map(
        ({ narHash }) => `sha256:${printHash({ algorithm: "sha256", digest: narHash }, "nix32")}`
      )
    case "size":
      return (yield* Effect.forEach(paths, validInfo)).map(({ narSize }) => String(narSize))
    case "tree":
      yield* Effect.forEach(paths, validInfo)
      return (yield* Effect.forEach(paths, treeLines)).flat()
    case "graph":
      return yield* graphLines(paths)
  }
})

/** A variable of the builder's environment. */
export const bindingOf = Effect.fnUntraced(function* (path: StorePath, name: string) {
  const drvPath = yield* deriverOf(path)
  const value = (yield* (yield* Realiser).derivation(drvPath)).env.get(name)
  return value === undefined
    ? yield* new CompatError({ detail: `derivation '${derivationName(drvPath)}' has no environment binding named '${name}'` })
    : value
})
