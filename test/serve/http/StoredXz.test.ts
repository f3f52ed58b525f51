import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { storedXz, storedXzSize } from "../../../src/serve/http/StoredXz.ts"
import { decompress } from "../../../src/wire/Decompress.ts"
import { concatBytes } from "../../../src/nix/Bytes.ts"
import { randomBytes } from "../../castore/bytes.ts"

const hasXz = spawnSync("xz", ["--version"]).status === 0

describe("plain bytes in the form of an xz file", () => {
  for (const size of [0, 1, 2, 3, 4, 65_535, 65_536, 65_537, 131_072, 300_001]) {
    it.live(`are read by our decoder${hasXz ? " and by xz" : ""}, and have the length foretold: ${size}`, () =>
      Effect.gen(function* () {
        const bytes = randomBytes(size + 1, size)
        const pieces: Array<Uint8Array> = []
        for (let at = 0; at < size; at += 70_001) pieces.push(bytes.subarray(at, at + 70_001))
        const file = concatBytes(yield* Stream.runCollect(storedXz(Stream.fromIterable(pieces), size)))
        assert.strictEqual(file.length, storedXzSize(size))
        const unpacked = Stream.succeed(file).pipe(decompress({ source: "test", compression: "xz" }))
        assert.deepStrictEqual(concatBytes(yield* Stream.runCollect(unpacked)), bytes)
        if (!hasXz) return
        const byXz = spawnSync("xz", ["-dc"], { input: file, maxBuffer: 1 << 24 })
        assert.strictEqual(byXz.stderr.toString(), "")
        assert.isTrue(byXz.stdout.equals(bytes))
      })
    )
  }
})
