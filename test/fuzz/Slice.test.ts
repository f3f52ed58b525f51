import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { type Answer, evaluated, matched, parsed } from "./Answers.ts"
import { answerOf, kinds, makeCase } from "./Cases.ts"
import { readLines } from "./Recorded.ts"
import { Thread } from "./Thread.ts"

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8")

const recorded = (name: string, answer: (text: string) => Answer): void => {
  const lines = readLines(read(name))
  assert.isAbove(lines.length, 200)
  for (const [text, sort, first, second] of lines) {
    const got = answer(text)
    if (sort === "value") assert.deepStrictEqual(got, { ok: true, text: first as string }, text)
    else {
      assert.isFalse(got.ok, text)
      if (!got.ok && first !== null) assert.strictEqual(got.message, first, text)
      if (!got.ok && second !== null) assert.strictEqual(got.place, second, text)
    }
  }
}

describe("the slice of the fuzz campaign", () => {
  it("parses random texts as Nix did, and refuses the same at the same places", () => {
    recorded("parse.recorded.jsonl", parsed)
  })

  it("evaluates random programs to what Nix gave", () => {
    recorded("eval.recorded.jsonl", evaluated)
  })

  it("matches random patterns as libstdc++ did", () => {
    const lines = read("regex.recorded.txt").split("\n").slice(0, -1)
    assert.isAbove(lines.length, 500)
    for (const line of lines) {
      const [pattern = "", subject = "", ...expected] = line.split(" ")
      const [p, s] = [Buffer.from(pattern, "hex").toString("latin1"), Buffer.from(subject, "hex").toString("latin1")]
      assert.deepStrictEqual(matched(p, s), { ok: true, text: expected.join(" ") }, `${JSON.stringify(p)} on ${JSON.stringify(s)}`)
    }
  })

  it.each(kinds)("answers %s cases made afresh without crashing, the same each time", (kind) => {
    for (let i = 0; i < 400; i++) {
      const one = makeCase(kind, 4, i)
      const answer = answerOf(one)
      assert.isTrue(answer.ok || answer.crash === undefined, `${one.name}: ${one.text}`)
      if (i % 20 === 0) assert.deepStrictEqual([makeCase(kind, 4, i).text, answerOf(one)], [one.text, answer])
    }
  })

  it("ends texts that nest a hundred thousand deep with an error of the language", async () => {
    const shapes = [
      ["(", "1", ")"],
      ["", "[ ]", " ++ [ ]"]
    ] as const
    const thread = new Thread()
    try {
      const answers = await thread.answers(
        shapes.map(([open, inside, close]) => {
          const text = open.repeat(100_000) + inside + close.repeat(100_000)
          return { kind: "eval", name: open + close, text }
        })
      )
      assert.deepStrictEqual(
        answers.map((answer) => (answer.ok ? answer.text : answer.message)),
        shapes.map(() => "expression nested too deeply")
      )
    } finally {
      await thread.stop()
    }
  })

  it("tells what hangs or ends its thread, and goes on with the rest", async () => {
    const thread = new Thread({ patience: 3000 })
    const sum = (numbers: string): string => `builtins.foldl' builtins.add 0 (builtins.genList (n: ${numbers}) 100000)`
    const hang = sum(sum("n"))
    const one = (text: string) => ({ kind: "eval", name: text, text }) as const
    try {
      const answers = await thread.answers([one("1"), one(hang), one("2")])
      assert.deepStrictEqual(answers, [
        { ok: true, text: "1" },
        { ok: false, message: "no answer within 3 s", place: "", crash: true },
        { ok: true, text: "2" }
      ])
    } finally {
      await thread.stop()
    }
  })
})
