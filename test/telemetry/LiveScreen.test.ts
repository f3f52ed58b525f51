import { assert, describe, it } from "@effect/vitest"
import * as LiveScreen from "../../src/telemetry/LiveScreen.ts"
import { VirtualTerminal } from "./VirtualTerminal.ts"

/** Numbers that look random and are the same each time. */
const numbers = (seed: number) => (below: number) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}

describe("the live area", () => {
  it("shows what was asked for after any sequence of updates, and what went above it stays", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = numbers(seed)
      const terminal = new VirtualTerminal(40, 12)
      terminal.write("$ yix\r\n")
      const stays = ["$ yix"]
      let screen = LiveScreen.empty
      let lines: Array<string> = []
      for (let step = 0; step < 40; step++) {
        // Lines come, go and change; few at a time, so that most stay as they are.
        if (random(4) === 0) lines = lines.slice(0, random(lines.length + 1))
        while (random(3) === 0 && lines.length < 11) lines.push(`line 日本 ${step}${"x".repeat(random(20))}`)
        if (lines.length > 0 && random(2) === 0) lines = lines.with(random(lines.length), `changed ${step}${"y".repeat(random(25))}`)
        const above = random(5) === 0 ? [`news ${step}`, `more of ${step}`] : []
        stays.push(...above)
        const [bytes, next] = LiveScreen.update(screen, { above, lines: [...lines], width: 40 })
        terminal.write(bytes)
        screen = next
        assert.deepStrictEqual(terminal.rows, [...stays, ...lines], `seed ${seed}, step ${step}`)
        assert.isFalse(terminal.synchronized)
      }
      terminal.write(LiveScreen.leave(screen, ["the end"], 40))
      assert.deepStrictEqual(terminal.rows, [...stays, "the end"])
      assert.deepStrictEqual(terminal.cursor, [stays.length + 1, 0])
      assert.isTrue(terminal.cursorShown)
    }
  })

  it("writes nothing when nothing changed, and only the lines that did", () => {
    const lines = ["one", "two", "three"]
    const [, screen] = LiveScreen.update(LiveScreen.empty, { above: [], lines, width: 80 })
    assert.strictEqual(LiveScreen.update(screen, { above: [], lines: [...lines], width: 80 })[0], "")
    const [bytes] = LiveScreen.update(screen, { above: [], lines: ["one", "2", "three"], width: 80 })
    assert.strictEqual(bytes, "\x1b[?2026h\r\x1b[1A2\x1b[K\r\n\x1b[?2026l")
    assert.strictEqual(LiveScreen.update(LiveScreen.empty, { above: [], lines: [], width: 80 })[0], "")
  })

  it("is found again after the terminal has wrapped its lines", () => {
    const terminal = new VirtualTerminal(60, 20)
    terminal.write("$ yix\r\n")
    const lines = ["a".repeat(59), "short", `日本${"b".repeat(50)}`, "c".repeat(55)]
    const [bytes, screen] = LiveScreen.update(LiveScreen.empty, { above: [], lines, width: 60 })
    terminal.write(bytes)
    terminal.resize(25, 20)
    assert.isAbove(terminal.rows.length, 5)
    const [after, narrow] = LiveScreen.update(screen, { above: ["news"], lines: ["x", "y"], width: 25 })
    terminal.write(after)
    assert.deepStrictEqual(terminal.rows, ["$ yix", "news", "x", "y"])
    terminal.resize(70, 20)
    terminal.write(LiveScreen.update(narrow, { above: [], lines: ["wide again"], width: 70 })[0])
    assert.deepStrictEqual(terminal.rows, ["$ yix", "news", "wide again"])
  })
})
