/**
 * Evaluation over a store of syntax trees is evaluation without one: values, errors, places and warnings.
 */
import * as fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import type { SyntaxPlace, SyntaxStore } from "../../src/eval/SyntaxStore.ts"
import type { ByteString } from "../../src/nix/Bytes.ts"
import { fromUnicode } from "../../src/nix/Bytes.ts"
import type { EvaluationJob } from "../../src/realise/Evaluation.ts"
import { prepare } from "../../src/realise/EvaluationRun.ts"
import type { RunResult } from "../../src/realise/EvaluationRun.ts"
import { file, job } from "../../src/realise/Jobs.ts"
import { fileOf } from "../fuzz/Cases.ts"
import { program } from "../fuzz/EvalGenerator.ts"
import { Random } from "../fuzz/Random.ts"
import { text } from "../fuzz/SyntaxGenerator.ts"
import { accepted } from "../lang/GrammarTable.ts"
import { FakeHost } from "./FakeHost.ts"

class MemoryStore implements SyntaxStore {
  readonly kept = new Map<string, Uint8Array>()
  hits = 0

  place(source: ByteString, variant: string): SyntaxPlace {
    const key = `${variant}\n${source}`
    const bytes = this.kept.get(key)
    if (bytes !== undefined) this.hits++
    return { bytes, keep: (encode) => void this.kept.set(key, encode()) }
  }
}

class StoringHost extends FakeHost {
  readonly syntax: SyntaxStore | undefined

  constructor(files: Record<string, ByteString>, syntax: SyntaxStore | undefined) {
    super({}, { kind: "at-once" }, files)
    this.syntax = syntax
  }
}

const evaluate = (files: Record<string, ByteString>, store: SyntaxStore | undefined, more: Partial<EvaluationJob> = {}) => {
  const host = new StoringHost(files, store)
  const mode = { kind: "print", strict: true, format: "nix" } as const
  const result = prepare(job(file("/p/a.nix"), mode, { showTrace: true, readOnly: true, maxCallDepth: 500, ...more }), host).step()
  return { result, lines: host.lines }
}

/** The result without a store, which must also be what an empty one and a filled one give. */
const same = (files: Record<string, ByteString>, more: Partial<EvaluationJob> = {}): RunResult => {
  const store = new MemoryStore()
  const plain = evaluate(files, undefined, more)
  assert.deepStrictEqual(evaluate(files, store, more), plain)
  const parsed = store.kept.size
  assert.deepStrictEqual(evaluate(files, store, more), plain)
  assert.strictEqual(store.kept.size, parsed, "what was found is not kept again")
  if (parsed > 0) assert.isAbove(store.hits, 0)
  return plain.result!
}

const words = (result: RunResult): string => (result._tag === "Failed" ? result.rendered : JSON.stringify(result))

describe("a store of syntax trees", () => {
  it("changes nothing about random programs, right and wrong ones", () => {
    let failed = 0
    for (let i = 0; i < 150; i++) {
      const random = new Random(`stored programs ${i}`)
      if (same({ "/p/a.nix": fileOf(program(random)) })._tag === "Failed") failed++
      same({ "/p/a.nix": text(random) })
    }
    assert.isAbove(failed, 5)
    assert.isBelow(failed, 145)
  })

  it("changes nothing about the grammar and the examples", () => {
    for (const [source] of Object.values(accepted).flat()) same({ "/p/a.nix": source })
    const folder = new URL("../../examples/", import.meta.url)
    const examples = fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".nix"))
    assert.isAbove(examples.length, 1)
    for (const name of examples) same({ "/p/a.nix": fs.readFileSync(new URL(name, folder), "latin1") })
  })

  it("keeps places, of errors and of attributes", () => {
    const files = {
      "/p/a.nix": `{ a = builtins.unsafeGetAttrPos "b" (import ./b.nix);\n  c = (import ./b.nix).d; }`,
      "/p/b.nix": `{\n b = 1; d = throw "no"; }`
    }
    const result = words(same(files))
    assert.include(result, "/p/b.nix:2:13")
    assert.include(result, "/p/a.nix:2")
  })

  it("holds trees for each set of rules of the language", () => {
    const store = new MemoryStore()
    const files = { "/p/a.nix": "1 |> (x: x + 1)" }
    assert.include(words(evaluate(files, store, { features: ["pipe-operators"] }).result!), "2")
    assert.include(words(evaluate(files, store).result!), "pipe-operators")
  })

  it("lets lints see every literal, each time", () => {
    const lints = { urlLiterals: "warn", shortPathLiterals: "ignore", absolutePathLiterals: "ignore" } as const
    const files = { "/p/a.nix": "http://example.org/x" }
    const store = new MemoryStore()
    evaluate(files, store)
    const told = evaluate(files, store, { lints }).lines
    assert.isAbove(told.length, 0)
    assert.deepStrictEqual(evaluate(files, store, { lints }).lines, told)
  })

  it("does not make variables known that were so in another scope only", () => {
    const store = new MemoryStore()
    const scoped = { "/p/a.nix": "builtins.scopedImport { given = 7; } ./b.nix", "/p/b.nix": "[ given true ]" }
    assert.include(words(evaluate(scoped, store).result!), "7")
    const plain = { "/p/a.nix": "import ./b.nix", "/p/b.nix": "[ given true ]" }
    const result = evaluate(plain, store)
    assert.include(words(result.result!), "undefined variable 'given'")
    assert.deepStrictEqual(result, evaluate(plain, undefined))
  })

  it("is not believed when it gives something else than was kept", () => {
    const source = fromUnicode(`{ a = [ 1 2 "drei" ]; }`)
    const kept = new MemoryStore()
    evaluate({ "/p/a.nix": source }, kept)
    const [key, bytes] = [...kept.kept][0]!
    const plain = evaluate({ "/p/a.nix": source }, undefined)
    for (let i = 0; i < bytes.length; i++) {
      const wrong = bytes.slice()
      wrong[i]! ^= 1
      const store = new MemoryStore()
      store.kept.set(key, wrong)
      assert.deepStrictEqual(evaluate({ "/p/a.nix": source }, store), plain)
      assert.deepStrictEqual(store.kept.get(key), bytes, "it is kept anew")
    }
  })
})
