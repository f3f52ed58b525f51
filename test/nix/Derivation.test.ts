import { assert, describe, it } from "@effect/vitest"
import { atermLimit, parseDerivation, printDerivation } from "../../src/nix/Aterm.ts"
import { fromUnicode } from "../../src/nix/Bytes.ts"
import { kindOf } from "../../src/nix/Derivation.ts"
import type { Derivation, DerivationOutput } from "../../src/nix/Derivation.ts"
import { checkDerivation, drvPathOf, hashModulo, instantiate } from "../../src/nix/HashModulo.ts"
import type { HashModulo, Instantiated } from "../../src/nix/HashModulo.ts"
import * as StorePath from "../../src/nix/StorePath.ts"
import { describeVectors, random, thrown, vectorJson } from "./vectors.ts"

const none = (path: string): HashModulo => {
  throw new Error(`no input is known: ${path}`)
}

const draft = (name: string, change: Partial<Derivation> = {}): Derivation => ({
  name,
  outputs: new Map([["out", { path: "", hashAlgorithm: "", hash: "" }]]),
  inputDerivations: new Map(),
  inputSources: [],
  system: "s",
  builder: "b",
  args: [],
  env: new Map([
    ["builder", "b"],
    ["name", name],
    ["system", "s"]
  ]),
  ...change
})

const outputs = (...entries: ReadonlyArray<readonly [string, string, string]>) =>
  new Map<string, DerivationOutput>(entries.map(([name, hashAlgorithm, hash]) => [name, { path: "", hashAlgorithm, hash }]))

const env = (name: string, entries: Readonly<Record<string, string>>) =>
  new Map(Object.entries({ builder: "b", name, system: "s", ...entries }))

const store =
  (...known: ReadonlyArray<Instantiated>) =>
  (path: string): HashModulo => {
    const found = known.find((one) => one.drvPath === path)
    if (found === undefined) throw new Error(`unknown input ${path}`)
    return found.hashModulo()
  }

describeVectors("derivation vectors", () => {
  const all = Object.entries<any>(vectorJson("drvs/aterm.json")).filter(([key]) => key !== "_base")

  it("reads and prints every text unchanged, and its path follows from it", () => {
    assert.isAbove(all.length, 20)
    for (const [, one] of all) {
      const text = fromUnicode(one.aterm)
      const drvPath = StorePath.parseStorePath(one.drvPath)
      const derivation = parseDerivation(text, StorePath.derivationName(drvPath))
      assert.strictEqual(printDerivation(derivation), text)
      assert.strictEqual(drvPathOf(derivation, text), drvPath)
    }
  })

  it("computes the output paths of those without inputs, and of fixed ones", () => {
    let computed = 0
    for (const [key, one] of all) {
      const derivation = parseDerivation(fromUnicode(one.aterm), StorePath.derivationName(one.drvPath))
      if (derivation.inputDerivations.size > 0 && kindOf(derivation) !== "fixed") continue
      checkDerivation(derivation, none)
      const cleared = new Map([...derivation.outputs].map(([name, output]) => [name, { ...output, path: "" as const }]))
      const again = instantiate({ ...derivation, outputs: cleared }, none)
      assert.strictEqual(again.text, fromUnicode(one.aterm), key)
      assert.strictEqual(again.drvPath, one.drvPath, key)
      computed++
    }
    assert.isAbove(computed, 6)
  })
})

// All texts and paths of this block were made by Nix 2.34.8 (nix-instantiate with ca-derivations and impure-derivations).
describe("instantiating", () => {
  const a = instantiate(
    draft("a", {
      outputs: outputs(["out", "", ""], ["dev", "", ""]),
      env: env("a", { outputs: "out dev", [fromUnicode("é")]: fromUnicode('é"\\\n\t\r') })
    }),
    none
  )
  const sha256 = "0000000000000000000000000000000000000000000000000000000000000080"
  const sri = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA="
  const f = instantiate(
    draft("f", { outputs: outputs(["out", "r:sha256", sha256]), env: env("f", { outputHash: sri, outputHashMode: "recursive" }) }),
    none
  )
  const ca = instantiate(
    draft("ca", {
      outputs: outputs(["out", "r:sha256", ""], ["lib", "r:sha256", ""]),
      env: env("ca", { outputHashAlgo: "sha256", outputHashMode: "recursive", outputs: "out lib" })
    }),
    none
  )
  const impure = instantiate(
    draft("imp", {
      outputs: outputs(["out", "r:sha256", "impure"]),
      env: env("imp", { outputHashAlgo: "sha256", outputHashMode: "recursive" })
    }),
    none
  )
  const source = StorePath.parseStorePath("/nix/store/89hrlbrw4yg80jhw3pd9xg5rynjw7450-a.nix")
  const d = instantiate(
    draft("d", {
      inputDerivations: new Map([
        [ca.drvPath, ["out", "lib"]],
        [f.drvPath, ["out"]],
        [a.drvPath, ["out", "dev"]]
      ]),
      inputSources: [source],
      args: ["x", a.derivation.outputs.get("out")!.path, f.derivation.outputs.get("out")!.path, a.derivation.outputs.get("dev")!.path],
      env: env("d", {
        src: source,
        x: StorePath.unknownOutputPlaceholder(ca.drvPath, "out"),
        y: StorePath.unknownOutputPlaceholder(ca.drvPath, "lib")
      })
    }),
    store(a, f, ca)
  )

  it("gives outputs, text and path of a plain derivation with two outputs and odd bytes", () => {
    assert.strictEqual(a.drvPath, "/nix/store/2sgn06pi8ywbw7ggdn5mmx23p7zh62ln-a.drv")
    assert.strictEqual(a.derivation.outputs.get("dev")!.path, "/nix/store/rlgschp9v25k2wvnfaixw7j5ai1g5f49-a-dev")
    assert.strictEqual(a.derivation.outputs.get("out")!.path, "/nix/store/rdb0hjc5hwqs8gzb3vmwql4s4d4wx71g-a")
    assert.strictEqual(a.derivation.env.get("out"), "/nix/store/rdb0hjc5hwqs8gzb3vmwql4s4d4wx71g-a")
    assert.strictEqual(printDerivation(a.derivation), a.text)
  })

  it("gives fixed outputs their declared path", () => {
    assert.strictEqual(f.drvPath, "/nix/store/55iy1gzibafqk5rd7cm6vrnx5s5nca2k-f.drv")
    assert.strictEqual(f.derivation.env.get("out"), "/nix/store/h8vmc82r7xyjzwc6cn2qvdmqac15rl5h-f")
    const text = instantiate(
      draft("ftext", { outputs: outputs(["out", "text:sha256", sha256]), env: env("ftext", { outputHash: sri, outputHashMode: "text" }) }),
      none
    )
    assert.strictEqual(text.drvPath, "/nix/store/80b65y1c9fw2pxfyzpcas3kzqpw1g7wv-ftext.drv")
    assert.strictEqual(f.hashModulo(), hashModulo(f.derivation, none))
  })

  it("gives floating and impure outputs placeholders", () => {
    assert.strictEqual(ca.drvPath, "/nix/store/g1driw1rl09jpj482icgln2c7lkw5ra9-ca.drv")
    assert.strictEqual(ca.derivation.env.get("lib"), StorePath.placeholder("lib"))
    assert.strictEqual(impure.drvPath, "/nix/store/ipg5zcw5db6zvqpp6qs906x1ykkrlik8-imp.drv")
    assert.strictEqual(ca.hashModulo(), "deferred")
    assert.strictEqual(impure.hashModulo(), "deferred")
  })

  it("defers the outputs of what depends on a floating one, and of what depends on that", () => {
    assert.strictEqual(d.drvPath, "/nix/store/sh6k9qkb32zkxghac3rrncvvsjz6rxx7-d.drv")
    assert.strictEqual(d.derivation.outputs.get("out")!.path, "")
    assert.strictEqual(d.derivation.env.get("out"), "")
    assert.strictEqual(d.hashModulo(), "deferred")
    const dd = instantiate(
      draft("dd", {
        inputDerivations: new Map([[d.drvPath, ["out"]]]),
        env: env("dd", { d: StorePath.unknownOutputPlaceholder(d.drvPath, "out") })
      }),
      store(d)
    )
    assert.strictEqual(dd.drvPath, "/nix/store/w2jay49xaijhaxqd87d67hr71dr00i2j-dd.drv")
  })

  it("leaves structured attributes in __json alone and sets only the outputs beside it", () => {
    const json = '{"builder":"b","name":"st","q":[1,{"x":"/nix/store/rdb0hjc5hwqs8gzb3vmwql4s4d4wx71g-a"}],"system":"s"}'
    const st = instantiate(draft("st", { inputDerivations: new Map([[a.drvPath, ["out"]]]), env: new Map([["__json", json]]) }), store(a))
    assert.strictEqual(st.drvPath, "/nix/store/q2g0fgrrvggr62pwjyf4wh00sf3q7k99-st.drv")
    assert.strictEqual(st.derivation.env.get("out"), "/nix/store/ns8j69xxhbp50ybv2sivyipygdq41szm-st")
    assert.strictEqual(st.hashModulo(), hashModulo(st.derivation, store(a)))
  })

  it("merges inputs that count for the same", () => {
    // Two derivations that differ only in a fixed-output input's derivation (same hash, another URL), hence in path but not in hash-modulo.
    const fetch = (url: string) => instantiate(draft("f", { outputs: outputs(["out", "sha256", sha256]), env: env("f", { url }) }), none)
    const [one, two] = [fetch("http://one"), fetch("http://two")]
    assert.notStrictEqual(one.drvPath, two.drvPath)
    assert.strictEqual(one.hashModulo(), two.hashModulo())
    const middle = (input: Instantiated) =>
      instantiate(
        draft("m", {
          outputs: outputs(["out", "", ""], ["dev", "", ""]),
          inputDerivations: new Map([[input.drvPath, ["out"]]]),
          env: env("m", { src: input.derivation.env.get("out")! })
        }),
        store(one, two)
      )
    const [left, right] = [middle(one), middle(two)]
    assert.notStrictEqual(left.drvPath, right.drvPath)
    assert.deepStrictEqual(left.derivation.outputs, right.derivation.outputs)
    const top = (inputs: ReadonlyArray<readonly [Instantiated, ReadonlyArray<string>]>) =>
      instantiate(
        draft("t", { inputDerivations: new Map(inputs.map(([input, names]) => [input.drvPath, names])) }),
        store(left, right)
      ).derivation.env.get("out")
    assert.strictEqual(
      top([
        [left, ["out"]],
        [right, ["dev"]]
      ]),
      top([[left, ["dev", "out"]]])
    )
    assert.strictEqual(
      top([
        [left, ["dev"]],
        [right, ["dev", "out"]]
      ]),
      top([[right, ["out", "dev"]]])
    )
    assert.notStrictEqual(
      top([
        [left, ["out"]],
        [right, ["dev"]]
      ]),
      top([[left, ["out"]]])
    )
  })

  it("merges inputs that count for the same as Nix 2.8 and 2.34.8 do", () => {
    const fetch = (url: string) =>
      instantiate(
        draft("f", { outputs: outputs(["out", "sha256", sha256]), env: env("f", { outputHash: sha256, outputHashAlgo: "sha256", url }) }),
        none
      )
    const sources = [fetch("one"), fetch("two")]
    const [left, right] = sources.map((source) =>
      instantiate(
        draft("m", {
          outputs: outputs(["out", "", ""], ["dev", "", ""]),
          inputDerivations: new Map([[source.drvPath, ["out"]]]),
          env: env("m", { outputs: "out dev", src: source.derivation.env.get("out")! })
        }),
        store(...sources)
      )
    ) as [Instantiated, Instantiated]
    const path = (from: Instantiated, output: string) => from.derivation.outputs.get(output)!.path
    const top = instantiate(
      draft("t", {
        inputDerivations: new Map([
          [left.drvPath, ["out"]],
          [right.drvPath, ["dev"]]
        ]),
        env: env("t", { a: path(left, "out"), b: path(right, "dev") })
      }),
      store(left, right)
    )
    assert.strictEqual(path(left, "out"), "/nix/store/5ncn3igznblz2mqrk8ymg2x77gq2z7i7-m")
    assert.strictEqual(top.drvPath, "/nix/store/qzx3w8dxq0y7mwwqm7dg86ia71xjywx1-t.drv")
    assert.strictEqual(path(top, "out"), "/nix/store/giz16nwv4zaml1rz25gadkd2il8zixhp-t")
  })

  it("does not look at paths and variables that the draft has already", () => {
    const dirty = { ...a.derivation, env: new Map([...a.derivation.env, ["out", "nonsense"], ["dev", ""]]) }
    assert.strictEqual(instantiate(dirty, none).text, a.text)
  })

  it("refuses names that make no store path", () => {
    assert.strictEqual(thrown(() => instantiate(draft("a b"), none))._tag, "StorePathError")
    assert.strictEqual(thrown(() => instantiate(draft("a".repeat(208)), none))._tag, "StorePathError")
    instantiate(draft("a".repeat(207)), none)
  })

  it("refuses outputs that do not go together", () => {
    const refuse = (problem: string, ...entries: ReadonlyArray<readonly [string, string, string]>) => {
      const error = thrown(() => instantiate(draft("x", { outputs: outputs(...entries) }), none))
      assert.strictEqual(error._tag, "DerivationError")
      assert.strictEqual(error.problem.kind, problem)
    }
    refuse("no-outputs")
    refuse("mixed-outputs", ["out", "", ""], ["dev", "sha256", ""])
    refuse("several-fixed-outputs", ["out", "sha256", sha256], ["dev", "sha256", sha256])
    refuse("fixed-output-name", ["lib", "sha256", sha256])
    refuse("different-algorithms", ["out", "sha256", ""], ["dev", "r:sha512", ""])
    refuse("output-algorithm", ["out", "x:sha256", sha256])
    refuse("output-algorithm", ["out", "sha3", sha256])
    refuse("output-hash", ["out", "sha256", "00"])
    refuse("output-hash", ["out", "sha256", "zz".repeat(32)])
  })
})

describe("checking a derivation", () => {
  const good = instantiate(draft("x"), none).derivation
  const other = StorePath.parseStorePath("/nix/store/rlgschp9v25k2wvnfaixw7j5ai1g5f49-x")

  it("accepts what it made itself", () => checkDerivation(good, none))

  it("refuses another output path, even where the variable agrees", () => {
    const bad = {
      ...good,
      outputs: new Map([["out", { ...good.outputs.get("out")!, path: other }]]),
      env: new Map([...good.env, ["out", other]])
    }
    assert.strictEqual(thrown(() => checkDerivation(bad, none)).problem.kind, "incorrect-output")
  })

  it("refuses a variable that is missing or another", () => {
    assert.strictEqual(
      thrown(() => checkDerivation({ ...good, env: new Map([...good.env, ["out", other]]) }, none)).problem.kind,
      "incorrect-variable"
    )
    const without = new Map(good.env)
    without.delete("out")
    assert.strictEqual(thrown(() => checkDerivation({ ...good, env: without }, none)).problem.kind, "missing-variable")
  })
})

describe("the text of a derivation", () => {
  const drv = "/nix/store/2sgn06pi8ywbw7ggdn5mmx23p7zh62ln-a.drv"
  const fail = (text: string) => {
    const error = thrown(() => parseDerivation(text, "x"))
    assert.strictEqual(error._tag, "AtermError", error.message)
    return error as { readonly offset: number; readonly problem: string; readonly message: string }
  }

  it("reads back what it prints, for any bytes", () => {
    const { below, pick, text } = random(6)
    const special = ['"', "\\", "\n", "\r", "\t", "\0", "\xff", "\\n", '\\"', "a", "$", "${"]
    const any = () => (below(2) === 0 ? text(below(12)) : Array.from({ length: below(6) }, () => pick(special)).join(""))
    for (let i = 0; i < 400; i++) {
      const derivation: Derivation = {
        name: "x",
        outputs: new Map(
          Array.from({ length: 1 + below(3) }, (_, at) => [
            `${any()}${at}`,
            { path: StorePath.parseStorePath(drv), hashAlgorithm: "", hash: "" }
          ])
        ),
        inputDerivations: new Map(
          Array.from({ length: below(4) }, (_, at) => [StorePath.fromBaseName(`${"0123"[at]!.repeat(32)}-x.drv`), [`a${at}`, `b${any()}`]])
        ),
        inputSources: Array.from({ length: below(4) }, (_, at) => StorePath.fromBaseName(`${"0123"[at]!.repeat(32)}-x`)),
        system: any(),
        builder: any(),
        args: Array.from({ length: below(4) }, any),
        env: new Map(Array.from({ length: below(8) }, () => [any(), any()]))
      }
      const printed = printDerivation(derivation)
      const parsed = parseDerivation(printed, "x")
      assert.strictEqual(printDerivation(parsed), printed)
      assert.deepStrictEqual(new Map([...parsed.env].sort()), new Map([...derivation.env].sort()))
      assert.deepStrictEqual(parsed.args, derivation.args)
      assert.strictEqual(parsed.system, derivation.system)
      const bytes = Uint8Array.from(printed, (character) => character.charCodeAt(0))
      assert.strictEqual(printDerivation(parseDerivation(bytes, "x")), printed)
    }
  })

  it("is sorted in print, whatever the order of the maps", () => {
    const text = `Derive([("out","${drv}","","")],[],[],"s","b",[],[("b","2"),("a","1")])`
    assert.strictEqual(
      printDerivation(parseDerivation(text, "x")),
      `Derive([("out","${drv}","","")],[],[],"s","b",[],[("a","1"),("b","2")])`
    )
  })

  it("names the byte where it goes wrong", () => {
    const text = `Derive([("out","${drv}","","")],[],[],"s","b",[],[("a","1")])`
    parseDerivation(text, "x")
    for (let cut = 0; cut < text.length; cut++) {
      const error = fail(text.slice(0, cut))
      assert.isAtMost(error.offset, cut)
      assert.isAtLeast(error.offset, 0)
    }
    assert.strictEqual(fail("").message, "error parsing derivation 'x' at byte 0: expected string 'Derive(['")
    assert.strictEqual(fail(`${text} `).offset, text.length)
    assert.strictEqual(fail(text.replace('"s"', "'s'")).offset, text.indexOf('"s"'))
    assert.strictEqual(fail(text.replace(`"${drv}"`, '"/tmp/x"')).offset, text.indexOf(`"${drv}"`))
    assert.strictEqual(fail(text.replace("[],[]", "[] ,[]")).offset, text.indexOf("[],[]") + 2)
    assert.include(fail('DrvWithVersion("xp-dyn-drv",[])').problem, "dynamic")
  })

  it("survives any change of one byte: an error of ours, or a derivation", () => {
    const text = `Derive([("out","${drv}","r:sha256","${"0".repeat(64)}")],[("${drv}",["out"])],["${drv}"],"s","b",["a\\n"],[("a","1")])`
    parseDerivation(text, "x")
    for (let at = 0; at < text.length; at++) {
      for (const change of ["", '"', "\\", "(", "]", ",", "\0", "0"]) {
        const changed = text.slice(0, at) + change + text.slice(at + 1)
        try {
          parseDerivation(changed, "x")
        } catch (error) {
          assert.include(["AtermError", "DerivationError"], (error as { _tag?: string })._tag)
        }
      }
    }
  })

  it("refuses entries that occur twice", () => {
    const make = (part: { outputs?: string; inputs?: string; sources?: string; env?: string }) =>
      `Derive([${part.outputs ?? `("out","","","")`}],[${part.inputs ?? ""}],[${part.sources ?? ""}],"s","b",[],[${part.env ?? ""}])`
    parseDerivation(make({}), "x")
    assert.include(fail(make({ outputs: '("out","","",""),("out","","","")' })).problem, "twice")
    assert.include(fail(make({ inputs: `("${drv}",["out"]),("${drv}",["dev"])` })).problem, "twice")
    assert.include(fail(make({ inputs: `("${drv}",["out","out"])` })).problem, "twice")
    assert.include(fail(make({ sources: `"${drv}","${drv}"` })).problem, "twice")
    assert.include(fail(make({ env: '("a","1"),("a","1")' })).problem, "twice")
  })

  it("refuses outputs whose fields contradict each other", () => {
    const make = (output: string) => `Derive([${output}],[],[],"s","b",[],[])`
    const hash = "0".repeat(64)
    parseDerivation(make(`("out","${drv}","sha256","${hash}")`), "x")
    for (const output of [
      `("out","","sha256","${hash}")`,
      `("out","${drv}","sha256","")`,
      `("out","${drv}","sha256","impure")`,
      `("out","${drv}","","${hash}")`,
      `("out","${drv}","sha256","${hash}00")`,
      `("out","${drv}","sha257","${hash}")`,
      `("out","${drv}","x:sha256","${hash}")`,
      `("out","${drv}/bin","","")`
    ]) {
      assert.strictEqual(fail(make(output)).offset >= 8, true, output)
    }
    assert.strictEqual(thrown(() => parseDerivation(make(""), "x"))._tag, "DerivationError")
  })

  it("refuses inputs that are no derivations, and texts beyond the limit", () => {
    assert.include(fail(`Derive([("out","","","")],[("${drv.slice(0, -4)}",["out"])],[],"s","b",[],[])`).problem, "no derivation")
    assert.include(fail("x".repeat(atermLimit + 1)).problem, "bytes")
  })

  it("takes a long text with many escapes in one pass", () => {
    const long = 'a"\\\n'.repeat(500_000)
    const derivation = draft("x", {
      env: new Map([
        ["long", long],
        ["z", "plain".repeat(100_000)]
      ])
    })
    const start = performance.now()
    assert.strictEqual(parseDerivation(printDerivation(derivation), "x").env.get("long"), long)
    assert.isBelow(performance.now() - start, 5000)
  })
})
