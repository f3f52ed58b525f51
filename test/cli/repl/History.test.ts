import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { completions } from "../../../src/cli/repl/Completion.ts"
import { historyFile, keptLines, openHistory } from "../../../src/cli/repl/History.ts"

let directory = ""
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "yix-history-"))
})
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }))

describe("the history of yix repl", () => {
  it("lies below XDG_STATE_HOME where that is an absolute path, else in the home", () => {
    assert.strictEqual(historyFile({ XDG_STATE_HOME: "/s" }), "/s/yix/repl-history")
    assert.strictEqual(historyFile({ XDG_STATE_HOME: "s" }), path.join(os.homedir(), ".local/state/yix/repl-history"))
  })

  it("keeps lines in order, newest first, for the owner alone, across sessions at the same time", () => {
    const file = path.join(directory, "a/b/history")
    const one = openHistory(file)
    const two = openHistory(file)
    for (const line of ["a", "a", "  ", "b"]) one.add(line)
    two.add("c")
    assert.deepStrictEqual(openHistory(file).lines, ["c", "b", "a"])
    assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
  })

  it("is bounded, in memory and in its file", () => {
    const file = path.join(directory, "history")
    fs.writeFileSync(file, Array.from({ length: 2 * keptLines + 1 }, (_, i) => `line ${i}\n`).join(""), { mode: 0o600 })
    const { lines } = openHistory(file)
    assert.strictEqual(lines.length, keptLines)
    assert.strictEqual(lines[0], `line ${2 * keptLines}`)
    assert.strictEqual(fs.readFileSync(file, "utf8").trimEnd().split("\n").length, keptLines)
    assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
    assert.deepStrictEqual(fs.readdirSync(directory), ["history"])
  })

  it("is empty and silent where its place cannot be used", () => {
    fs.writeFileSync(path.join(directory, "file"), "")
    for (const file of [path.join(directory, "file/history"), "/proc/none/history", directory]) {
      const history = openHistory(file)
      history.add("a")
      history.add("b")
      assert.deepStrictEqual(history.lines, [])
    }
  })
})

describe("what TAB gives in yix repl", () => {
  const asked: Array<string> = []
  const names = (begun: string) => {
    asked.push(begun)
    return Promise.resolve([`${begun}Name`])
  }

  it("is commands after a colon", async () => {
    assert.deepStrictEqual(await completions(":bu", names), [[":build", ":build-link"], ":bu"])
    assert.deepStrictEqual(await completions(":nix", names), [[], ":nix"])
  })

  it("is files after :l and where a path begins, hidden ones only when asked for", async () => {
    fs.mkdirSync(path.join(directory, "sub"))
    for (const name of ["some.nix", ".hidden"]) fs.writeFileSync(path.join(directory, name), "")
    fs.symlinkSync("sub", path.join(directory, "soft"))
    fs.symlinkSync("loop", path.join(directory, "loop"))
    const at = `${directory}/`
    assert.deepStrictEqual((await completions(`:l ${at}`, names))[0], [`${at}loop`, `${at}soft/`, `${at}some.nix`, `${at}sub/`])
    assert.deepStrictEqual(await completions(`import (${at}so`, names), [[`${at}soft/`, `${at}some.nix`], `${at}so`])
    assert.deepStrictEqual((await completions(`x = ${at}.h`, names))[0], [`${at}.hidden`])
    assert.deepStrictEqual((await completions(":l /nowhere/", names))[0], [])
  })

  it("is names and attribute paths everywhere else", async () => {
    asked.length = 0
    assert.deepStrictEqual(await completions("f (a.b.c", names), [["a.b.cName"], "a.b.c"])
    assert.deepStrictEqual(await completions(`:p x."two words".y`, names), [[`x."two words".yName`], `x."two words".y`])
    assert.deepStrictEqual(await completions("1 + ", names), [[], ""])
    assert.deepStrictEqual(asked, ["a.b.c", `x."two words".y`])
  })
})
