import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { BuilderFailed } from "../../src/build/BuildError.ts"
import { Realiser } from "../../src/realise/Realiser.ts"
import { EventSink } from "../../src/wire/Events.ts"
import { collector, derive, echo, type FakeBuild, type Made, nameOfRequest, world } from "./world.ts"

const build = (target: Made, known: ReadonlyArray<Made>) =>
  Effect.gen(function* () {
    const realiser = yield* Realiser
    realiser.addDerivations(known.map((made) => [made.drvPath, made.text]))
    return yield* realiser.realise([{ _tag: "Derivation", drvPath: target.drvPath, outputs: undefined }])
  })

describe("what is told of derivations", () => {
  const low = derive("low")
  const high = derive("high", { inputs: [low] })

  it.effect("is that they are planned, with their inputs, and the next time that they are there", () => {
    const { events, sink } = collector()
    return Effect.gen(function* () {
      yield* build(high, [low, high])
      const planned = events.flatMap((event) => (event._tag === "Planned" ? [[event.name, event.inputs]] : []))
      assert.deepStrictEqual(planned, [
        ["high", [low.drvPath]],
        ["low", []]
      ])
      assert.isFalse(events.some((event) => event._tag === "Dropped" || event._tag === "Reused"))
      events.length = 0
      yield* build(high, [low, high])
      assert.deepStrictEqual(events, [{ _tag: "Reused", path: high.drvPath, outputs: [high.out()] }])
    }).pipe(Effect.provide(world({ build: echo })), Effect.provideService(EventSink, sink))
  })

  it.effect("is that they are given up, when an input fails", () => {
    const { events, sink } = collector()
    const fake: FakeBuild = (request, options) =>
      nameOfRequest(request) === "low"
        ? Effect.fail(new BuilderFailed({ status: 1, signal: undefined, lastLines: [] }))
        : echo(request, options)
    return Effect.gen(function* () {
      yield* Effect.flip(build(high, [low, high]))
      const dropped = events.flatMap((event) => (event._tag === "Dropped" ? [event.path] : []))
      assert.deepStrictEqual(dropped, [low.drvPath, high.drvPath])
    }).pipe(Effect.provide(world({ build: fake })), Effect.provideService(EventSink, sink))
  })
})
