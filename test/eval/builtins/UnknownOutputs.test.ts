/**
 * Derivations whose outputs only building tells, `outputOf`, and imports of derivations. Expected values were recorded from Nix 2.34.8 with the features on.
 */
import { assert, describe, it } from "@effect/vitest"
import { evaluate } from "./world.ts"

const prelude = `let
  drv = n: m: derivation ({ name = n; system = "s"; builder = "b"; } // m);
  a = drv "x" { __contentAddressed = true; outputs = [ "out" "dev" ]; };
  b = drv "x" { };
  d = drv "y.drv" { outputHashMode = "text"; outputHashAlgo = "sha256"; __contentAddressed = true; };
  i = drv "i" { __impure = true; };
in `

const features = new Set(["ca-derivations", "impure-derivations", "dynamic-derivations"])

const result = (expression: string, on: ReadonlySet<string> = features): string => {
  const { ok, text } = evaluate(prelude + expression, { settings: { features: on } })
  return ok ? text : `error: ${text}`
}

const agree = (cases: ReadonlyArray<readonly [string, string]>): void => {
  for (const [expression, expected] of cases) assert.strictEqual(result(expression), expected, expression)
}

describe("derivations whose outputs are not known before they are built", () => {
  it("have Nix's paths, and placeholders for outputs", () =>
    agree([
      ["a.drvPath", '"/nix/store/glbsxfn4r0sy7w4zivwn245v287s8nqz-x.drv"'],
      ["a.outPath", '"/0wrrfn3pkkyh5hg4k50wv37f409a6jc3b5zy3vsl70vp7ilfj3h7"'],
      ["a.dev.outPath", '"/0lsc94gypq0cq6m8pppnbs0gjyvvs4ynxzh6z6gq75fdh73lncwp"'],
      ["builtins.getContext a.dev.outPath", '{ "/nix/store/glbsxfn4r0sy7w4zivwn245v287s8nqz-x.drv" = { outputs = [ "dev" ]; }; }'],
      ["i.drvPath", '"/nix/store/akfswqyvzg2wfyvhn04f01nq1g1n2qh9-i.drv"'],
      ["i.outPath", '"/01jqnv4alqiis3yf0b0l60rd5445bpnbscmxi6yyrlz3sby1bfhl"'],
      ['(drv "z" { y = a.outPath; }).drvPath', '"/nix/store/zmj6d4p08qps1pvl2l8mnrvh8pc482sd-z.drv"'],
      ['(drv "z" { y = a.outPath; }).outPath', '"/1vnmbaamrz3ss76j0swpab1154kwwl6v6lk6vlabiwp3l9j1kwll"'],
      [
        '(drv "z" { outputHashMode = "flat"; outputHashAlgo = "sha1"; __contentAddressed = true; }).drvPath',
        '"/nix/store/p12wwv4018yppshi2cxf0k0kifm2sl5y-z.drv"'
      ],
      ['(drv "z" { outputHashMode = "text"; __contentAddressed = true; }).drvPath', '"/nix/store/7d09gihzqlpsqkjx38gzyd9qicjn965k-z.drv"'],
      ["d.drvPath", '"/nix/store/5bay04i0l5qdmnd03gbk6yrysprmnipd-y.drv.drv"'],
      ["d.outPath", '"/0ssshl68nh4s7770f7k74l5gb2cd1i355g2zd666mvqi2w5r3dql"'],
      ['(drv "x" { __contentAddressed = false; __impure = false; }).drvPath', '"/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv"'],
      ['(drv "z" { __contentAddressed = true; __impure = true; }).drvPath', "error: derivation cannot be both content-addressed and impure"]
    ]))

  it("need their features, without which outputOf is not there either", () => {
    const off = (name: string): string =>
      `error: experimental Nix feature '${name}' is disabled; add '--extra-experimental-features ${name}' to enable it`
    assert.strictEqual(result("a.drvPath", new Set()), off("ca-derivations"))
    assert.strictEqual(result("i.drvPath", new Set(["ca-derivations"])), off("impure-derivations"))
    assert.strictEqual(result("d.drvPath", new Set(["ca-derivations"])), off("dynamic-derivations"))
    assert.strictEqual(result("builtins ? outputOf", new Set()), "false")
    assert.strictEqual(result("builtins ? outputOf"), "true")
    assert.strictEqual(result('builtins.hashString "blake3" ""', new Set()), off("blake3-hashes"))
  })
})

describe("outputOf", () => {
  it("gives the output of the derivation that a string names", () =>
    agree([
      ['builtins.outputOf (builtins.unsafeDiscardOutputDependency a.drvPath) "dev" == a.dev.outPath', "true"],
      ['builtins.outputOf (builtins.unsafeDiscardOutputDependency b.drvPath) "out" == b.outPath', "true"],
      [
        'builtins.outputOf a.drvPath "out"',
        `error: string '/nix/store/glbsxfn4r0sy7w4zivwn245v287s8nqz-x.drv' has a context which refers to a complete source and binary closure. This is not supported at this time`
      ],
      ['builtins.outputOf "x" "out"', "error: string 'x' has 0 entries in its context. It should only have exactly one entry"]
    ]))

  it("gives a placeholder for the output of an output, which no derivation can use here", () => {
    agree([['builtins.outputOf b.outPath "out"', '"/0rp4qy3kffb8miymnj9v24c21jniqanw0cg77vxmcd5v37l04230"']])
    assert.match(
      result('(drv "u" { x = builtins.outputOf d.outPath "out"; }).drvPath'),
      /^error: cannot use the output of .* not supported$/
    )
  })
})

describe("an import of a derivation", () => {
  it("is a set like the one that made it, without its attributes", () =>
    agree([
      ["(import b.drvPath).outPath == b.outPath", "true"],
      ["(import (builtins.unsafeDiscardOutputDependency b.drvPath)).outPath == b.outPath", "true"],
      ["builtins.attrNames (import b.drvPath)", '[ "all" "drvPath" "name" "out" "outPath" "outputName" "type" ]'],
      ["(import a.drvPath).dev.outPath == a.dev.outPath", "true"],
      ["builtins.map (x: x.outputName) (import a.drvPath).all", '[ "dev" "out" ]'],
      [
        "builtins.getContext (import b.drvPath).drvPath",
        '{ "/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv" = { allOutputs = true; }; }'
      ],
      [
        "import /nix/store/00000000000000000000000000000000-x.drv",
        "error: path '/nix/store/00000000000000000000000000000000-x.drv' does not exist"
      ]
    ]))

  it("reads files of derivations that nobody has written", () =>
    agree([
      ['builtins.hashFile "sha256" b.drvPath', '"948d984170cd85bc663cf958513fbef9658689759d43c5c1d5a71c4612700304"'],
      ["[ (builtins.pathExists b.drvPath) (builtins.readFileType b.drvPath) ]", '[ true "regular" ]'],
      [
        'builtins.getContext (builtins.readFile (drv "q" { inherit b; }).drvPath)',
        '{ "/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv" = { path = true; }; }'
      ]
    ]))
})
