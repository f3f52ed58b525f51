/**
 * Suspension, batch points and replay (design.md §2): whatever the order and the time of far answers, and whether the host can block or not, value, error and lines are
 * those of a host that answers at once; and what is needed anyway starts together.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepForce } from "../../src/eval/DeepForce.ts"
import type { Outcome } from "../../src/eval/Evaluate.ts"
import { makeMachine, program, textValue } from "../../src/eval/Evaluate.ts"
import { printValue } from "../../src/eval/Print.ts"
import type { Content, Manner } from "./FakeHost.ts"
import { FakeHost, random } from "./FakeHost.ts"

const prelude = `let get = n: builtins.readFile (builtins.fetchurl "fake:/\${n}"); load = n: import (builtins.fetchurl "fake:/\${n}"); in `

interface Run {
  readonly host: FakeHost
  readonly result: string
  readonly lines: ReadonlyArray<string>
  readonly rounds: number
}

const described = (outcome: Outcome<string>): string =>
  outcome._tag === "Done" ? outcome.value : outcome._tag === "Failed" ? `error: ${outcome.error.message}` : outcome._tag

/** Evaluates `text` deeply. For hosts that cannot block, `pick` answers one of the pending requests between the runs. */
const evaluate = (
  text: string,
  contents: Record<string, Content>,
  manner: Manner = { kind: "at-once" },
  pick: (pending: number) => number = () => 0
): Run => {
  const host = new FakeHost(contents, manner)
  const machine = makeMachine(host)
  const root = program(machine, () => printValue(deepForce(textValue(prelude + text, { _tag: "String" }, "/"))))
  let rounds = 1
  let outcome = root.run()
  while (outcome._tag === "Suspended") {
    assert.isAbove(host.pending.length, 0, "suspended with nothing pending")
    host.answer(pick(host.pending.length))
    outcome = root.run()
    if (++rounds > 5000) throw new Error("does not end")
  }
  assert.strictEqual(machine.openBatches, 0)
  return { host, result: described(outcome), lines: host.lines, rounds }
}

const texts = (names: string): Record<string, Content> => Object.fromEntries([...names].map((n) => [n, { text: `<${n}>` }]))

/** A blocking host that lets every timed wait run out and else answers the newest request. */
const slow: Manner = { kind: "blocking", next: (pending, timed) => (timed ? undefined : pending.length - 1) }

describe("batch points", () => {
  const startsTogether = (name: string, text: string, wanted: ReadonlyArray<string>) =>
    it(`start all that ${name} needs before waiting without limit`, () => {
      const names = wanted.join("")
      const run = evaluate(text, texts(names), slow)
      assert.strictEqual(run.result, evaluate(text, texts(names)).result)
      const first = run.host.waits.find((w) => !w.timed)
      assert.deepStrictEqual([...(first?.pending ?? [])].sort(), [...wanted].sort())
    })

  startsTogether("an addition", `get "a" + get "b" + get "c"`, ["a", "b", "c"])
  startsTogether("an interpolated string", '"${get "a"}-${get "b"}-${get "c"}"', ["a", "b", "c"])
  startsTogether("concatStringsSep", `builtins.concatStringsSep "," (map get [ "a" "b" "c" ])`, ["a", "b", "c"])
  startsTogether("deep forcing", `{ x = get "a"; y = [ (get "b") { z = get "c"; } ]; }`, ["a", "b", "c"])
  startsTogether("toJSON", `builtins.toJSON { x = get "a"; y = [ (get "b") (get "c") ]; }`, ["a", "b", "c"])
  startsTogether(
    "the attributes of a derivation",
    `(derivation { name = "n"; system = "s"; builder = get "a"; x = get "b"; args = [ (get "c") (get "d") ]; }).drvPath`,
    ["a", "b", "c", "d"]
  )
  startsTogether(
    "concatLists",
    `builtins.concatLists [ [ (get "a") ] (if get "b" == "" then [ ] else [ 1 ]) (if get "c" == "" then [ ] else [ 2 ]) ]`,
    ["b", "c"]
  )
  startsTogether("filter", `builtins.filter (n: get n != "") [ "a" "b" "c" ]`, ["a", "b", "c"])
  startsTogether("concatMap", `builtins.concatMap (n: if get n == "" then [ ] else [ n ]) [ "a" "b" "c" ]`, ["a", "b", "c"])
  startsTogether("partition", `builtins.partition (n: get n != "") [ "a" "b" ]`, ["a", "b"])
  startsTogether(
    "two operands of ++",
    `[ (builtins.stringLength (get "c")) ] ++ (if get "a" == "" then [ ] else [ 1 ]) ++ (if get "b" == "" then [ ] else [ 2 ])`,
    ["a", "b"]
  )
  startsTogether("imports that lead to more", `get "a" + (get "b" + get "c")`, ["a", "b", "c"])

  const startsAlone = (name: string, text: string, first = "a") =>
    it(`start nothing beside the first of ${name}`, () => {
      const run = evaluate(text, texts("ab"), slow)
      assert.strictEqual(run.result, evaluate(text, texts("ab")).result)
      assert.deepStrictEqual(run.host.waits[0]?.pending, [first])
    })

  startsAlone("&&", `get "a" == "<a>" && get "b" == "<b>"`)
  startsAlone("||", `get "a" == "" || get "b" == "<b>"`)
  startsAlone("->", `get "a" == "<a>" -> get "b" == "<b>"`)
  startsAlone("if", `if get "a" == "<a>" then get "b" else ""`)
  startsAlone("all", `builtins.all (n: get n != "") [ "a" "b" ]`)
  startsAlone("any", `builtins.any (n: get n == "<b>") [ "a" "b" ]`)
  startsAlone("elem", `builtins.elem "<b>" (map get [ "a" "b" ])`)
  startsAlone("foldl'", `builtins.foldl' (x: n: x + get n) "" [ "a" "b" ]`)
  startsAlone("sort", `builtins.sort (x: y: get x < get y) [ "a" "b" ]`, "b")
  startsAlone("==", `[ (get "a") ] == [ "<a>" ] && [ (get "b") ] == [ "<b>" ]`)

  it("wait a little before widening, so that an inner sibling that is quick costs nothing", () => {
    const run = evaluate(`(get "a" + get "b") + get "c"`, texts("abc"), { kind: "blocking", next: () => 0 })
    assert.strictEqual(run.result, `"<a><b><c>"`)
    assert.isTrue(run.host.waits[0]?.timed)
    assert.deepStrictEqual(run.host.waits[0]?.pending, ["a", "b"])
  })

  it("release what later siblings asked for when an earlier one fails", () => {
    const run = evaluate(
      `get "a" + get "b"`,
      { a: { text: "", failure: "a is gone" }, b: { text: "b" } },
      { kind: "blocking", next: () => 0 }
    )
    assert.strictEqual(run.result, "error: a is gone")
    assert.deepStrictEqual(run.host.released, ["b"])
  })

  it("hold the error of a later sibling until the earlier ones have settled", () => {
    const contents = { a: { text: "", failure: "first" }, b: { text: "", failure: "second" } }
    const last: Manner = { kind: "blocking", next: (pending) => pending.length - 1 }
    assert.strictEqual(evaluate(`get "a" + get "b"`, contents, last).result, "error: first")
    assert.strictEqual(evaluate(`get "a" + throw "second"`, { a: { text: "x" } }, last).result, "error: second")
  })

  it("cost a fold over imports no more than its length, blocking", () => {
    const count = 200
    const contents = Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, { text: String(i) }]))
    const text = `builtins.foldl' (x: n: x + load "n\${toString n}") 0 (builtins.genList (n: n) ${count})`
    const sync = evaluate(text, contents)
    const run = evaluate(text, contents, { kind: "blocking", next: () => 0 })
    assert.strictEqual(run.result, sync.result)
    assert.isBelow(run.host.asked, sync.host.asked * 3)
  })

  it("let suspension pass through tryEval", () => {
    for (const manner of [slow, { kind: "unwinding" } as const]) {
      const run = evaluate(
        `(builtins.tryEval (get "a")).value + (if (builtins.tryEval (throw (get "b"))).success then "y" else "n")`,
        texts("ab"),
        manner
      )
      assert.strictEqual(run.result, `"<a>n"`)
    }
  })

  it("keep finished parts over a replay from the root", () => {
    const run = evaluate(`let x = builtins.trace "once" (get "a"); in x + get "b" + x`, texts("ab"), { kind: "unwinding" })
    assert.strictEqual(run.result, `"<a><b><a>"`)
    assert.deepStrictEqual(run.lines, ["trace: once"])
  })

  it("do not take a suspended thunk for infinite recursion", () => {
    const run = evaluate(`let x = get "a"; y = x + x; in "\${y}\${x}\${y}"`, texts("a"), { kind: "unwinding" })
    assert.strictEqual(run.result, `"<a><a><a><a><a>"`)
  })

  it("still find infinite recursion beside a suspended sibling", () => {
    const run = evaluate(`let x = get "a" + y; y = get "b" + x; in x`, texts("ab"), { kind: "unwinding" })
    assert.strictEqual(run.result, "error: infinite recursion encountered")
  })
})

/** Programs over far texts and imports, traces, errors and the places where evaluation may suspend. */
const generate = (next: () => number): { readonly text: string; readonly contents: Record<string, Content> } => {
  const contents: Record<string, Content> = {}
  let count = 0
  const pick = <A>(items: ReadonlyArray<A>): A => items[Math.floor(next() * items.length)] as A
  const leaf = (): string => {
    const name = `f${count++}`
    contents[name] = next() < 0.06 ? { text: "", failure: `${name} is gone` } : { text: `${name};` }
    return `(get "${name}")`
  }
  const expression = (depth: number): string => {
    if (depth <= 0) return next() < 0.7 ? leaf() : pick([`"lit"`, `x0`, `x1`, `(toString 7)`])
    const e = (): string => expression(depth - 1)
    switch (Math.floor(next() * 17)) {
      case 0:
        return `(${e()} + ${e()})`
      case 1:
        return `"\${${e()}}.\${${e()}}"`
      case 2:
        return `(builtins.concatStringsSep "," [ ${e()} ${e()} ${e()} ])`
      case 3: {
        const name = `m${count++}`
        const body = expression(depth - 1)
        contents[name] = { text: `{ get, load, x0, x1 }: ${body}` }
        return `(load "${name}" { inherit get load x0 x1; })`
      }
      case 4:
        return `(builtins.trace "t${count++}" ${e()})`
      case 5:
        return `(if builtins.stringLength ${e()} > ${Math.floor(next() * 9)} then ${e()} else ${e()})`
      case 6:
        return `(let x0 = ${e()}; x1 = x0 + ${e()}; in x1 + x0)`
      case 7:
        return `(builtins.foldl' (a: b: a + b) "" [ ${e()} ${e()} ])`
      case 8:
        return `(let r = builtins.tryEval ${e()}; in if r.success then r.value else builtins.trace "caught ${count++}" "caught")`
      case 9:
        return `(builtins.toJSON { a = ${e()}; b = [ ${e()} ]; })`
      case 10:
        return next() < 0.4 ? `(throw ${e()})` : e()
      case 11:
        return `(builtins.concatStringsSep "" (map (y: y + ${e()}) [ "p" ${e()} ]))`
      case 12:
        return `(builtins.deepSeq { p = ${e()}; q = ${e()}; } ${e()})`
      case 13:
        return `{ v = ${e()}; w = ${e()}; }.${pick(["v", "w"])}`
      case 14:
        return `(with { x0 = ${e()}; x1 = ${e()}; }; x0 + x1)`
      case 15:
        return `(builtins.addErrorContext "while" ${e()})`
      default:
        return `(builtins.concatStringsSep "|" (builtins.concatMap (y: [ y ${e()} ]) [ ${e()} ]))`
    }
  }
  const text = `let x0 = "zero"; x1 = ${leaf()}; in ${expression(4)}`
  return { text, contents }
}

describe("any order and time of answers", () => {
  const seeds = Number(process.env["YIX_SUSPENSION_SEEDS"] ?? 300)

  it(
    `gives the value, error and lines of a host that answers at once (${seeds} programs)`,
    () => {
      let errors = 0
      let suspended = 0
      for (let seed = 1; seed <= seeds; seed++) {
        const { text, contents } = generate(random(seed))
        const sync = evaluate(text, contents)
        if (sync.result.startsWith("error")) errors++
        const next = random(seed * 7919)
        const manners: ReadonlyArray<Manner> = [
          { kind: "blocking", next: (pending, timed) => (timed && next() < 0.5 ? undefined : Math.floor(next() * pending.length)) },
          { kind: "blocking", next: (pending, timed) => (timed ? undefined : Math.floor(next() * pending.length)) },
          { kind: "unwinding" }
        ]
        for (const manner of manners) {
          const run = evaluate(text, contents, manner, (n) => Math.floor(next() * n))
          const label = `seed ${seed}, ${manner.kind}: ${text}`
          assert.strictEqual(run.result, sync.result, label)
          // Siblings that an error overtook, be it one that was caught, may have shown lines already. No line comes more often than at once, none is missing.
          const times = (lines: ReadonlyArray<string>, line: string): number => lines.filter((l) => l === line).length
          assert.deepStrictEqual(
            sync.lines.filter((line) => !run.lines.includes(line)),
            [],
            label
          )
          if (!sync.result.startsWith("error") && !sync.lines.some((line) => line.startsWith("trace: caught"))) {
            assert.deepStrictEqual(
              run.lines.filter((line) => times(run.lines, line) > times(sync.lines, line)),
              [],
              label
            )
          }
          if (run.rounds > 1 || run.host.waits.length > 0) suspended++
        }
      }
      assert.isAbove(suspended, seeds)
      assert.isAbove(errors, 0)
    },
    Math.max(60_000, seeds * 100)
  )
})
