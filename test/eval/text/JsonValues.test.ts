/** Values of JSON texts: the way by the engine's reader and that by ours give the same. */
import { assert, describe, it } from "@effect/vitest"
import { makeMachine, program } from "../../../src/eval/Evaluate.ts"
import { printValue } from "../../../src/eval/Print.ts"
import { fromNames } from "../../../src/eval/AttributeSet.ts"
import { readJson } from "../../../src/eval/text/JsonReader.ts"
import { jsonValue } from "../../../src/eval/text/JsonValues.ts"
import { NixFloat } from "../../../src/eval/Value.ts"
import type { Value } from "../../../src/eval/Value.ts"
import { host } from "../builtins/world.ts"
import { random } from "../FakeHost.ts"

const outcome = (read: () => Value): string => {
  const machine = makeMachine(host({}))
  const done = program(machine, () => {
    try {
      return printValue(read())
    } catch (error) {
      return String((error as Error).message)
    }
  }).run()
  return done._tag === "Done" ? done.value : done._tag
}

const byReader = (text: string): string =>
  outcome(() =>
    readJson<Value>(text, {
      literal: (value) => value,
      integer: (value) => value,
      float: (value) => new NixFloat(value),
      string: (bytes) => bytes,
      list: (elements) => elements,
      object: fromNames
    })
  )

describe("values of JSON texts", () => {
  for (const text of [
    "1",
    "-0",
    "[-0]",
    "0",
    "[0,1.5,1e3,2E-2]",
    "123456789012345",
    "1234567890123456789",
    "[ -9223372036854775808, 9223372036854775807]",
    "18446744073709551615",
    '"version 1.5: 2.0, 3.1"',
    '{"a":1,"b":2,"a":3}',
    '{"b":1,"a":{"2":1,"1":[]}}',
    '{"__proto__":1,"constructor":{"__proto__":null}}',
    '"\\u00e9"',
    '"\\u0000"',
    '"\xc3\xa9"',
    '"\xe9"',
    "\xa0 1",
    "\xef\xbb\xbf1",
    '"a\nb"',
    "1\0",
    "[1,]",
    "[1 2]",
    "tru",
    "",
    " ",
    "null",
    '{"":{}}',
    "\t[\r\n{}\n, [] ]",
    '"\\/\\b\\f\\n\\r\\t\\\\\\""'
  ]) {
    it(`are those of our reader: ${JSON.stringify(text)}`, () => {
      assert.strictEqual(
        outcome(() => jsonValue(text)),
        byReader(text)
      )
    })
  }

  it("are those of our reader for random texts, damaged ones too", () => {
    const next = random(5)
    const pick = <A>(of: ReadonlyArray<A>): A => of[Math.floor(next() * of.length)] as A
    const make = (depth: number): string => {
      const kind = depth > 4 ? 0 : Math.floor(next() * 4)
      if (kind < 2) return pick(["1", "0", "-7", "true", "null", '"x"', '"\xc3\xa9"', '"a b"', "1.5", "-0", '""', '"3.4.5"'])
      const inner = Array.from({ length: Math.floor(next() * 4) }, () => make(depth + 1))
      return kind === 2 ? `[${inner.join(",")}]` : `{${inner.map((text) => `"${pick(["a", "b", "c", "10", "9"])}": ${text}`).join(", ")}}`
    }
    for (let i = 0; i < 500; i++) {
      let text = make(0)
      if (next() < 0.3) {
        const at = Math.floor(next() * text.length)
        text = text.slice(0, at) + pick(["", "]", "}", ",", ":", '"', "\\", "\xff", "1"]) + text.slice(at + 1)
      }
      assert.strictEqual(
        outcome(() => jsonValue(text)),
        byReader(text),
        text
      )
    }
  })

  it("are read however deeply they nest", () => {
    const depth = 100_000
    let value = jsonValue("[".repeat(depth) + "]".repeat(depth)) as Array<Value>
    let found = 1
    while (value.length > 0) {
      value = value[0] as Array<Value>
      found++
    }
    assert.strictEqual(found, depth)
  })
})
