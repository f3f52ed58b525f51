/**
 * The realiser over one store: who needs what, found out as late as possible.
 *
 * An output is tried in this order: path info in the store, substituters, known fetch, build. Inputs of a derivation are looked at only when it must be built, then all at
 * the same time. `Sharing` holds what is under way; the store holds what is done; nothing else is remembered.
 */
import { Buffer } from "node:buffer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { Builder } from "../build/Builder.ts"
import { MissingData } from "../castore/CastoreError.ts"
import { BlobService } from "../castore/blob/BlobService.ts"
import { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { type ContextElement, type FarRequest, requestKey } from "../eval/IoRequest.ts"
import { type Fetch, fetchKey, fromDerivation, storePathOf } from "../fetch/Fetch.ts"
import { exitCodeOf } from "../fetch/FetchError.ts"
import { type Fetched, Fetcher } from "../fetch/Fetcher.ts"
import { type ByteString, fromBytes, toUnicode } from "../nix/Bytes.ts"
import { type Derivation, outputNames } from "../nix/Derivation.ts"
import { printHash } from "../nix/Hash.ts"
import { isDerivationPath, nameOf, type StorePath } from "../nix/StorePath.ts"
import { type LeaseHolder, Leases } from "../store/Leases.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import { PathInfoService } from "../store/PathInfoService.ts"
import { EventSink } from "../wire/Events.ts"
import { makeAdditions } from "./Additions.ts"
import { announced, planned } from "./Announce.ts"
import { buildDerivation, type BuildServices } from "./BuildDerivation.ts"
import { BuildLogs } from "./BuildLogs.ts"
import { fetchInput } from "./FetchInput.ts"
import { InputMemory } from "./InputMemory.ts"
import { Known } from "./Known.ts"
import { type Need, rootsOf, severalFailures, together } from "./Needs.ts"
import * as Presence from "./Presence.ts"
import {
  DependencyFailed,
  DerivationFailed,
  FetchFailure,
  isRealiseError,
  NotDeterministic,
  PathUnavailable,
  type RealiseError,
  storeFailure
} from "./RealiseError.ts"
import { BuildNothing, type Realised, Realiser, RealiseOptions, type Target } from "./Realiser.ts"
import * as Sharing from "./Sharing.ts"
import { makeSubstitute, Substituters } from "./Substituters.ts"

/** Paths of one derivation's outputs by name. */
type Outputs = ReadonlyMap<ByteString, PathInfo>

const make = Effect.gen(function* () {
  const pathInfos = yield* PathInfoService
  const blobs = yield* BlobService
  const directories = yield* DirectoryService
  const leases = yield* Leases
  const fetcher = yield* Fetcher
  const memory = yield* InputMemory
  const services: Context.Context<BuildServices | PathInfoService> = Context.make(BlobService, blobs).pipe(
    Context.add(PathInfoService, pathInfos),
    Context.add(DirectoryService, directories),
    Context.add(Builder, yield* Builder),
    Context.add(BuildLogs, yield* BuildLogs)
  )
  const slots = yield* Semaphore.make((yield* RealiseOptions).maxJobs)
  const sharing = Sharing.make<RealiseError>()
  const known = new Known()
  const substitute = makeSubstitute()

  /** A derivation's text is from outside: what is wrong with it is an error of the derivation. */
  const attempt = <A>(drvPath: StorePath, read: () => A): Effect.Effect<A, DerivationFailed> =>
    Effect.try({
      try: read,
      catch: (error) =>
        new DerivationFailed({
          drvPath,
          reason: "unsupported",
          detail: error instanceof Error ? error.message : String(error),
          lastLines: [],
          logged: false
        })
    })

  const presence = Presence.make(pathInfos)
  const lookup = (path: StorePath) => Effect.mapError(presence.lookup(path), storeFailure)
  const commit = (info: PathInfo) =>
    Effect.withSpan(Effect.mapError(pathInfos.put(info), storeFailure), "PathInfoService.put", { attributes: { path: info.path } })

  /** The derivation, from memory or the store. */
  const derivation = Effect.fnUntraced(function* (drvPath: StorePath) {
    const inMemory = yield* attempt(drvPath, () => known.derivation(drvPath))
    if (inMemory !== undefined) return inMemory
    const info = yield* lookup(drvPath)
    if (Option.isNone(info)) return yield* new PathUnavailable({ path: drvPath, detail: "no evaluation has made this derivation" })
    const { node } = info.value
    if (node._tag !== "File") return yield* new PathUnavailable({ path: drvPath, detail: "what is there is no file" })
    const bytes = yield* Effect.mapError(blobs.get(node.digest), storeFailure)
    if (Option.isNone(bytes)) return yield* storeFailure(new MissingData({ store: "blobs", kind: "blob", digest: node.digest }))
    known.addDerivation(drvPath, fromBytes(bytes.value))
    return (yield* attempt(drvPath, () => known.derivation(drvPath)))!
  })

  /** A path that is not an output of a known derivation: there, or a known fetch, or a known derivation's own file. */
  const needPath = (path: StorePath): Effect.Effect<PathInfo, RealiseError> =>
    Effect.flatMap(lookup(path), (info) => {
      if (Option.isSome(info)) return Effect.succeed(info.value)
      if (known.text(path) !== undefined) return writeDerivation(path)
      return Effect.flatMap(substituted(path), (info) => {
        if (Option.isSome(info)) return Effect.succeed(info.value)
        const fetch = known.fetch(path)
        if (fetch !== undefined) return fetched(path, fetch)
        return Effect.fail(new PathUnavailable({ path, detail: "nothing known here makes it" }))
      })
    })

  /** The path with all that it refers to, from the first substituter that has it. */
  const substituted = (path: StorePath): Effect.Effect<Option.Option<PathInfo>, RealiseError> =>
    Effect.gen(function* () {
      const substituters = yield* Substituters
      if (substituters.length === 0 || (yield* RealiseOptions).offline) return Option.none()
      const store = { blobs, directories, pathInfos }
      const present = Effect.map(lookup(path), (info) => (Option.isSome(info) ? info : undefined))
      const work = Effect.flatMap(substitute(substituters, path, store), (had) => (had ? lookup(path) : Effect.succeedNone))
      return yield* sharing.once(`substitute ${path}`, leased("substitute", path, present, work))
    })

  /** The wanted outputs (all of them: `undefined`); built together, if one of the wanted ones is missing. */
  const needOutputs = Effect.fnUntraced(function* (drvPath: StorePath, names: ReadonlyArray<ByteString> | undefined) {
    const drv = yield* derivation(drvPath)
    const wanted = names ?? [...drv.outputs.keys()]
    const present = yield* presentOutputs(drvPath, drv, wanted)
    if (present.size === wanted.length) {
      yield* reused(drvPath, present)
      return present
    }
    if (yield* BuildNothing) {
      const detail = "its outputs are not in the store, and a read-only evaluation builds nothing; leave out --read-only to have it built"
      return yield* new DerivationFailed({ drvPath, reason: "unsupported", detail, lastLines: [], logged: false })
    }
    yield* tellWanted(drvPath, drv)
    const missing = wanted.filter((name) => !present.has(name))
    const substitutes = yield* Effect.forEach(missing, (name) => substituted(drv.outputs.get(name)!.path as StorePath), {
      concurrency: "unbounded"
    })
    if (substitutes.every(Option.isSome)) return yield* presentOutputs(drvPath, drv, wanted)
    const making = Effect.withSpan(makeOutputs(drvPath, drv), "realise.derivation", { attributes: { drvPath } })
    return yield* sharing.once(`derivation ${drvPath}`, making)
  })

  const told = new Set<StorePath>()
  const tellWanted = (path: StorePath, drv: Derivation) =>
    Effect.map(EventSink, (emit) => {
      if (told.has(path)) return
      told.add(path)
      emit({ _tag: "Wanted", path, outputs: [...drv.outputs.values()].map((output) => output.path) })
    })

  /** Those of the outputs that the store has. */
  const presentOutputs = Effect.fnUntraced(function* (drvPath: StorePath, drv: Derivation, names: Iterable<ByteString>) {
    const present = new Map<ByteString, PathInfo>()
    for (const name of names) {
      const output = drv.outputs.get(name)
      if (output === undefined) {
        const detail = `it has no output '${name}', only ${[...drv.outputs.keys()].join(", ")}`
        return yield* new DerivationFailed({ drvPath, reason: "unsupported", detail, lastLines: [], logged: false })
      }
      if (output.path === "") {
        const detail = "the paths of its outputs depend on their contents (floating content-addressed), which is not supported"
        return yield* new DerivationFailed({ drvPath, reason: "unsupported", detail, lastLines: [], logged: false })
      }
      const info = yield* lookup(output.path)
      if (Option.isSome(info)) present.set(name, info.value)
    }
    return present as Outputs
  })

  /** All outputs of a derivation of which some are missing. */
  const makeOutputs = Effect.fnUntraced(function* (drvPath: StorePath, drv: Derivation) {
    const fetch = yield* fetchOf(drvPath, drv)
    if (fetch !== undefined) return new Map([[fetch.output, yield* fetched(fetch.path, fetch.fetch, drvPath)]]) as Outputs
    if (drv.builder.startsWith("builtin:")) {
      const detail = `the built-in builder '${drv.builder.slice("builtin:".length)}' is not supported`
      return yield* new DerivationFailed({ drvPath, reason: "unsupported", detail, lastLines: [], logged: false })
    }
    // Another process may have built it while this one waited for the lease.
    const present = Effect.tap(presentAll(drvPath, drv), (found) => (found === undefined ? Effect.void : reused(drvPath, found)))
    return yield* planned(
      { path: drvPath, name: drv.name, inputs: [...drv.inputDerivations.keys()], sources: drv.inputSources },
      Effect.flatMap(needInputs(drvPath, drv), (closure) => leased("build", drvPath, present, buildAndCommit(drvPath, drv, closure)))
    )
  })

  const reused = (drvPath: StorePath, outputs: Outputs) =>
    Effect.map(EventSink, (emit) => emit({ _tag: "Reused", path: drvPath, outputs: [...outputs.values()].map((info) => info.path) }))

  const presentAll = (drvPath: StorePath, drv: Derivation) =>
    Effect.map(presentOutputs(drvPath, drv, drv.outputs.keys()), (present) => (present.size === drv.outputs.size ? present : undefined))

  /** The closure of everything that a build of `drv` may see. */
  const needInputs = (drvPath: StorePath, drv: Derivation) => {
    const needs: ReadonlyArray<Need<ReadonlyArray<PathInfo>>> = [
      ...drv.inputSources.map((path) => ({ what: path, work: Effect.map(needPath(path), (info) => [info]) })),
      ...[...drv.inputDerivations].map(([input, outputs]) => ({
        what: input,
        work: Effect.map(needOutputs(input, outputs), (made) => outputs.map((name) => made.get(name)!))
      }))
    ]
    const failed = (failures: ReadonlyArray<{ readonly what: string; readonly error: RealiseError }>) =>
      new DependencyFailed({
        drvPath,
        inputs: failures.map((failure) => failure.what),
        roots: [...new Set(failures.flatMap((failure) => rootsOf(failure.error)))]
      })
    return Effect.flatMap(together(needs, failed), (infos) => closureOf(infos.flat()))
  }

  const closureOf = (roots: ReadonlyArray<PathInfo>): Effect.Effect<ReadonlyMap<StorePath, PathInfo>, RealiseError> =>
    Effect.mapError(presence.closure(roots.map((info) => info.path)), storeFailure)

  /** What the user asked for comes with all that it refers to. */
  const withClosure = (realised: Realised) =>
    presence.isLazy ? Effect.as(closureOf(realised.outputs.map(({ info }) => info)), realised) : Effect.succeed(realised)

  /** Output paths of those derivations that a build sees as files, if it may ask for their graphs. */
  const outputsInClosure = Effect.fnUntraced(function* (drv: Derivation, closure: ReadonlyMap<StorePath, PathInfo>) {
    const outputs = new Map<StorePath, ReadonlyArray<StorePath>>()
    if (!drv.env.has("exportReferencesGraph") && !drv.env.has("__json")) return outputs
    for (const path of closure.keys()) {
      if (!isDerivationPath(path)) continue
      const paths = [...(yield* derivation(path)).outputs.values()].map((output) => output.path)
      outputs.set(
        path,
        paths.filter((output): output is StorePath => output !== "")
      )
    }
    return outputs
  })

  /** Builds in a slot; nothing is committed. */
  const built = Effect.fnUntraced(
    function* (drvPath: StorePath, drv: Derivation, closure: ReadonlyMap<StorePath, PathInfo>) {
      const outputs = yield* outputsInClosure(drv, closure)
      const input = { drvPath, derivation: drv, closure, outputsOf: (path: StorePath) => outputs.get(path) ?? [] }
      return yield* announced("build", drv.name, drvPath, (reporter) => Effect.provideContext(buildDerivation(input, reporter), services))
    },
    (build) => Semaphore.withPermit(slots, build)
  )

  // All outputs or none, as far as this process decides: a killed one leaves some, and the next build makes the others.
  const buildAndCommit = (drvPath: StorePath, drv: Derivation, closure: ReadonlyMap<StorePath, PathInfo>) =>
    Effect.flatMap(built(drvPath, drv, closure), (outputs) => Effect.uninterruptible(commitOutputs(outputs)))

  /** What is in the store already stays: others may have seen it. */
  const commitOutputs = Effect.fnUntraced(function* (outputs: ReadonlyArray<{ readonly name: ByteString; readonly info: PathInfo }>) {
    const committed = new Map<ByteString, PathInfo>()
    for (const { name, info } of outputs) {
      const present = yield* lookup(info.path)
      committed.set(name, Option.isSome(present) ? present.value : yield* commit(info))
    }
    return committed as Outputs
  })

  /** The fetched path, committed. `path` is known beforehand, if a hash is; `what` is who asked, for messages. */
  const fetched = (path: StorePath | undefined, fetch: Fetch, what?: StorePath): Effect.Effect<Fetched, RealiseError> => {
    const work: Effect.Effect<Fetched, RealiseError> = announced("fetch", fetch.name, path, (reporter) =>
      Effect.gen(function* () {
        if (
          (yield* RealiseOptions).offline &&
          fetcher.offline !== true &&
          /^(?!(?:git\+|tarball\+|file\+)?file:|path:)[a-z][a-z0-9+.-]*:/i.test(fetch.url)
        ) {
          return yield* new FetchFailure({ what, detail: `'${toUnicode(fetch.url)}' must be fetched, which --offline forbids`, code: 1 })
        }
        const info = yield* fetcher
          .fetch(fetch, ({ done, total }) => reporter.progress(done, total))
          .pipe(Effect.mapError((error) => new FetchFailure({ what, detail: error.message, code: exitCodeOf(error) })))
        if (path !== undefined && info.path !== path) {
          return yield* new FetchFailure({ what, detail: `'${fetch.url}' gave '${info.path}' where '${path}' was expected`, code: 1 })
        }
        const { tree, ...content } = info
        return { ...(yield* commit(content)), tree }
      })
    )
    if (path === undefined) return sharing.once(`fetch ${fetchKey(fetch)}`, work)
    return sharing.once(`fetch ${path}`, leased("fetch", path, Effect.map(lookup(path), Option.getOrUndefined), work))
  }

  /**
   * Runs `work` while no other process does the same; then `present` is asked again, since the other one may have done it. Waiting takes no build slot.
   */
  const leased = <A>(
    kind: string,
    key: StorePath,
    present: Effect.Effect<A | undefined, RealiseError>,
    work: Effect.Effect<A, RealiseError>
  ): Effect.Effect<A, RealiseError> =>
    Effect.flatMap(EventSink, (emit) => {
      const onWait = (holder: LeaseHolder) =>
        Effect.sync(() => emit({ _tag: "Message", level: "info", text: `waiting for process ${holder.pid}, which is at work on '${key}'` }))
      const use = Effect.flatMap(present, (found) => (found === undefined ? work : Effect.succeed(found)))
      return leases
        .withLease({ kind, key, onWait }, use)
        .pipe(Effect.mapError((error) => (isRealiseError(error) ? error : storeFailure(error))))
    })

  /** The fetch that a derivation amounts to: a known one of its path, or what `builtin:fetchurl` is told in its environment. */
  const fetchOf = Effect.fnUntraced(function* (drvPath: StorePath, drv: Derivation) {
    if (drv.outputs.size !== 1) return undefined
    const [[output, { path }]] = drv.outputs as unknown as readonly [readonly [ByteString, { readonly path: StorePath }]]
    const fetch = known.fetch(path) ?? (yield* attempt(drvPath, () => fromDerivation(drv)))
    return fetch === undefined ? undefined : { output, path, fetch }
  })

  const { addText, addSource } = makeAdditions({ services, lookup, needPath })

  /** Writes the `.drv` file after those of its inputs. */
  const writeDerivation = (drvPath: StorePath): Effect.Effect<PathInfo, RealiseError> =>
    Effect.flatMap(lookup(drvPath), (present) =>
      Option.isSome(present)
        ? Effect.succeed(present.value)
        : sharing.once(
            `write ${drvPath}`,
            Effect.flatMap(derivation(drvPath), (drv) =>
              Effect.gen(function* () {
                const inputs = [...drv.inputDerivations.keys()]
                yield* together(
                  inputs.map((input) => ({ what: input, work: writeDerivation(input) })),
                  severalFailures
                )
                const info = yield* addText(nameOf(drvPath), known.text(drvPath)!, [...inputs, ...drv.inputSources])
                if (info.path !== drvPath) {
                  return yield* new PathUnavailable({ path: drvPath, detail: `the text that was given for it belongs to '${info.path}'` })
                }
                return info
              })
            ).pipe(Effect.withSpan("realise.write-derivation", { attributes: { drvPath } }))
          )
    )

  const needElement = (element: ContextElement): Need<unknown> => {
    switch (element._tag) {
      case "Path":
        return { what: element.path, work: needPath(element.path) }
      case "Output":
        return { what: element.drvPath, work: needOutputs(element.drvPath, [element.output]) }
      case "AllOutputs":
        // The derivation itself with all that it mentions; Nix builds nothing for it either.
        return { what: element.drvPath, work: writeDerivation(element.drvPath) }
    }
  }

  const answer = (request: FarRequest): Effect.Effect<unknown, RealiseError> => {
    switch (request._tag) {
      case "Realise":
        for (const [drvPath, text] of request.derivations) known.addDerivation(drvPath, text)
        return Effect.as(together(request.elements.map(needElement), severalFailures), null)
      case "AddText":
        return Effect.map(addText(request.name, request.contents, request.references), (info) => info.path)
      case "AddSource":
        return Effect.map(sharing.once(requestKey(request), addSource(request)), (info) => info.path)
      case "Fetch": {
        const fetch: Fetch = {
          _tag: request.unpack ? "Tarball" : "Url",
          url: toUnicode(request.url),
          name: request.name,
          hash: request.hash
        }
        const path = storePathOf(fetch)
        return Effect.map(path === undefined ? fetched(undefined, fetch) : needFetched(path, fetch), (info) => info.path)
      }
      case "FetchTree":
        return fetchInput(request, { lookup, memory, fetched: (fetch) => fetched(undefined, fetch) })
      case "FetchClosure":
        return sharing.once(
          requestKey(request),
          Effect.flatMap(
            Effect.promise(() => import("./FetchClosure.ts")),
            ({ fetchClosure }) => fetchClosure(request, { lookup, store: { blobs, directories, pathInfos } })
          )
        )
      case "EnsurePath":
        return Effect.map(
          lookup(request.path),
          (info) => Option.isSome(info) || known.fetch(request.path) !== undefined || known.text(request.path) !== undefined
        )
    }
  }

  const needFetched = (path: StorePath, fetch: Fetch) =>
    Effect.flatMap(lookup(path), (info) => (Option.isSome(info) ? Effect.succeed(info.value) : fetched(path, fetch)))

  const realiseTarget = (target: Target): Effect.Effect<Realised, RealiseError> =>
    target._tag === "Path"
      ? Effect.map(needPath(target.path), (info) => ({ target, outputs: [{ name: "", path: target.path, info }] }))
      : Effect.gen(function* () {
          const names = target.outputs ?? outputNames(yield* derivation(target.drvPath))
          const { check } = yield* RealiseOptions
          if (check) yield* checkAgain(target.drvPath)
          const made = yield* needOutputs(target.drvPath, names)
          return { target, outputs: names.map((name) => ({ name, path: made.get(name)!.path, info: made.get(name)! })) }
        })

  /** Builds once more what is there, and compares. */
  const checkAgain = (drvPath: StorePath) =>
    sharing.once(
      `check ${drvPath}`,
      Effect.gen(function* () {
        const drv = yield* derivation(drvPath)
        const before = yield* presentAll(drvPath, drv)
        if (before === undefined) {
          const detail =
            "checking compares with what was built before, and not all outputs are in the store; build it without --check first"
          return yield* new DerivationFailed({ drvPath, reason: "unsupported", detail, lastLines: [], logged: false })
        }
        const closure = yield* needInputs(drvPath, drv)
        const outputs = yield* built(drvPath, drv, closure)
        const differing = outputs.flatMap(({ name, info }) => {
          const old = before.get(name)!
          return Buffer.compare(old.narHash, info.narHash) === 0
            ? []
            : [{ name, path: info.path, before: narHashText(old.narHash), now: narHashText(info.narHash) }]
        })
        if (differing.length > 0) return yield* new NotDeterministic({ drvPath, outputs: differing })
      })
    )

  return {
    addDerivations: (list) => {
      for (const [drvPath, text] of list) known.addDerivation(drvPath, text)
    },
    addFetches: (list) => {
      for (const [path, fetch] of list) known.addFetch(path, fetch)
    },
    derivation: (drvPath) => Sharing.withinRun(derivation(drvPath)),
    answer: (request) => Sharing.withinRun(answer(request)),
    realise: (targets) =>
      Sharing.withinRun(
        together(
          targets.map((target) => ({
            what: target._tag === "Path" ? target.path : target.drvPath,
            work: Effect.flatMap(realiseTarget(target), withClosure)
          })),
          severalFailures
        ).pipe(Effect.withSpan("Realiser.realise", { attributes: { targets: targets.length } }))
      ),
    writeDerivation: (drvPath) => Sharing.withinRun(writeDerivation(drvPath))
  } satisfies Realiser["Service"]
})

const narHashText = (digest: Uint8Array) => printHash({ algorithm: "sha256", digest }, "sri")

/** A realiser of its own table of known derivations over the given services. */
export const layer = Layer.effect(Realiser, make)
