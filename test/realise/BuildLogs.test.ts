import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { StorePath } from "../../src/nix/StorePath.ts"
import * as BuildLogs from "../../src/realise/BuildLogs.ts"
import { LogLines } from "../../src/realise/LogLines.ts"

const drvPath = `/nix/store/${"b".repeat(32)}-x.drv` as StorePath
const encoder = new TextEncoder()

const inDirectory = <A, E>(use: (directory: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "yix-logs-"))),
    use,
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
  )

const noise = (seed: number, size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let i = 0, state = seed; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

const write = (log: BuildLogs.BuildLogs["Service"], pieces: ReadonlyArray<Uint8Array>) =>
  Effect.scoped(
    Effect.map(log.open(drvPath), (open) => {
      for (const piece of pieces) open.append(piece)
    })
  )

describe("kept build logs", () => {
  it.effect("are read as they were written, whatever the size of the pieces", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const logs = yield* BuildLogs.BuildLogs
        assert.isUndefined(yield* logs.read(drvPath))
        const pieces = [encoder.encode("begin\n"), noise(1, 700_000), new Uint8Array(0), noise(2, 3), encoder.encode("end")]
        yield* write(logs, pieces)
        assert.isTrue(Buffer.concat(pieces).equals((yield* logs.read(drvPath))!))
        yield* write(logs, [encoder.encode("second\n")])
        assert.strictEqual(new TextDecoder().decode(yield* logs.read(drvPath)), "second\n")
      }).pipe(Effect.provide(BuildLogs.layerDirectory(directory)))
    )
  )

  it.effect("cut at any place they are readable up to the last whole block", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const logs = yield* BuildLogs.BuildLogs
        const whole = noise(3, 600_000)
        yield* write(logs, [whole])
        const file = path.join(directory, "bb", `${drvPath.slice(13)}.zst`)
        const bytes = fs.readFileSync(file)
        for (const cut of [bytes.length - 1, bytes.length - 50_000, 300_000, 10, 0]) {
          fs.writeFileSync(file, bytes.subarray(0, cut))
          const read = (yield* logs.read(drvPath))!
          assert.isTrue(read.length % (256 * 1024) === 0 && read.length <= cut)
          assert.isTrue(Buffer.from(whole.subarray(0, read.length)).equals(read))
        }
      }).pipe(Effect.provide(BuildLogs.layerDirectory(directory)))
    )
  )

  it.effect("that cannot be written are no reason to fail", () =>
    Effect.gen(function* () {
      const logs = yield* BuildLogs.BuildLogs
      yield* write(logs, [noise(4, 300_000)])
      assert.isUndefined(yield* logs.read(drvPath))
    }).pipe(Effect.provide(BuildLogs.layerDirectory("/dev/null/such")))
  )
})

describe("lines of a log", () => {
  const linesOf = (...pieces: ReadonlyArray<string>) => {
    const seen: Array<string> = []
    const lines = new LogLines((line) => seen.push(line))
    for (const piece of pieces) lines.push(Buffer.from(piece, "latin1"))
    lines.end()
    return { seen, last: lines.lastLines }
  }

  it("are joined over pieces, with or without a last line end", () => {
    assert.deepStrictEqual(linesOf("a", "b\nc", "", "d\r\n\ne").seen, ["ab", "cd", "", "e"])
  })

  it("survive a buffer that is used again by its owner", () => {
    const seen: Array<string> = []
    const lines = new LogLines((line) => seen.push(line))
    const buffer = Buffer.from("abc")
    lines.push(buffer)
    buffer.fill("x")
    lines.push(Buffer.from("\n"))
    assert.deepStrictEqual(seen, ["abc"])
  })

  it("only the last 25 are kept, and messages to Nix are nobody's business", () => {
    const { last, seen } = linesOf(Array.from({ length: 30 }, (_, i) => `${i}\n`).join(""), '@nix {"action":"setPhase"}\n')
    assert.strictEqual(seen.length, 30)
    assert.deepStrictEqual([last.length, last[0], last[24]], [25, "5", "29"])
  })

  it("without an end are cut, so that memory stays bounded", () => {
    const { seen } = linesOf(
      ..."x"
        .repeat(200)
        .split("")
        .map((x) => x.repeat(1000))
    )
    assert.deepStrictEqual(
      seen.map((line) => line.length),
      [65536, 65536, 65536, 200_000 - 3 * 65536]
    )
  })

  it("in bytes that are not UTF-8 are shown with replacements", () => {
    assert.deepStrictEqual(linesOf("\xff\xc3\xa9\n").seen, ["\ufffdé"])
  })
})
