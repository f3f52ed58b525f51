import { assert, describe, it } from "@effect/vitest"
import { parseDerivation } from "../../src/nix/Aterm.ts"
import { fromUnicode } from "../../src/nix/Bytes.ts"
import { printDerivations } from "../../src/nix/DerivationJson.ts"
import { hashModulo, instantiate } from "../../src/nix/HashModulo.ts"
import type { HashModulo } from "../../src/nix/HashModulo.ts"
import { NarLister, printListing } from "../../src/nix/NarListing.ts"
import { renderNar } from "../../src/nix/NarTree.ts"
import { derivationName, parseStorePath } from "../../src/nix/StorePath.ts"
import type { StorePath } from "../../src/nix/StorePath.ts"
import { describeVectors, thrown, vectorJson, vectorText } from "./vectors.ts"

const show = (text: string, drvPath: string, form: "2.34" | "2.8" = "2.34", indent = 0): string => {
  const path = parseStorePath(drvPath)
  return printDerivations(new Map([[path, parseDerivation(fromUnicode(text), derivationName(path))]]), form, indent)
}

// Made by Nix 2.34.8 (`nix derivation show`).
describe("the JSON of a derivation", () => {
  const minimal = `Derive([("out","","r:sha256","impure")],[],[],"s","b",[],[("10","a"),("2","b"),("name","imp")])`
  const drvPath = "/nix/store/ipg5zcw5db6zvqpp6qs906x1ykkrlik8-imp.drv"

  it("shows floating, impure and deferred outputs", () => {
    const outputs = (fields: string) =>
      JSON.parse(show(`Derive([("out",${fields})],[],[],"s","b",[],[])`, drvPath)).derivations[drvPath.slice(11)].outputs
    assert.deepStrictEqual(outputs('"","r:sha256","impure"'), { out: { hashAlgo: "sha256", impure: true, method: "nar" } })
    assert.deepStrictEqual(outputs('"","text:sha256",""'), { out: { hashAlgo: "sha256", method: "text" } })
    assert.deepStrictEqual(outputs('"","",""'), { out: {} })
    assert.deepStrictEqual(outputs('"/nix/store/qzpxba7wac6scqc631gwv0z1kdywbh4y-fs","sha1","da39a3ee5e6b4b0d3255bfef95601890afd80709"'), {
      out: { hash: "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", method: "flat" }
    })
  })

  it("keeps the order of bytes, which JavaScript objects would not", () => {
    assert.include(show(minimal, drvPath), '"env":{"10":"a","2":"b","name":"imp"}')
  })

  it("shows structured attributes as they are, numbers and order included", () => {
    const json = '{"10":1.0,"2":{},"a":[],"b":[1e20,-0.0,12345678901234567890],"s":"x{\\"[: ,"}'
    const text = `Derive([("out","","","")],[],[],"s","b",[],[("__json",${JSON.stringify(json)}),("out","")])`
    const shown = show(text, drvPath)
    assert.include(shown, `"structuredAttrs":${json}`)
    assert.notInclude(shown, "__json")
    assert.include(
      show(text, drvPath, "2.34", 2),
      `      "structuredAttrs": {\n        "10": 1.0,\n        "2": {},\n        "a": [],\n        "b": [\n          1e20,\n          -0.0,\n          12345678901234567890\n        ],\n        "s": "x{\\"[: ,"\n      },`
    )
    assert.include(show(text.replace('{\\"10', '!{\\"10'), drvPath), '"env":{"__json":"!{')
  })
})

describeVectors("derivation JSON vectors", () => {
  const queries = vectorJson("store/queries.json")
  const texts: Readonly<Record<string, string>> = queries.aterm

  it("are those of Nix 2.34 and of Nix 2.8", () => {
    let shown = 0
    for (const [drvPath, text] of Object.entries(texts)) {
      const old = queries.showDerivation28[drvPath]
      const now = queries.derivationShow234.derivations[drvPath.slice("/nix/store/".length)]
      if (old !== undefined) {
        assert.deepStrictEqual(JSON.parse(show(text, drvPath, "2.8")), { [drvPath]: old })
        assert.strictEqual(show(text, drvPath, "2.8", 2), JSON.stringify({ [drvPath]: old }, undefined, 2))
        shown++
      }
      if (now !== undefined) {
        const expected = { derivations: { [drvPath.slice("/nix/store/".length)]: now }, version: 4 }
        assert.deepStrictEqual(JSON.parse(show(text, drvPath)), expected)
        assert.strictEqual(show(text, drvPath, "2.34", 2), JSON.stringify(expected, undefined, 2))
        shown++
      }
    }
    assert.isAbove(shown, 4)
    for (const [key, one] of Object.entries<any>(vectorJson("drvs/aterm.json"))) {
      if (key === "_base") continue
      assert.deepStrictEqual(JSON.parse(show(one.aterm, one.drvPath, "2.8")), { [one.drvPath]: one.json })
    }
  })

  it("of a closure give every output path from the ground up", () => {
    const derivations = new Map(
      Object.entries(texts).map(([drvPath, text]) => {
        const path = parseStorePath(drvPath)
        return [path, parseDerivation(fromUnicode(text), derivationName(path))] as const
      })
    )
    const known = new Map<StorePath, HashModulo>()
    const lookup = (path: StorePath): HashModulo => {
      let found = known.get(path)
      if (found === undefined) {
        found = hashModulo(derivations.get(path)!, lookup)
        known.set(path, found)
      }
      return found
    }
    let withInputs = 0
    for (const [path, derivation] of derivations) {
      const cleared = new Map([...derivation.outputs].map(([name, output]) => [name, { ...output, path: "" as const }]))
      const again = instantiate({ ...derivation, outputs: cleared }, lookup)
      assert.deepStrictEqual(again.derivation.outputs, derivation.outputs)
      assert.strictEqual(again.drvPath, path)
      assert.strictEqual(again.hashModulo(), lookup(path))
      if (derivation.inputDerivations.size > 0) withInputs++
    }
    assert.isAbove(withInputs, 1)
  })
})

describe("the listing of a NAR", () => {
  const list = (bytes: Uint8Array, step: number): string => {
    const lister = new NarLister()
    for (let at = 0; at < bytes.length; at += step) lister.push(bytes.subarray(at, at + step))
    return printListing(lister.end())
  }

  it("is the one Nix 2.34.8 writes, however the NAR is cut", () => {
    const file = (text: string, executable = false) => ({ _tag: "File", executable, contents: new TextEncoder().encode(text) }) as const
    const bytes = renderNar({
      _tag: "Directory",
      entries: [
        { name: "d", node: { _tag: "Directory", entries: [{ name: "x", node: file("#!", true) }] } },
        { name: "empty", node: file("") },
        { name: "f", node: file("hi\n") },
        { name: "l", node: { _tag: "Symlink", target: "f" } }
      ]
    })
    const expected =
      '{"root":{"entries":{"d":{"entries":{"x":{"executable":true,"narOffset":400,"size":2,"type":"regular"}},"type":"directory"},"empty":{"narOffset":624,"size":0,"type":"regular"},"f":{"narOffset":808,"size":3,"type":"regular"},"l":{"target":"f","type":"symlink"}},"type":"directory"},"version":1}'
    for (const step of [1, 13, bytes.length]) assert.strictEqual(list(bytes, step), expected)
    assert.strictEqual(thrown(() => list(bytes.subarray(0, 500), 100)).problem.kind, "truncated")
  })
})

describeVectors("listing vectors", () => {
  it("are those of the cache", () => {
    for (const one of vectorJson("store/signatures.json").cases) {
      const recorded = JSON.parse(vectorText(`store/cache-listing/${one.file.replace("narinfo", "ls")}`))
      const info = /^NarSize: (.*)$/m.exec(one.narinfo)!
      const lister = new NarLister(Number(info[1]))
      const contents = new Uint8Array(recorded.root.size)
      lister.push(renderNar({ _tag: "File", executable: false, contents }))
      assert.deepStrictEqual(JSON.parse(printListing(lister.end())), recorded)
    }
  })
})
