/**
 * What a restricted or pure evaluation may see of the host's files.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { NearRequest } from "../../src/eval/IoRequest.ts"
import { FileAccess, whereTo } from "../../src/realise/FileAccess.ts"

let root = ""

beforeAll(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "yix-access-")))
  fs.mkdirSync(path.join(root, "open/deep"), { recursive: true })
  fs.mkdirSync(path.join(root, "closed"))
  fs.writeFileSync(path.join(root, "open/file"), "inside")
  fs.writeFileSync(path.join(root, "closed/secret"), "outside")
  fs.symlinkSync("../closed/secret", path.join(root, "open/out"))
  fs.symlinkSync("../closed", path.join(root, "open/outwards"))
  fs.symlinkSync("../../open/file", path.join(root, "open/deep/in"))
  fs.symlinkSync("round", path.join(root, "open/round"))
  fs.symlinkSync("open", path.join(root, "alias"))
})

afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

type Request = Extract<NearRequest, { readonly path: string }>

const restricted = (searchPath = [`o=${root}/open`]): FileAccess => new FileAccess({ pure: false, restrict: true, searchPath })

const ask = (access: FileAccess, tag: "ReadFile" | "ReadDirectory" | "ReadLink", name: string): unknown => {
  const answer = access.answer({ _tag: tag, path: path.join(root, name) } as Request)
  return answer.ok ? answer.value : answer.failure.message.replaceAll(root, "")
}

const forbidden = (name: string): string => `access to absolute path '${name}' is forbidden in restricted mode`

describe("a restricted evaluation", () => {
  it("reads what the search path names and what is below", () => {
    assert.strictEqual(ask(restricted(), "ReadFile", "open/file"), "inside")
    assert.strictEqual(ask(restricted(), "ReadFile", "closed/secret"), forbidden("/closed/secret"))
    assert.strictEqual(ask(restricted([`${root}/op`]), "ReadFile", "open/file"), forbidden("/open/file"))
  })

  it("follows no link out of it, whatever stands in the middle of a path", () => {
    assert.strictEqual(ask(restricted(), "ReadFile", "open/deep/in"), "inside")
    assert.strictEqual(ask(restricted(), "ReadFile", "open/out"), forbidden("/closed/secret"))
    assert.strictEqual(ask(restricted(), "ReadFile", "open/outwards/secret"), forbidden("/closed/secret"))
    assert.strictEqual(ask(restricted(), "ReadDirectory", "open/outwards"), forbidden("/closed"))
    assert.strictEqual(ask(restricted(), "ReadFile", "open/outwards/nothing"), forbidden("/closed/nothing"))
    assert.strictEqual(ask(restricted(), "ReadFile", "open/round"), forbidden("/open/round"))
    assert.strictEqual(ask(restricted(), "ReadLink", "open/out"), "../closed/secret")
  })

  it("sees of the directories above no more than the way", () => {
    assert.deepStrictEqual(ask(restricted(), "ReadDirectory", "."), [["open", "directory"]])
    assert.lengthOf(ask(restricted(), "ReadDirectory", "open") as Array<unknown>, 5)
  })

  it("may use a search path that is a link itself", () => {
    const access = restricted([`o=${root}/alias`])
    assert.strictEqual(ask(access, "ReadFile", "alias/file"), "inside")
    assert.strictEqual(ask(access, "ReadFile", "open/file"), "inside")
    assert.strictEqual(ask(access, "ReadFile", "alias/out"), forbidden("/closed/secret"))
  })
})

describe("other evaluations", () => {
  it("see everything, or nothing where they are pure", () => {
    const free = new FileAccess({ pure: false, restrict: false, searchPath: [] })
    assert.strictEqual(ask(free, "ReadFile", "open/out"), "outside")
    const pure = new FileAccess({ pure: true, restrict: false, searchPath: [`${root}/open`] })
    assert.include(ask(pure, "ReadFile", "open/file") as string, "is forbidden in pure evaluation mode")
    const through = pure.answerInStore({ _tag: "ReadFile", path: path.join(root, "open/file") })
    assert.isTrue(!through.ok && through.failure.kind === "restricted")
  })
})

describe("where a path leads", () => {
  it("is found link by link, as far as there is something", () => {
    assert.strictEqual(whereTo(`${root}/alias/deep/in`, true), `${root}/open/file`)
    assert.strictEqual(whereTo(`${root}/alias/deep/in`, false), `${root}/open/deep/in`)
    assert.strictEqual(whereTo(`${root}/alias/none/x`, true), `${root}/open/none/x`)
    assert.strictEqual(whereTo(`${root}/open/round`, true), undefined)
    assert.strictEqual(whereTo("/", true), "/")
  })
})
