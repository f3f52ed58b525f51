import { assert, describe, it } from "@effect/vitest"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  ['toString [ 1 [ 2 [ ] 3 ] null true false 1.5 "x" ]', '"1 2 3  1  1.500000 x"'],
  ["toString { __toString = self: self.x; x = 5; }", '"5"'],
  ["toString { outPath = [ 1 2 ]; }", '"1 2"'],
  ["toString (x: x)", "error: cannot coerce a function to a string: «lambda @ «string»:1:11»"],
  ["toString { }", "error: cannot coerce a set to a string: { }"],
  [
    'builtins.toJSON { a = [ 1 2.5 "é" null true { } ]; b = -1; "c d" = 9223372036854775807; }',
    '"{\\"a\\":[1,2.5,\\"é\\",null,true,{}],\\"b\\":-1,\\"c d\\":9223372036854775807}"'
  ],
  ["builtins.toJSON { outPath = [ 1 ]; x = 1; }", '"[1]"'],
  ['builtins.toJSON { __toString = s: "x"; outPath = 1; }', '"\\"x\\""'],
  ['builtins.toJSON { __toString = s: s // { __toString = t: "y"; }; }', '"\\"y\\""'],
  ["builtins.toJSON { __toString = s: ./a; }", '"\\"/dir/a\\""'],
  ["builtins.toJSON { outPath = { a = 1; }; }", '"{\\"a\\":1}"'],
  ["builtins.toJSON { __toString = s: 42; }", "error: `__toString` should return a string, but got an integer: 42"],
  ["builtins.toJSON { __toString = s: { a = 1; }; }", "error: `__toString` must return a string, but got a set: { a = 1; }"],
  ["builtins.toJSON (x: x)", "error: cannot convert a function to JSON"],
  ['builtins.toJSON { a = [ (throw "in list") ]; }', "error: in list"],
  ['builtins.toJSON "\\t\\n\\"\\\\"', '"\\"\\\\t\\\\n\\\\\\"\\\\\\\\\\""'],
  ['builtins.fromJSON "{\\"a\\":[1,2.0,null],\\"a\\":{\\"b\\":\\"\\\\u00e9\\"}}"', '{ a = { b = "é"; }; }'],
  [
    'builtins.fromJSON "[1,]"',
    "error: [json.exception.parse_error.101] parse error at line 1, column 4: syntax error while parsing value - unexpected ']'; expected '[', '{', or a literal"
  ],
  ['builtins.fromJSON "9223372036854775808"', "error: unsigned json number 9223372036854775808 outside of Nix integer range"],
  ["builtins.fromJSON 1", "error: expected a string but found an integer: 1"],
  ['builtins.fromTOML "a.b = 1\\nc = [ 1.0, \\"x\\" ]\\n[t]\\nd = true"', '{ a = { b = 1; }; c = [ 1 "x" ]; t = { d = true; }; }'],
  ['builtins.fromTOML "a = "', "error: while parsing TOML: [error] bad format: unknown value appeared"],
  ['builtins.fromTOML "d = 1979-05-27"', "error: while parsing TOML: Dates and times are not supported"],
  [
    'builtins.toXML [ (x: x) ({ a, ... }@b: a) builtins.add { } "a<b>&\\"\'\\n" 1.0 null ]',
    '"<?xml version=\'1.0\' encoding=\'utf-8\'?>\\n<expr>\\n  <list>\\n    <function>\\n      <varpat name=\\"x\\" />\\n    </function>\\n    <function>\\n      <attrspat ellipsis=\\"1\\" name=\\"b\\">\\n        <attr name=\\"a\\" />\\n      </attrspat>\\n    </function>\\n    <unevaluated />\\n    <attrs>\\n    </attrs>\\n    <string value=\\"a&lt;b&gt;&amp;&quot;\'&#xA;\\" />\\n    <float value=\\"1\\" />\\n    <null />\\n  </list>\\n</expr>\\n"'
  ],
  [
    'builtins.toXML { type = "derivation"; drvPath = "/d"; }',
    '"<?xml version=\'1.0\' encoding=\'utf-8\'?>\\n<expr>\\n  <derivation drvPath=\\"/d\\">\\n    <attr name=\\"drvPath\\">\\n      <string value=\\"/d\\" />\\n    </attr>\\n    <attr name=\\"type\\">\\n      <string value=\\"derivation\\" />\\n    </attr>\\n  </derivation>\\n</expr>\\n"'
  ],
  ['builtins.hashString "md5" "a"', '"0cc175b9c0f1b6a831c399e269772661"'],
  ['builtins.hashString "sha1" "a"', '"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"'],
  ['builtins.hashString "sha256" "é"', '"4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"'],
  [
    'builtins.hashString "sha512" ""',
    '"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"'
  ],
  ['builtins.hashString "foo" "a"', "error: unknown hash algorithm 'foo', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'"],
  [
    'builtins.hashString "blake3" "a"',
    "error: experimental Nix feature 'blake3-hashes' is disabled; add '--extra-experimental-features blake3-hashes' to enable it"
  ],
  [
    'builtins.hashString "sha256" (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath',
    '"002f9dfd41ee90bad27f0ee50403304078535043d6fe249efe9e3d6fede38509"'
  ],
  [
    'builtins.convertHash { hash = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; hashAlgo = "sha256"; toHashFormat = "nix32"; }',
    '"1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"'
  ],
  [
    'builtins.convertHash { hash = "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"; toHashFormat = "sri"; }',
    '"sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="'
  ],
  [
    'builtins.convertHash { hash = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; toHashFormat = "nix32"; }',
    "error: hash 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=' does not include a type, nor is the type otherwise known from context"
  ],
  [
    'builtins.convertHash { hash = "zzz"; hashAlgo = "sha256"; toHashFormat = "base16"; }',
    "error: hash 'zzz' has wrong length for hash algorithm 'sha256'"
  ],
  ['builtins.convertHash { hash = "sha256:x"; }', "error: attribute 'toHashFormat' missing"],
  [
    'builtins.convertHash { hash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; toHashFormat = "foo"; }',
    "error: unknown hash format 'foo', expect 'base16', 'base32', 'base64', or 'sri'"
  ]
]

describe("conversions", () => {
  it("give the text and the values that Nix gives", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })
})
