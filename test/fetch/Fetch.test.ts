import "../castore/crypto.ts"
import { assert, describe, it } from "@effect/vitest"
import { contentAddress, type Fetch, fetchKey, fromDerivation, storePathOf, UnclearFetch } from "../../src/fetch/Fetch.ts"
import { parseDerivation } from "../../src/nix/Aterm.ts"
import type { Derivation } from "../../src/nix/Derivation.ts"
import { hashBytes, parseHash } from "../../src/nix/Hash.ts"
import { fromUnicode, toBytes } from "../../src/nix/Bytes.ts"

const nar = "0r8nqa1klm5v17ifc6z96m9wywxkjvgbnqq9pmy0sgqj53wj3n12.nar.xz"

/** Facts of anchors.md §4.6. */
const known: ReadonlyArray<readonly [Fetch["_tag"], string, string, string]> = [
  [
    "Url",
    "notmuch-extract-patch",
    "sha256-Xa1Jbl2Eq5+L0ww+Ph1osA3Z/Dxe/RkN1/dITQCdXFk=",
    "06qi00hylriyfm0nl827crgjvbax84mz-notmuch-extract-patch"
  ],
  ["Nar", nar, "sha256-oj6yfWKbcEerK8D9GdPJtIAOveNcsH1ztGeSARGypRA=", `b40vjphshq4fdgv8s3yrp0bdlafi4920-${nar}`],
  ["Nar", nar, "sha1-F/fMsgwkXF8fPCg1v9zPZ4yOFIA=", `8kx7fdkdbzs4fkfb57xq0cbhs20ymq2n-${nar}`],
  ["Executable", nar, "sha1-NKNeU1csW5YJ4lCeWH3Z/apppNU=", `y92hm2xfk1009hrq0ix80j4m5k4j4w21-${nar}`],
  ["Tarball", "source", "sha256:1hf6cgaci1n186kkkjq106ryf8mmlq9vnwgfwh625wa8hfgdn4dm", "7adgvk5zdfq4pwrhsm3n9lzypb12gw0g-source"]
]

/** As Nix 2.34.8 instantiates `import <nix/fetchurl.nix> { … }`. */
const instantiate = (name: string, path: string, algorithm: string, env: Readonly<Record<string, string>>): Derivation =>
  parseDerivation(
    `Derive([("out","/nix/store/${path}","${algorithm}","b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c")],[],[],"builtin","builtin:fetchurl",[],[("builder","builtin:fetchurl"),("executable","${env["executable"] ?? ""}"),("name","${name}"),("out","/nix/store/${path}"),("system","builtin"),("unpack","${env["unpack"] ?? ""}"),("url","${env["url"] ?? `http://127.0.0.1:1/${name}`}")])`,
    name
  )

describe("Fetch", () => {
  for (const [tag, name, hash, path] of known) {
    it(`the store path of a ${tag} with ${hash.slice(0, 6)} is known before it is fetched`, () => {
      const fetch = { _tag: tag, url: "https://example.com/x", name, hash: parseHash(hash) } as Fetch
      assert.strictEqual(storePathOf(fetch), `/nix/store/${path}`)
    })
  }

  it("without a hash there is no path beforehand", () => {
    for (const _tag of ["Url", "Tarball"] as const) {
      assert.isUndefined(storePathOf({ _tag, url: "https://example.com/x", name: "x", hash: undefined }))
    }
  })

  it("all algorithms give a path, flat and recursive ones different", () => {
    const paths = new Set<string>()
    for (const algorithm of ["md5", "sha1", "sha256", "sha512"] as const) {
      const hash = hashBytes(algorithm, toBytes("x"))
      for (const _tag of ["Url", "Nar"] as const) paths.add(storePathOf({ _tag, url: "u", name: "x", hash })!)
    }
    assert.strictEqual(paths.size, 8)
  })

  it("content addresses are written as narinfos have them", () => {
    const hash = parseHash("sha256-Xa1Jbl2Eq5+L0ww+Ph1osA3Z/Dxe/RkN1/dITQCdXFk=")
    const base32 = "0pawlk06m26zyw8hjzazy5yj3kk8p7f3xfkyrfvxn7c4bmr4nbad"
    const at = (fetch: Fetch) => contentAddress(fetch, hash)
    const common = { url: "u", name: "x", hash }
    assert.match(at({ _tag: "Url", ...common }), /^fixed:sha256:[0-9a-z]{52}$/)
    assert.match(at({ _tag: "Tarball", ...common }), /^fixed:r:sha256:[0-9a-z]{52}$/)
    assert.strictEqual(at({ _tag: "Url", ...common }).length, `fixed:sha256:${base32}`.length)
  })

  it("a name that no store path can have is refused", () => {
    const hash = hashBytes("sha256", toBytes("x"))
    for (const name of ["", "a b", "x".repeat(212), "a/b", "é"]) {
      assert.throws(() => storePathOf({ _tag: "Url", url: "u", name: fromUnicode(name), hash }))
    }
  })

  it("fetches of one hash, kind and name are one, wherever they come from", () => {
    const hash = hashBytes("sha256", toBytes("x"))
    const key = (url: string, known = true, name = "n") => fetchKey({ _tag: "Url", url, name, hash: known ? hash : undefined })
    assert.strictEqual(key("a"), key("b"))
    assert.notStrictEqual(key("a", false), key("b", false))
    assert.notStrictEqual(key("a"), key("a", true, "other"))
    assert.notStrictEqual(key("a"), fetchKey({ _tag: "Tarball", url: "a", name: "n", hash }))
  })

  describe("of a derivation", () => {
    for (const [what, drv, tag] of [
      ["flat", instantiate("x.tar.gz", "5i4y65z4ladc2n65gy9czzy76p697az6-x.tar.gz", "sha256", {}), "Url"],
      ["executable", instantiate("sh", "3vllk211ggpf0yp1gz19hl9akyvy7jap-sh", "r:sha256", { executable: "1" }), "Executable"],
      ["unpacked", instantiate("a.nar.xz", "v53313370na8pn9ijxxmlkyd6vppb340-a.nar.xz", "r:sha256", { unpack: "1" }), "Nar"]
    ] as const) {
      it(`${what}, gives the path that Nix gave its output`, () => {
        const fetch = fromDerivation(drv)!
        assert.strictEqual(fetch._tag, tag)
        assert.strictEqual(fetch.url, `http://127.0.0.1:1/${drv.name}`)
        assert.strictEqual(storePathOf(fetch), drv.outputs.get("out")!.path)
      })
    }

    it("recursive but neither unpacked nor executable is a plain file", () => {
      assert.strictEqual(fromDerivation(instantiate("sh", "3vllk211ggpf0yp1gz19hl9akyvy7jap-sh", "r:sha256", {}))?._tag, "File")
    })

    it("with another builder is none", () => {
      const drv = instantiate("x", "5i4y65z4ladc2n65gy9czzy76p697az6-x", "sha256", {})
      assert.isUndefined(fromDerivation({ ...drv, builder: "/bin/sh" }))
    })

    it("without url, hash or its one output is refused by name", () => {
      const drv = instantiate("x", "5i4y65z4ladc2n65gy9czzy76p697az6-x", "sha256", {})
      const out = drv.outputs.get("out")!
      for (const broken of [
        { ...drv, env: new Map() },
        { ...drv, outputs: new Map([["lib", out]]) },
        { ...drv, outputs: new Map([["out", { ...out, hashAlgorithm: "" }]]) },
        { ...drv, outputs: new Map([["out", { ...out, hash: "00" }]]) },
        { ...drv, outputs: new Map([["out", { ...out, hashAlgorithm: "text:sha256" }]]) },
        instantiate("x", "5i4y65z4ladc2n65gy9czzy76p697az6-x", "sha256", { unpack: "1" })
      ]) {
        assert.throws(() => fromDerivation(broken), UnclearFetch)
      }
    })
  })
})
