import { assert, describe, it } from "@effect/vitest"
import * as Base16 from "../../src/nix/Base16.ts"
import * as Base64 from "../../src/nix/Base64.ts"
import { toBytes } from "../../src/nix/Bytes.ts"
import { hash } from "../../src/nix/Crypto.ts"
import * as ContentAddress from "../../src/nix/ContentAddress.ts"
import * as Keys from "../../src/nix/Keys.ts"
import * as NarInfo from "../../src/nix/NarInfo.ts"
import { nameOf } from "../../src/nix/StorePath.ts"
import { describeVectors, random, thrown, vectorJson, vectorText } from "./vectors.ts"

const key = Keys.parsePublicKey("corpus-1:Y5NF+iqX/RhzaxBJjeyKXvUFS0FDnsu1CODLpAG46e4=")
const secret = Keys.parseSecretKey("corpus-1:g/hDKy8+AI/5UhkaSbUkHvSKCNcQ5OYktSyx7+6RO/Njk0X6Kpf9GHNrEEmN7Ipe9QVLQUOey7UI4MukAbjp7g==")

const path = "/nix/store/w1df9ykc1v6mks4lch40xmxm7y0rpz5y-corpus-user"
const references = "6wh9j82s22yr0hks920n9m1pbjvahmy2-corpus-fixed wwnk12r71ld9m36pd4h0did5cvrshhxs-corpus-src"
const signature = "corpus-1:F65kO433l6jLXMRgfHxu5Jfi4UILmcVHhhgLLiKGxmkBCqI22dO0lDqQexX8zz398FZH6H7s3Ip1fvKSaWt/BQ=="
const fields: Readonly<Record<string, string>> = {
  StorePath: path,
  URL: "nar/0m4yj0y4x3krglca8824ypx2cxfxiy64rssvvs40z21jjs5bwprm.nar.xz",
  Compression: "xz",
  FileHash: "sha256:0m4yj0y4x3krglca8824ypx2cxfxiy64rssvvs40z21jjs5bwprm",
  FileSize: "212",
  NarHash: "sha256:16wfqsa916vfnf62hcw61sjdbq9w3yszzdg3i4qg6ba4fr8hjxm9",
  NarSize: "224",
  References: references,
  Deriver: "hdvc36c3ykyr0hmna9bmnrdz6f68aj17-corpus-user.drv",
  Sig: signature
}

/** The narinfo above with fields replaced, or left out where `undefined`. */
const text = (change: Readonly<Record<string, string | undefined>> = {}): string => {
  let lines = ""
  for (const [name, value] of Object.entries({ ...fields, ...change })) if (value !== undefined) lines += `${name}: ${value}\n`
  return lines
}
const fail = (source: string | Uint8Array, hashPart?: string) => {
  const error = thrown(() => NarInfo.parseNarInfo(source, hashPart))
  assert.strictEqual(error._tag, "NarInfoError", String(error))
  assert.isNotEmpty(error.message)
  return error
}
const failField = (name: string, value: string): void => {
  const error = fail(text({ [name]: value }))
  assert.strictEqual(error.problem.kind, "value", value)
  assert.strictEqual(error.problem.key, name)
  assert.isAbove(error.line, 0)
}

describe("a narinfo", () => {
  it("is read and printed the same again", () => {
    const info = NarInfo.parseNarInfo(text(), "w1df9ykc1v6mks4lch40xmxm7y0rpz5y")
    assert.strictEqual(info.path, path)
    assert.strictEqual(info.narSize, 224)
    assert.strictEqual(info.fileSize, 212)
    assert.strictEqual(info.references.length, 2)
    assert.deepStrictEqual(info.signatures, [signature])
    assert.strictEqual(NarInfo.printNarInfo(info), text())
    assert.strictEqual(NarInfo.printNarInfo(NarInfo.parseNarInfo(toBytes(text()))), text())
  })

  it("may say less, and keys that nobody knows", () => {
    const least = NarInfo.parseNarInfo(
      text({
        Compression: undefined,
        FileHash: undefined,
        FileSize: undefined,
        References: undefined,
        Deriver: undefined,
        Sig: undefined,
        Future: "x"
      })
    )
    assert.strictEqual(least.compression, "bzip2")
    assert.deepStrictEqual(least.references, [])
    assert.isUndefined(least.deriver)
    assert.isUndefined(least.fileHash)
    assert.isUndefined(least.fileSize)
    assert.deepStrictEqual(least.signatures, [])
    assert.deepStrictEqual(least.unknownKeys, ["Future"])
    assert.isUndefined(NarInfo.parseNarInfo(text({ Deriver: "unknown-deriver" })).deriver)
    assert.isUndefined(NarInfo.parseNarInfo(text({ Deriver: "" })).deriver)
    assert.deepStrictEqual(NarInfo.parseNarInfo(text({ References: "" })).references, [])
    assert.strictEqual(NarInfo.parseNarInfo(text({ Compression: "" })).compression, "bzip2")
    assert.strictEqual(NarInfo.parseNarInfo(text({ FileSize: "0" })).fileSize, 0)
    assert.deepStrictEqual(NarInfo.parseNarInfo(text().replace("Deriver: ", "References2:\nDeriver: ")).unknownKeys, ["References2"])
  })

  it("may have its NAR hash in any form, but of SHA-256 only", () => {
    const digest = NarInfo.parseNarInfo(text()).narHash
    for (const form of [`sha256:${Base16.encode(digest)}`, `sha256-${Base64.encode(digest)}`, `sha256:${Base64.encode(digest)}`]) {
      assert.deepStrictEqual(NarInfo.parseNarInfo(text({ NarHash: form })).narHash, digest)
    }
    for (const form of [`sha1:${"0".repeat(40)}`, `sha512:${"0".repeat(128)}`, "sha256:0", "sha256:", "", Base16.encode(digest), "md4:x"])
      failField("NarHash", form)
    failField("FileHash", "sha256:zz")
  })

  it("must have path, URL, NAR hash and NAR size", () => {
    for (const name of ["StorePath", "URL", "NarHash", "NarSize"]) {
      assert.deepStrictEqual(fail(text({ [name]: undefined })).problem, { kind: "missing", key: name })
    }
    assert.strictEqual(fail("").problem.kind, "missing")
  })

  it("must not have any field twice but signatures", () => {
    for (const [name, value] of Object.entries(fields)) {
      if (name === "Sig") continue
      const error = fail(`${text()}${name}: ${value}\n`)
      assert.deepStrictEqual(error.problem, { kind: "duplicate", key: name })
      assert.strictEqual(error.line, 11)
    }
    assert.strictEqual(NarInfo.parseNarInfo(`${text()}Sig: a:b\n`).signatures.length, 2)
  })

  it("must have lines that end with a line feed alone", () => {
    assert.strictEqual(fail(text().replaceAll("\n", "\r\n")).problem.kind, "control-character")
    for (let cut = 1; cut < text().length; cut++) if (text()[cut - 1] !== "\n") fail(text().slice(0, cut))
    assert.strictEqual(fail(text().slice(0, -1)).problem.kind, "no-newline")
    assert.strictEqual(fail(`${text()}\n`).problem.kind, "no-line")
    assert.strictEqual(fail(text({ Sig: "\u0100" })).problem.kind, "control-character")
    assert.strictEqual(fail(text({ URL: "nar/a\0b" })).problem.kind, "control-character")
  })

  it("is no web page", () => {
    for (const page of ["<!DOCTYPE html>\n<html lang: x>\n", "Not Found", "404\n", "{}", "\x7fELF", " StorePath: x\n"]) {
      assert.strictEqual(fail(page).problem.kind, "no-line")
      assert.include(fail(page).message, "error page")
    }
  })

  it("is refused by its length before anything else is looked at", () => {
    const start = performance.now()
    assert.strictEqual(fail(new Uint8Array(100_000_000)).problem.kind, "too-long")
    assert.strictEqual(fail("x".repeat(NarInfo.narInfoLimit + 1)).problem.kind, "too-long")
    assert.isBelow(performance.now() - start, 2000)
    const long = `${text()}X: ${"y".repeat(NarInfo.narInfoLimit - text().length - 4)}\n`
    assert.strictEqual(NarInfo.parseNarInfo(long).unknownKeys.length, 1)
  })

  it("must have sizes that are plain numbers", () => {
    for (const size of ["0", "-1", "1.5", "1e3", "0x10", "01", "", " 1", "9007199254740993", "18446744073709551616", "1 ", "+1"])
      failField("NarSize", size)
    for (const size of ["-1", "9007199254740993", "x"]) failField("FileSize", size)
  })

  it("must name a compression that exists", () => {
    for (const name of ["rar", "XZ", "none;rm", "../x", "constructor"]) failField("Compression", name)
  })

  it("must have a URL that stays in the cache, or http", () => {
    for (const url of [
      "nar/x.nar",
      "x",
      "nar/x.nar.zst?hash=y",
      "https://other.example/nar/x",
      "http://h:80/x",
      "nar/a%20b",
      "nar/..x",
      "a/b..c"
    ]) {
      assert.strictEqual(NarInfo.parseNarInfo(text({ URL: url })).url, url)
    }
    for (const url of [
      "",
      "/nar/x",
      "//evil.example/x",
      "../x",
      "nar/../../x",
      "nar/..",
      "./x",
      "nar/%2e%2e/x",
      "nar/.%2E/x",
      "nar%2f..%2fx",
      "nar/%00",
      "nar/%zz",
      "file:///etc/passwd",
      "FILE:/etc/passwd",
      "ftp://h/x",
      "unix:x",
      "data:,x",
      "https:/x",
      "https://",
      "https://user:pw@h/x",
      "https://h/../x",
      "nar\\x",
      "a b",
      "é",
      "x".repeat(4097)
    ]) {
      failField("URL", url)
    }
    assert.isTrue(NarInfo.isRelativeUrl("nar/x:y"))
    assert.isFalse(NarInfo.isRelativeUrl("https://x/y"))
  })

  it("must be of this store and of the path that was asked for", () => {
    failField("StorePath", "/gnu/store/w1df9ykc1v6mks4lch40xmxm7y0rpz5y-corpus-user")
    failField("StorePath", "w1df9ykc1v6mks4lch40xmxm7y0rpz5y-corpus-user")
    failField("StorePath", `${path}/bin`)
    failField("StorePath", "")
    assert.strictEqual(fail(text(), "6wh9j82s22yr0hks920n9m1pbjvahmy2").problem.kind, "other-path")
  })

  it("must have references that are base names, each once; their order does not matter", () => {
    failField("References", "/gnu/store/6wh9j82s22yr0hks920n9m1pbjvahmy2-x")
    failField("References", "/nix/store/6wh9j82s22yr0hks920n9m1pbjvahmy2-x")
    failField("References", "6wh9j82s22yr0hks920n9m1pbjvahmy2-../x")
    failField("References", `${references} ${references}`)
    const reversed = references.split(" ").reverse().join(" ")
    assert.deepStrictEqual(NarInfo.parseNarInfo(text({ References: reversed })), NarInfo.parseNarInfo(text()))
    const self = NarInfo.parseNarInfo(text({ References: path.slice("/nix/store/".length) }))
    assert.deepStrictEqual(self.references, [self.path])
  })

  it("must have a deriver that is a derivation, and a content address that is one", () => {
    failField("Deriver", "hdvc36c3ykyr0hmna9bmnrdz6f68aj17-corpus-user")
    failField("Deriver", "x.drv")
    for (const ca of [
      "x",
      "fixed",
      "fixed:",
      "fixed:sha256:",
      "fixed:r:r:sha256:x",
      "text:sha1:x",
      `text:r:sha256:${"0".repeat(52)}`,
      `fixed:sha256:${"0".repeat(51)}`,
      `fixed:sha256:${"0".repeat(52)}:x`
    ]) {
      failField("CA", ca)
    }
    assert.strictEqual(NarInfo.parseNarInfo(text({ CA: `fixed:r:sha256:${"0".repeat(52)}` })).ca, `fixed:r:sha256:${"0".repeat(52)}`)
  })

  it("is trusted by a signature of a trusted key alone", () => {
    const info = NarInfo.parseNarInfo(text())
    assert.strictEqual(NarInfo.verifyNarInfo(info, [key]), key)
    const other = Keys.publicKeyOf(
      Keys.parseSecretKey(`other-1:${Base64.encode(Uint8Array.of(...random(1).bytes(32), ...random(2).bytes(32)))}`)
    )
    const refused: ReadonlyArray<readonly [ReadonlyArray<string>, ReadonlyArray<Keys.PublicKey>]> = [
      [[], [key]],
      [[signature], []],
      [[signature], [other]],
      [[signature], [{ ...key, name: "corpus-2" }]],
      [[signature], [{ ...other, name: "corpus-1" }]],
      [[signature.replace("corpus-1", "other-1")], [key, other]],
      [["corpus-1:"], [key]],
      [["corpus-1:!!!!"], [key]],
      [[`${signature}x`], [key]],
      [[signature.slice(0, -1)], [key]],
      [[signature.replace("F65", "F66")], [key]],
      [["", ":", "corpus-1", "x".repeat(100_000)], [key]]
    ]
    for (const [signatures, keys] of refused) assert.isUndefined(NarInfo.verifyNarInfo({ ...info, signatures }, keys), signatures.join())
    assert.strictEqual(NarInfo.verifyNarInfo({ ...info, signatures: ["corpus-1:AAAA", signature] }, [other, key]), key)
    const changes: ReadonlyArray<Partial<NarInfo.NarInfo>> = [
      { narSize: 225 },
      { references: [] },
      { narHash: hash("sha256", toBytes("x")) },
      { path: info.references[0]! }
    ]
    for (const change of changes) assert.isUndefined(NarInfo.verifyNarInfo({ ...info, ...change }, [key]))
    const unsigned: ReadonlyArray<Partial<NarInfo.NarInfo>> = [{ url: "evil" }, { deriver: undefined }, { ca: undefined }]
    for (const change of unsigned) assert.strictEqual(NarInfo.verifyNarInfo({ ...info, ...change }, [key]), key)
  })

  it("survives random changes: an error of ours, or one that prints to what is read as the same", () => {
    const { below, pick } = random(12)
    const source = `${text()}CA: fixed:r:sha256:${"0".repeat(52)}\n`
    for (let i = 0; i < 5000; i++) {
      const at = below(source.length)
      const changed = source.slice(0, at) + pick(["", "\n", ":", " ", "\0", "/", "é", "0", "sha1:"]) + source.slice(at + below(3))
      let info: NarInfo.NarInfo
      try {
        info = NarInfo.parseNarInfo(changed)
      } catch (error) {
        assert.strictEqual((error as { _tag?: string })._tag, "NarInfoError", JSON.stringify(changed))
        continue
      }
      assert.deepStrictEqual(NarInfo.parseNarInfo(NarInfo.printNarInfo(info)), { ...info, unknownKeys: [] })
    }
  })
})

describe("keys", () => {
  it("are read and printed", () => {
    assert.strictEqual(Keys.printKey(key), "corpus-1:Y5NF+iqX/RhzaxBJjeyKXvUFS0FDnsu1CODLpAG46e4=")
    assert.deepStrictEqual(Keys.publicKeyOf(secret), key)
    assert.deepStrictEqual(Keys.parsePublicKey(` ${Keys.printKey(key)}\n`), key)
  })

  it("are refused without showing them", () => {
    const bare = Keys.printKey(secret).slice("corpus-1:".length)
    const cases: ReadonlyArray<readonly [string, string]> = [
      ["", "form"],
      ["x", "form"],
      ["x:", "form"],
      [`:${bare}`, "form"],
      [`a b:${bare}`, "form"],
      [bare, "form"],
      ["x:!!", "base64"],
      ["x:AAAA", "length"],
      [Keys.printKey(key), "length"]
    ]
    for (const [source, problem] of cases) {
      const error = thrown(() => Keys.parseSecretKey(source))
      assert.strictEqual(error._tag, "KeyError")
      assert.strictEqual(error.problem, problem, source)
    }
    const error = thrown(() => Keys.parsePublicKey(Keys.printKey(secret)))
    assert.notInclude(`${error.message}${JSON.stringify(error)}`, bare.slice(0, 20))
    assert.include(error.message, "is it a secret key?")
  })
})

describe("content addresses", () => {
  it("are read and printed in all kinds", () => {
    const digest = "0".repeat(52)
    for (const source of [
      `text:sha256:${digest}`,
      `fixed:sha256:${digest}`,
      `fixed:r:sha256:${digest}`,
      `fixed:git:sha1:${"0".repeat(32)}`,
      `fixed:r:md5:${"0".repeat(26)}`,
      `fixed:blake3:${digest}`
    ]) {
      assert.strictEqual(ContentAddress.printContentAddress(ContentAddress.parseContentAddress(source)), source)
    }
  })

  it("allow references to texts and to trees by SHA-256 only", () => {
    const reference = NarInfo.parseNarInfo(text()).path
    const make = (source: string, references: ReadonlyArray<typeof reference>, self = false) =>
      ContentAddress.contentAddressedPath("x", ContentAddress.parseContentAddress(source), references, self)
    const digest = "0".repeat(52)
    const paths = [
      make(`fixed:r:sha256:${digest}`, []),
      make(`fixed:r:sha256:${digest}`, [reference]),
      make(`fixed:r:sha256:${digest}`, [], true),
      make(`text:sha256:${digest}`, [reference]),
      make(`text:sha256:${digest}`, []),
      make(`fixed:sha256:${digest}`, [])
    ]
    assert.strictEqual(new Set(paths).size, paths.length)
    for (const source of [`fixed:sha256:${digest}`, `fixed:r:sha1:${"0".repeat(32)}`]) {
      assert.strictEqual(thrown(() => make(source, [reference])).problem, "references")
      assert.strictEqual(thrown(() => make(source, [], true)).problem, "references")
    }
    assert.strictEqual(thrown(() => make(`text:sha256:${digest}`, [], true)).problem, "references")
  })
})

describeVectors("narinfo vectors", () => {
  const vectors = vectorJson("store/signatures.json")

  it("are printed, fingerprinted, signed and verified as Nix does", () => {
    const publicKey = Keys.parsePublicKey(vectors.public)
    const secretKey = Keys.parseSecretKey(vectors.secret)
    assert.isAbove(vectors.cases.length, 4)
    for (const one of vectors.cases) {
      const info = NarInfo.parseNarInfo(one.narinfo, one.file.slice(0, 32))
      assert.strictEqual(NarInfo.printNarInfo(info), one.narinfo)
      assert.strictEqual(NarInfo.fingerprint(info), one.fingerprint)
      assert.strictEqual(NarInfo.signNarInfo(info, secretKey), one.sig)
      assert.isDefined(NarInfo.verifyNarInfo(info, [publicKey]))
    }
  })

  it("of every compression are read, and their content addresses give their paths", () => {
    let addressed = 0
    for (const cache of ["br", "bzip2", "gzip", "listing", "none", "xz", "zstd"]) {
      for (const one of vectors.cases) {
        const source = vectorText(`store/cache-${cache}/${one.file}`)
        const info = NarInfo.parseNarInfo(source, one.file.slice(0, 32))
        assert.strictEqual(NarInfo.printNarInfo(info), source)
        assert.isDefined(NarInfo.verifyNarInfo(info, [key]))
        if (info.ca === undefined) continue
        const address = ContentAddress.parseContentAddress(info.ca)
        assert.strictEqual(ContentAddress.contentAddressedPath(nameOf(info.path), address, info.references), info.path)
        addressed++
      }
    }
    assert.isAbove(addressed, 6)
  })
})
