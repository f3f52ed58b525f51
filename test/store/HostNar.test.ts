import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { fromUnicode } from "../../src/nix/Bytes.ts"
import { writeNar } from "../../src/store/HashPath.ts"
import { restoreNar } from "../../src/store/HostNar.ts"

/** The NAR of a tree with a file, a program, a link and a directory. */
const narIn = (directory: string): Uint8Array => {
  const source = path.join(directory, "source")
  fs.mkdirSync(path.join(source, "sub"), { recursive: true })
  fs.writeFileSync(path.join(source, "sub/text"), "text")
  fs.writeFileSync(path.join(source, "run"), "#!", { mode: 0o755 })
  fs.symlinkSync("sub/text", path.join(source, "link"))
  const chunks: Array<Uint8Array> = []
  writeNar(fromUnicode(source), (chunk) => chunks.push(chunk))
  return Buffer.concat(chunks)
}

const inDirectory = <A, E>(use: (directory: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "yix-restore-"))),
    use,
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
  )

describe("restoring a NAR", () => {
  it.effect("makes its files in whatever pieces it comes, and leaves alone what follows it", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const bytes = Buffer.concat([narIn(directory), Buffer.from("and more of something else")])
        for (const size of [1, 7, bytes.length]) {
          const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
          const to = path.join(directory, `to-${size}`)
          yield* restoreNar(Stream.fromIterable(pieces), to)
          assert.deepStrictEqual(fs.readdirSync(to).sort(), ["link", "run", "sub"])
          assert.strictEqual(fs.readFileSync(path.join(to, "link"), "utf8"), "text")
          assert.strictEqual(fs.statSync(path.join(to, "run")).mode & 0o100, 0o100)
          assert.strictEqual(fs.statSync(path.join(to, "sub/text")).mode & 0o111, 0)
        }
      })
    )
  )

  it.effect("makes nothing of a NAR that is cut off, nor over what is there", () =>
    inDirectory((directory) =>
      Effect.gen(function* () {
        const bytes = narIn(directory)
        const to = path.join(directory, "to")
        for (let length = 0; length < bytes.length; length += 24) {
          const failure = yield* Effect.flip(restoreNar(Stream.make(bytes.subarray(0, length)), to))
          assert.strictEqual(failure._tag, "RestoreFailed")
          assert.deepStrictEqual(fs.readdirSync(directory), ["source"])
        }
        fs.writeFileSync(to, "mine")
        yield* Effect.flip(restoreNar(Stream.make(bytes), to))
        assert.strictEqual(fs.readFileSync(to, "utf8"), "mine")
      })
    )
  )
})
