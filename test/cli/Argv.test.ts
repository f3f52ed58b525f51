import { assert, describe, it } from "@effect/vitest"
import { pairSeparator, rewrite } from "../../src/cli/Argv.ts"

describe("rewriting the command line", () => {
  it("switches take nothing that follows", () => {
    assert.deepStrictEqual(rewrite(["build", "-k", "y", "--strict", "true"]), ["build", "--keep-going=true", "y", "--strict=true", "true"])
    assert.deepStrictEqual(rewrite(["-vvk"]), ["--verbose=true", "--verbose=true", "--keep-going=true"])
  })

  it("values may be attached, follow, or begin with a dash", () => {
    assert.deepStrictEqual(rewrite(["-j4", "-j", "5", "-j=6", "-kj7"]), [
      "--max-jobs=4",
      "--max-jobs=5",
      "--max-jobs=6",
      "--keep-going=true",
      "--max-jobs=7"
    ])
    assert.deepStrictEqual(rewrite(["-E", "-1", "-I/etc", "-Inixpkgs=/x=y"]), ["--expr=-1", "--include=/etc", "--include=nixpkgs=/x=y"])
    assert.deepStrictEqual(rewrite(["--attr", "--strict"]), ["--attr=--strict"])
  })

  it("pairs become one value", () => {
    assert.deepStrictEqual(rewrite(["--arg", "x", "a=b c", "--argstr", "y", ""]), [
      `--arg=x${pairSeparator}a=b c`,
      `--argstr=y${pairSeparator}`
    ])
  })

  it("what is unknown, incomplete, joined by = or after -- stays", () => {
    for (const argv of [
      ["--nope", "x"],
      ["-z"],
      ["-kz"],
      ["--expr"],
      ["--arg", "x"],
      ["--expr=1"],
      ["-"],
      ["--", "-k", "-j4"],
      ["file", "-"]
    ]) {
      assert.deepStrictEqual(rewrite(argv), argv)
    }
  })
})
