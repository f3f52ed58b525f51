import { assert, describe, it } from "@effect/vitest"
import * as Base16 from "../../src/nix/Base16.ts"
import * as Base64 from "../../src/nix/Base64.ts"
import { toBytes } from "../../src/nix/Bytes.ts"
import { hash } from "../../src/nix/Crypto.ts"
import * as Hash from "../../src/nix/Hash.ts"
import * as StorePath from "../../src/nix/StorePath.ts"
import { describeVectors, thrown, vectorLines } from "./vectors.ts"

const part = "2sgn06pi8ywbw7ggdn5mmx23p7zh62ln"
const path = `/nix/store/${part}-a-1.0`
const failure = (action: () => unknown): string => {
  const error = thrown(action)
  assert.strictEqual(error._tag, "StorePathError")
  return error.message
}

describe("a store path", () => {
  it("is taken apart and put together", () => {
    const parsed = StorePath.parseStorePath(path)
    assert.strictEqual(StorePath.hashPart(parsed), part)
    assert.strictEqual(StorePath.nameOf(parsed), "a-1.0")
    assert.strictEqual(StorePath.baseName(parsed), `${part}-a-1.0`)
    assert.strictEqual(StorePath.fromDigestAndName(StorePath.digestOf(parsed), "a-1.0"), parsed)
    assert.strictEqual(StorePath.fromHashPartAndName(part, "a-1.0"), parsed)
    assert.deepStrictEqual(StorePath.splitStorePath(`${path}/bin/x`), { storePath: parsed, rest: "/bin/x" })
    assert.deepStrictEqual(StorePath.splitStorePath(path), { storePath: parsed, rest: "" })
    assert.isTrue(StorePath.isStorePath(path))
  })

  it("is refused where it is not exactly one", () => {
    const refused = [
      "",
      "/",
      "/nix/store",
      "/nix/store/",
      "/nix/storeX",
      `/nix/store/${part}`,
      `/nix/store/${part}-`,
      `${path}/`,
      `${path}/x`,
      `/gnu/store/${part}-a`
    ]
    for (const text of refused) {
      assert.isFalse(StorePath.isStorePath(text), text)
      thrown(() => StorePath.parseStorePath(text))
    }
  })

  // Messages recorded from Nix 2.34.8.
  it("is refused in Nix's words", () => {
    assert.strictEqual(
      failure(() => StorePath.parseStorePath("/nix/store/abc")),
      "'abc' is too short to be a valid store path"
    )
    assert.strictEqual(
      failure(() => StorePath.parseStorePath("/nix/store/abce0000000000000000000000000000-x")),
      "store path 'abce0000000000000000000000000000-x' contains illegal base-32 character 'e'"
    )
    assert.strictEqual(
      failure(() => StorePath.parseStorePath(`/nix/store/${part}-`)),
      `path '${part}-' is not a valid store path: name must not be empty`
    )
    assert.strictEqual(
      failure(() => StorePath.parseStorePath("/nix/store")),
      "path '/nix/store' is not in the Nix store"
    )
    const long = "a".repeat(212)
    assert.strictEqual(
      failure(() => StorePath.makeText(long, new Uint8Array(32))).replace(/path '.{32}/, "path '"),
      `path '-${long}' is not a valid store path: name '${long}' must be no longer than 211 characters`
    )
  })

  it("has a name of 1 to 211 characters of Nix's alphabet that does not begin like a relative path", () => {
    for (const name of ["a", "A0+-._?=", ".x", "..x", "...", ".a-", "-", "a".repeat(211)]) {
      assert.isTrue(StorePath.isName(name), name)
      StorePath.checkName(name)
    }
    assert.strictEqual(
      failure(() => StorePath.checkName("")),
      "name must not be empty"
    )
    assert.strictEqual(
      failure(() => StorePath.checkName(".")),
      "name '.' is not valid"
    )
    assert.strictEqual(
      failure(() => StorePath.checkName("..")),
      "name '..' is not valid"
    )
    assert.strictEqual(
      failure(() => StorePath.checkName(".-a")),
      "name '.-a' is not valid: first dash-separated component must not be '.'"
    )
    assert.strictEqual(
      failure(() => StorePath.checkName("..-a")),
      "name '..-a' is not valid: first dash-separated component must not be '..'"
    )
    assert.strictEqual(
      failure(() => StorePath.checkName("a b")),
      "name 'a b' contains illegal character ' '"
    )
    for (const name of ["a\n", "a/b", "a\0", "a~", "a:", "aé", "a".repeat(212)]) assert.isFalse(StorePath.isName(name), name)
  })

  it("knows derivations", () => {
    const drv = StorePath.parseStorePath(`/nix/store/${part}-a.drv`)
    assert.isTrue(StorePath.isDerivationPath(drv))
    assert.strictEqual(StorePath.derivationName(drv), "a")
    assert.strictEqual(
      failure(() => StorePath.derivationName(StorePath.parseStorePath(path))),
      `store path '${part}-a-1.0' is not a valid derivation path`
    )
  })
})

describe("computing store paths", () => {
  const fixed = (name: string, method: StorePath.IngestionMethod, text: string) =>
    StorePath.makeFixedOutput(name, method, Hash.parseHash(text))

  it("folds digests", () => {
    assert.deepStrictEqual(StorePath.compress(Uint8Array.of(1, 2, 4, 8, 16), 2), Uint8Array.of(1 ^ 4 ^ 16, 2 ^ 8))
    assert.strictEqual(StorePath.compress(new Uint8Array(32)).length, 20)
  })

  // From the fetch vectors of the shared reference, anchors.md §4.6; the last is `builtins.toFile`, recorded from Nix 2.34.8.
  it("gives the paths of fixed outputs", () => {
    assert.strictEqual(
      fixed("fs", "flat", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"),
      "/nix/store/qzpxba7wac6scqc631gwv0z1kdywbh4y-fs"
    )
    assert.strictEqual(
      fixed("f", "recursive", "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA="),
      "/nix/store/h8vmc82r7xyjzwc6cn2qvdmqac15rl5h-f"
    )
    assert.strictEqual(
      fixed("ftext", "text", "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA="),
      "/nix/store/6pi4dfwhfjpm3aifyhxzivfzd4hd1vkx-ftext"
    )
    const name = "a".repeat(211)
    assert.strictEqual(StorePath.makeText(name, hash("sha256", new Uint8Array(0))), `/nix/store/7hnihrfgzzigydwlnki7lix2q25rd4aq-${name}`)
  })

  it("gives texts their path, references in any order", () => {
    // `builtins.toFile` of Nix 2.34.8.
    const text = (name: string, content: string, references: ReadonlyArray<StorePath.StorePath> = []) =>
      StorePath.makeText(name, hash("sha256", toBytes(content)), references)
    const a = text("a", "x")
    const b = text("b", "y")
    assert.strictEqual(a, "/nix/store/12wigjpizrn8axaqxj288q1b751qmwya-a")
    assert.strictEqual(b, "/nix/store/qg27jl1a4rz2d537q07bkmvx015ynlls-b")
    for (const references of [
      [a, b],
      [b, a],
      [b, a, b]
    ]) {
      assert.strictEqual(text("t", `x ${a} ${b}`, references), "/nix/store/f618flnb8h4m93vnv99cxqjw4vhn9zsd-t")
    }
    assert.strictEqual(text("t", `x ${b}`, [b]), "/nix/store/srbhd3a9bxpkfrmysgjqxz3swzbprbpm-t")
  })

  it("gives placeholders", () => {
    // From derivations that Nix 2.34.8 instantiated with ca-derivations and dynamic-derivations.
    assert.strictEqual(StorePath.placeholder("out"), "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9")
    assert.strictEqual(StorePath.placeholder("lib"), "/0sra2y18lr3h6j58qjm0w46yv36h1wjmilb09n8aimdpivdymscx")
    const ca = StorePath.parseStorePath("/nix/store/g1driw1rl09jpj482icgln2c7lkw5ra9-ca.drv")
    assert.strictEqual(StorePath.unknownOutputPlaceholder(ca, "out"), "/1lpc8171n1fzawqzkhvmzqv63wnj4xr7vkn3yl5y1z2fk983nw7r")
    assert.strictEqual(StorePath.unknownOutputPlaceholder(ca, "lib"), "/02girnwj2q4n126kfb7myh8dmqjhc2izfkmmi2zd7h09x20ky8v6")
    const text = StorePath.parseStorePath("/nix/store/f6g6v9k7cxmcq8mfm1xbqll1w06swrp1-tx.drv.drv")
    const inner = StorePath.unknownOutputPlaceholder(text, "out")
    assert.strictEqual(StorePath.computedOutputPlaceholder(inner, "out"), "/1ajbjn1b7zpp34gwnkkhwf3hz6vi6q4fiplrfmphc1i8p5ckz4ml")
  })
})

describeVectors("store path vectors", () => {
  it("gives every tree the path that Nix adds it under, for all algorithms and both methods", () => {
    const cases = vectorLines("store/nar.jsonl")
    assert.isAbove(cases.length, 10)
    let fixedPaths = 0
    for (const one of cases) {
      assert.strictEqual(StorePath.makeSource(one.name, Base16.decode(one.narSha256)!), one.add)
      for (const [algorithm, expected] of Object.entries(one.addFixedRecursive)) {
        const digest = one.hashPath[algorithm]
        if (digest === undefined) continue
        const content = Hash.parseHash(digest, Hash.parseAlgorithm(algorithm))
        assert.strictEqual(StorePath.makeFixedOutput(one.name, "recursive", content), expected)
        fixedPaths++
      }
      if (one.tree.type !== "regular") continue
      const contents = Base64.decode(one.tree.contents)!
      for (const [algorithm, expected] of Object.entries(one.addFixed ?? {})) {
        const content = Hash.hashBytes(Hash.parseAlgorithm(algorithm), contents)
        assert.strictEqual(StorePath.makeFixedOutput(one.name, "flat", content), expected)
        fixedPaths++
      }
    }
    assert.isAbove(fixedPaths, 30)
  })
})
