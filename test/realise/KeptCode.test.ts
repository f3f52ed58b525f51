import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { runScript } from "../../src/realise/KeptCode.ts"

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-kept-code-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

interface Exports {
  readonly one: (n: number) => number
  readonly two: (n: number) => number
}

/** Large enough for a function more or less to be told from its code's size. */
const body = (name: string): string => {
  const lines = Array.from(
    { length: 40 },
    (_, i) => `  n += Math.imul(n ^ ${i + name.length * 1000}, ${i + 3}) % 7; out.push("${name}${i}" + n);`
  )
  return `exports.${name} = (n) => {\n  const out = [];\n${lines.join("\n")}\n  return out.length + n;\n};\n`
}

let scripts = 0

/** A script in a folder of its own. */
const script = () => {
  const folder = path.join(scratch, String(++scripts))
  fs.mkdirSync(folder)
  const file = path.join(folder, "script-0a1b2c3d.cjs")
  fs.writeFileSync(file, body("one") + body("two"))
  const kept = (): string => {
    const names = fs.readdirSync(folder).filter((name) => name.endsWith(".code"))
    assert.strictEqual(names.length, 1)
    return path.join(folder, names[0]!)
  }
  return { file, folder, kept }
}

/** Runs the script, `use`s it and keeps what that executed. */
const run = ({ file, folder }: ReturnType<typeof script>, use: (exports: Exports) => unknown, sorts = 1) => {
  const { exports, keeping } = runScript<Exports>(file, folder)
  const result = use(exports)
  const keep = keeping(sorts)
  keep?.()
  return { result, looked: keep !== undefined }
}

describe("kept code", () => {
  it("serves later runs, and is replaced by what has executed more", () => {
    const own = script()
    const first = run(own, ({ one }) => one(1))
    const small = fs.statSync(own.kept()).size
    // Now and then it is looked at whether a run executed more: at the first, second, fourth run and so on.
    assert.deepStrictEqual(
      Array.from({ length: 9 }, () => run(own, ({ one }) => one(1)).looked),
      [true, true, false, true, false, false, false, true, false]
    )
    assert.strictEqual(fs.statSync(own.kept()).size, small)
    for (let i = 10; i < 13; i++) run(own, ({ two }) => two(1))
    assert.strictEqual(fs.statSync(own.kept()).size, small)
    const more = run(own, ({ one, two }) => [one(1), two(1)])
    assert.isTrue(more.looked)
    assert.isAbove(fs.statSync(own.kept()).size, small * 1.2)
    assert.deepStrictEqual(run(own, ({ one }) => one(1)).result, first.result)
  })

  it("is replaced at once by what a run of another sort has executed", () => {
    const own = script()
    run(own, ({ one }) => one(1), 1)
    const small = fs.statSync(own.kept()).size
    for (let i = 0; i < 2; i++) run(own, ({ one }) => one(1), 1)
    assert.isFalse(run(own, ({ two }) => two(1), 1).looked)
    assert.isTrue(run(own, ({ one, two }) => [one(1), two(1)], 2 | 1).looked)
    assert.isAbove(fs.statSync(own.kept()).size, small * 1.2)
    // It has seen both sorts now.
    const looked = Array.from({ length: 3 }, (_, i) => run(own, ({ two }) => two(1), [1, 2, 3][i]).looked)
    assert.deepStrictEqual(looked, [true, true, false])
  })

  it("is not believed where it is damaged, cut off, someone else's, or of another script; then it is replaced", () => {
    const own = script()
    const { result } = run(own, ({ one }) => one(1))
    const good = fs.readFileSync(own.kept())
    const half = 16 + (good.length - 16) / 2
    const changes: ReadonlyArray<() => void> = [
      ...[0, 16, 100, half - 1, half, half + 100, good.length - 1].map((at) => () => {
        const bytes = Buffer.from(good)
        bytes[at]! ^= 1
        fs.writeFileSync(own.kept(), bytes)
      }),
      ...[0, 7, 16, half, good.length - 1].map((size) => () => fs.truncateSync(own.kept(), size)),
      () => fs.writeFileSync(own.kept(), Buffer.concat([good, Buffer.alloc(2)])),
      () => fs.chmodSync(own.kept(), 0o666),
      () => fs.writeFileSync(own.kept(), Buffer.concat([good.subarray(0, 16), Buffer.alloc(64)])),
      // As V8 tells it: the length of the source.
      () => fs.appendFileSync(own.file, "// longer\n")
    ]
    for (const [i, change] of changes.entries()) {
      change()
      const again = run(own, ({ one }) => one(1))
      assert.strictEqual(again.result, result)
      assert.isTrue(again.looked, String(i))
      assert.strictEqual(fs.statSync(own.kept()).mode & 0o777, 0o600)
      assert.strictEqual(fs.readFileSync(own.kept()).readInt32LE(4), 0, `${i}: replaced`)
      fs.writeFileSync(own.kept(), good)
    }
  })

  it("is not missed: without a folder, in one that is gone and in one that is a file, scripts run as well", () => {
    const own = script()
    const { exports, keeping } = runScript<Exports>(own.file, undefined)
    assert.isUndefined(keeping(1))
    const result = exports.one(1)
    for (const folder of [path.join(scratch, "gone"), own.file]) {
      const other = runScript<Exports>(own.file, folder)
      assert.strictEqual(other.exports.one(1), result)
      other.keeping(1)?.()
    }
    assert.isFalse(fs.existsSync(path.join(scratch, "gone")))
  })

  it("takes no more room than it may: the code of scripts that are gone goes first", () => {
    const own = script()
    run(own, ({ one }) => one(1))
    for (let i = 0; i < 12; i++) {
      const old = path.join(own.folder, `script-old${i}.cjs.code`)
      fs.writeFileSync(old, "x")
      fs.utimesSync(old, 1000 + i, 1000 + i)
    }
    fs.rmSync(own.file)
    fs.writeFileSync(own.file, body("two"))
    run(own, ({ two }) => two(1))
    const left = fs.readdirSync(own.folder).filter((name) => name.endsWith(".code"))
    assert.strictEqual(left.length, 8)
    assert.include(left, "script-0a1b2c3d.cjs.code")
    assert.notInclude(left, "script-old0.cjs.code")
  })
})
