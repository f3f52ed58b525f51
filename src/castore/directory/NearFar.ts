/**
 * Directories of a near and a far service: read near, else far, filling near. See `castore/NearFar.ts` for what both promise and where puts go.
 *
 * Filling pulls the whole closure of the directory that was asked for and stores it near in one go, children before parents, so that what is near is complete.
 * A put whose children only the other side has brings these over first.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { type CastoreError, CorruptData } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import * as Directory from "../Directory.ts"
import * as InFlight from "../InFlight.ts"
import { listBoth, makeNearFailed, type NearFarOptions, openBoth } from "../NearFar.ts"
import type { Directory as DirectoryData } from "../Node.ts"
import { DirectoryService, type StoredDirectory } from "./DirectoryService.ts"

type Directories = DirectoryService["Service"]

/** A closure, root first; empty when the root is unknown. */
type Closure = ReadonlyArray<StoredDirectory>

/** The closure that begins with its root, children before parents. */
const childrenFirst = (closure: Closure): Closure => {
  const byDigest = new Map(closure.map((stored) => [stored.digest, stored]))
  const ordered: Array<StoredDirectory> = []
  const entered = new Set<Digest.Digest>()
  const stack = closure.slice(0, 1).map((stored) => ({ stored, leaving: false }))
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { stored } = top
    if (top.leaving) {
      ordered.push(stored)
      continue
    }
    if (entered.has(stored.digest)) continue
    entered.add(stored.digest)
    stack.push({ stored, leaving: true })
    for (const { node } of stored.directory.entries) {
      const child = node._tag === "Directory" ? byDigest.get(node.digest) : undefined
      if (child !== undefined && !entered.has(child.digest)) stack.push({ stored: child, leaving: false })
    }
  }
  return ordered
}

/** All below `root` in a service. What it gives is checked against its digests, since it is about to be stored elsewhere. */
const closureOf = (name: "near" | "far", side: Directories, root: Digest.Digest): Effect.Effect<Closure, CastoreError> =>
  Stream.runCollect(
    Stream.mapEffect(side.getRecursive(root), (stored) => {
      const actual = Directory.digest(stored.directory)
      return actual === stored.digest
        ? Effect.succeed(stored)
        : Effect.fail(
            new CorruptData({
              store: `${name} side`,
              digest: Digest.toText(stored.digest),
              detail: `its encoding is ${Digest.toText(actual)}`
            })
          )
    })
  )

/** Directories that the batch refers to and does not hold. */
const outerChildren = (batch: ReadonlyArray<DirectoryData>): ReadonlyArray<Digest.Digest> => {
  const own = new Set(batch.map(Directory.digest))
  const outer = new Set<Digest.Digest>()
  for (const directory of batch)
    for (const { node } of directory.entries) if (node._tag === "Directory" && !own.has(node.digest)) outer.add(node.digest)
  return [...outer]
}

export const make = (near: Directories, far: Directories, options: NearFarOptions = {}): Directories => {
  const write = options.write ?? "both"
  const lookups = InFlight.make<Closure, CastoreError>()
  const nearFailed = makeNearFailed("directories")

  const store = (side: Directories, closure: Closure) => side.putMany(childrenFirst(closure).map(({ directory }) => directory))

  const fill = (root: Digest.Digest): Effect.Effect<Closure, CastoreError> =>
    Effect.gen(function* () {
      const closure = yield* closureOf("far", far, root)
      if (closure.length > 0) yield* Effect.catch(Effect.asVoid(store(near, closure)), nearFailed)
      return closure
    })

  /** Looks in far for what near did not give; `trouble` when that was because near failed. */
  const lookFar = (root: Digest.Digest, trouble: CastoreError | undefined): Effect.Effect<Closure, CastoreError> => {
    if (trouble === undefined) return lookups.share(root, fill(root))
    return nearFailed(trouble).pipe(
      Effect.andThen(lookups.share(root, fill(root))),
      Effect.mapError(() => trouble),
      Effect.filterOrFail(
        (closure) => closure.length > 0,
        () => trouble
      )
    )
  }

  /** Stores a batch in `side`; children that only `other` has are brought over when `side` misses them. */
  const putInto = (side: Directories, other: Directories, batch: ReadonlyArray<DirectoryData>) =>
    Effect.catchTag(side.putMany(batch), "InvalidData", (refusal) =>
      Effect.gen(function* () {
        let brought = false
        for (const digest of yield* Effect.try({ try: () => outerChildren(batch), catch: () => refusal })) {
          if (Option.isSome(yield* side.get(digest))) continue
          const closure = yield* closureOf(other === far ? "far" : "near", other, digest)
          if (closure.length === 0) return yield* refusal
          yield* store(side, closure)
          brought = true
        }
        return brought ? yield* side.putMany(batch) : yield* refusal
      })
    )

  return DirectoryService.of({
    get: (digest) =>
      Effect.gen(function* () {
        const answer = yield* Effect.result(near.get(digest))
        if (Result.isSuccess(answer) && Option.isSome(answer.success)) return answer.success
        const closure = yield* lookFar(digest, Result.isFailure(answer) ? answer.failure : undefined)
        return Option.fromUndefinedOr(closure[0]?.directory)
      }),
    getRecursive: (root) =>
      Stream.suspend(() => {
        const given = new Set<Digest.Digest>()
        let failed = false
        // What was given before near failed was verified, and a directory's parents come before it in either side's order.
        const rest = (trouble: CastoreError | undefined) =>
          Stream.unwrap(
            Effect.map(lookFar(root, trouble), (closure) => Stream.fromIterable(closure.filter(({ digest }) => !given.has(digest))))
          )
        return near.getRecursive(root).pipe(
          Stream.tap(({ digest }) => Effect.sync(() => given.add(digest))),
          Stream.catch((error) => {
            failed = true
            return rest(error)
          }),
          Stream.concat(Stream.suspend(() => (failed || given.size > 0 ? Stream.empty : rest(undefined))))
        )
      }),
    putMany: (directories) => {
      if (write === "near") return putInto(near, far, directories)
      if (write === "far") return putInto(far, near, directories)
      return Effect.tap(putInto(far, near, directories), () => putInto(near, far, directories))
    },
    list: () => listBoth(near.list(), far.list(), (digest) => digest)
  })
}

/** The types `cache` and `combined` of a composition's directory services. */
export const layer = <E1, R1, E2, R2>(
  near: Layer.Layer<DirectoryService, E1, R1>,
  far: Layer.Layer<DirectoryService, E2, R2>,
  options?: NearFarOptions
): Layer.Layer<DirectoryService, E1 | E2, R1 | R2> => openBoth(DirectoryService, near, far, (near, far) => make(near, far, options))
