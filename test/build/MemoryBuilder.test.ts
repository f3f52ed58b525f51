import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BuilderFailed } from "../../src/build/BuildError.ts"
import { layerTest } from "../../src/build/MemoryBuilder.ts"
import * as LocalStore from "../../src/store/LocalStore.ts"
import { build, buildFailure, devPath, outPath, plain, requestOf } from "./world.ts"

const needles = ["a".repeat(32), "b".repeat(32), "c".repeat(32), "d".repeat(32)]

const layer = layerTest((request, { onLog }) =>
  Effect.gen(function* () {
    const script = request.commandArgs[2]!
    onLog(Buffer.from(`running ${script}\n`))
    if (script === "fail") return yield* new BuilderFailed({ status: 1, signal: undefined, lastLines: ["running fail"] })
    return new Map([
      [
        outPath,
        {
          entries: {
            file: { file: Buffer.from(`to ${needles[0]}`), executable: true },
            [`${needles[1]}-name`]: { file: Buffer.from("") },
            link: { link: `/nix/store/${needles[2]}-x` }
          }
        }
      ]
    ])
  })
).pipe(Layer.provideMerge(LocalStore.layerMemory))

describe("the builder in memory", () => {
  it.effect("stores what its function gives, finds references in it and logs", () =>
    Effect.gen(function* () {
      let log = ""
      const [built] = yield* build(requestOf("go", { needles }), { onLog: (bytes) => (log += Buffer.from(bytes).toString()) })
      assert.deepStrictEqual(yield* plain(built!.node), {
        file: `*to ${needles[0]}`,
        [`${needles[1]}-name`]: "",
        link: `-> /nix/store/${needles[2]}-x`
      })
      assert.deepStrictEqual(built!.needles, [0, 1, 2])
      assert.strictEqual(log, "running go\n")
    }).pipe(Effect.provide(layer))
  )

  it.effect("fails as its function fails, and when an output is missing", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* buildFailure(requestOf("fail")))._tag, "BuilderFailed")
      assert.strictEqual((yield* buildFailure(requestOf("go", { outputs: [outPath, devPath] })))._tag, "OutputMissing")
    }).pipe(Effect.provide(layer))
  )
})
