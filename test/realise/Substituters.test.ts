import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { StoreUnavailable } from "../../src/castore/CastoreError.ts"
import { Realiser, RealiseOptions } from "../../src/realise/Realiser.ts"
import { type Substituter, Substituters } from "../../src/realise/Substituters.ts"
import { calculate } from "../../src/store/Nar.ts"
import { offerOfPart } from "../../src/store/Offer.ts"
import type { PathInfo } from "../../src/store/PathInfo.ts"
import { make as memoryPathInfos } from "../../src/store/pathinfo/Memory.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { EventSink } from "../../src/wire/Events.ts"
import { nameOf, type StorePath } from "../../src/nix/StorePath.ts"
import { collector, derive, echo, file, type Made, nameOfRequest, world } from "./world.ts"

/** A substituter with files at these paths. */
const substituter = Effect.fnUntraced(function* (paths: ReadonlyArray<readonly [path: StorePath, references: ReadonlyArray<StorePath>]>) {
  const pathInfos = memoryPathInfos()
  for (const [path, references] of paths) {
    const node = yield* file(`substitute of ${path}`)
    const info: PathInfo = {
      ...{ path, node, references, ...(yield* calculate(node)), signatures: [], deriver: undefined, ca: undefined, registrationTime: 1 }
    }
    yield* pathInfos.put(info)
  }
  return { name: "other", pathInfos } satisfies Substituter
})

const noAnswer = () => Effect.fail(new StoreUnavailable({ store: "broken", operation: "answer", cause: new Error("no answer") }))
const broken: Substituter = { name: "broken", pathInfos: { ...memoryPathInfos(), get: noAnswer, getByHashPart: noAnswer } }

const build = Effect.fnUntraced(function* (target: Made, known: ReadonlyArray<Made>) {
  const realiser = yield* Realiser
  realiser.addDerivations(known.map((made) => [made.drvPath, made.text]))
  const [realised] = yield* realiser.realise([{ _tag: "Derivation", drvPath: target.drvPath, outputs: undefined }])
  return realised!.outputs[0]!.info
})

describe("substituting", () => {
  const counting = () => {
    const built: Array<string> = []
    return {
      built,
      fake: (request: Parameters<typeof echo>[0], options: Parameters<typeof echo>[1]) => {
        built.push(nameOfRequest(request))
        return echo(request, options)
      }
    }
  }

  it.effect("what a substituter has is taken from there with its closure, and only the rest is built", () => {
    const foot = derive("foot")
    const runtime = derive("runtime")
    const middle = derive("middle", { inputs: [foot] })
    const top = derive("top", { inputs: [middle] })
    const { built, fake } = counting()
    return Effect.gen(function* () {
      const other = yield* substituter([
        [middle.out(), [runtime.out()]],
        [runtime.out(), []]
      ])
      const events = collector()
      yield* build(top, [foot, middle, top]).pipe(
        Effect.provideService(Substituters, [other]),
        Effect.provideService(EventSink, events.sink)
      )
      assert.deepStrictEqual(built, ["top"])
      const pathInfos = yield* PathInfoService
      assert.isTrue(Option.isSome(yield* pathInfos.get(runtime.out())))
      assert.isTrue(Option.isNone(yield* pathInfos.get(foot.out())))
      assert.isTrue(events.events.some((event) => event._tag === "Started" && event.kind === "substitute" && event.path === middle.out()))
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("one that fails, or lacks a reference, is passed over with a warning, and what is left is built", () => {
    const top = derive("top")
    const { built, fake } = counting()
    return Effect.gen(function* () {
      const dangling = yield* substituter([[top.out(), [derive("absent").out()]]])
      const events = collector()
      yield* build(top, [top]).pipe(Effect.provideService(Substituters, [broken, dangling]), Effect.provideService(EventSink, events.sink))
      assert.deepStrictEqual(built, ["top"])
      const warnings = events.events.filter((event) => event._tag === "Message" && event.level === "warning")
      assert.strictEqual(warnings.length, 2)
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.live("closures that overlap are asked for together, and what they share is fetched once", () => {
    const shared = derive("shared")
    const left = derive("left")
    const right = derive("right")
    const top = derive("top", { inputs: [left, right] })
    const { built, fake } = counting()
    return Effect.gen(function* () {
      const other = yield* substituter([
        [left.out(), [shared.out()]],
        [right.out(), [shared.out()]],
        [shared.out(), []]
      ])
      const fetched: Array<string> = []
      /** Moves contents slowly, as the network does. */
      const slow: Substituter = {
        name: "slow",
        pathInfos: {
          ...other.pathInfos,
          offer: (part) =>
            Effect.map(
              offerOfPart(other.pathInfos, part),
              Option.map((offer) => ({
                ...offer,
                here: undefined,
                file: { url: "nar/x", compression: "none", hash: undefined, size: 100 },
                fetch: (onProgress?: (done: number) => void) =>
                  Effect.suspend(() => {
                    fetched.push(nameOf(offer.told.path))
                    onProgress?.(60)
                    return Effect.delay(offer.fetch(), "20 millis")
                  })
              }))
            )
        }
      }
      const events = collector()
      yield* build(top, [left, right, top]).pipe(Effect.provideService(Substituters, [slow]), Effect.provideService(EventSink, events.sink))
      assert.deepStrictEqual(built, ["top"])
      assert.deepStrictEqual(fetched.sort(), ["left", "right", "shared"])
      const progress = events.events.filter((event) => event._tag === "Progress")
      assert.deepStrictEqual(
        progress.map(({ done, total }) => `${done} of ${total}`).sort(),
        [...Array<string>(3).fill("0 of 100"), ...Array<string>(3).fill("60 of 100")].sort()
      )
    }).pipe(Effect.provide(world({ build: fake })))
  })

  it.effect("nobody is asked offline", () => {
    const top = derive("top")
    const { built, fake } = counting()
    const offline = { keepGoing: false, maxJobs: 4, timeout: 0, maxSilent: 0, offline: true, check: false }
    return Effect.gen(function* () {
      const other = yield* substituter([[top.out(), []]])
      yield* build(top, [top]).pipe(Effect.provideService(Substituters, [other]), Effect.provideService(RealiseOptions, offline))
      assert.deepStrictEqual(built, ["top"])
    }).pipe(Effect.provide(world({ build: fake })))
  })
})
