import { assert, describe, it } from "@effect/vitest"
import { evaluate } from "./world.ts"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  ['map baseNameOf [ "a/b/" "/" "a//" "" "a" /x/y ]', '[ "b" "" "" "" "a" "y" ]'],
  ["baseNameOf 1", "error: cannot coerce an integer to a string: 1"],
  ['map dirOf [ "/a" "a/b/" "" "a" /x/y / ]', "error: syntax error, unexpected '/'"],
  ["dirOf 1", "error: cannot coerce an integer to a string: 1"],
  ['builtins.pathExists "rel"', "error: string 'rel' doesn't represent an absolute path"],
  ['builtins.readFile "/nope/x"', "error: path '/nope/x' does not exist"],
  ['builtins.readDir "/nope/x"', "error: path '/nope/x' does not exist"],
  ['builtins.readFileType "/nope/x"', "error: path '/nope/x' does not exist"],
  ["builtins.readFile 1", "error: cannot coerce an integer to a string: 1"],
  ['builtins.toPath "/a/../../b/./c//"', '"/b/c"'],
  ['builtins.toPath "a"', "error: string 'a' doesn't represent an absolute path"],
  ["builtins.getEnv 1", "error: expected a string but found an integer: 1"],
  ['builtins.placeholder "out"', '"/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"'],
  ["builtins.placeholder 1", "error: expected a string but found an integer: 1"],
  ['builtins.hashFile "foo" "/x"', "error: unknown hash algorithm 'foo', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'"]
]

describe("paths and files", () => {
  it("are read as in Nix", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })

  it("are looked up in the host's files", () => {
    const ask = (expression: string) => {
      const result = evaluate(expression)
      return result.ok ? result.text : `error: ${result.text}`
    }
    assert.strictEqual(ask("builtins.readFile ./a.txt"), '"alpha"')
    assert.strictEqual(ask("builtins.readDir ./."), '{ "a.txt" = "regular"; link = "symlink"; sub = "directory"; }')
    assert.strictEqual(ask("map builtins.readFileType [ ./a.txt ./link ./sub ]"), '[ "regular" "symlink" "directory" ]')
    assert.strictEqual(ask("builtins.readFile ./link"), '"alpha"')
    assert.strictEqual(
      ask('map builtins.pathExists [ ./a.txt ./b.txt "/dir/" "/dir/a.txt/" "/dir/a.txt/." "/dir/sub/." ]'),
      "[ true false true false false true ]"
    )
    assert.strictEqual(ask('builtins.hashFile "md5" ./a.txt'), '"2c1743a391305fbf367df8e4f069f9f9"')
    assert.strictEqual(
      ask("builtins.readFile /nul.bin"),
      "error: the contents of the file '/nul.bin' cannot be represented as a Nix string"
    )
    assert.strictEqual(ask("builtins.readDir ./a.txt"), "error: '/dir/a.txt' is not a directory")
    assert.strictEqual(ask("builtins.readDir ./nope"), "error: path '/dir/nope' does not exist")
    assert.strictEqual(ask('"${./nope}"'), "error: path '/dir/nope' does not exist")
    assert.strictEqual(ask("builtins.path { path = ./nope; }"), "error: path '/dir/nope' does not exist")
    assert.strictEqual(ask('"${./a.drv}"'), "error: file names are not allowed to end in '.drv'")
    assert.strictEqual(ask("builtins.filterSource 1 ./sub"), "error: expected a function but found an integer: 1")
    assert.strictEqual(ask("builtins.readFile ./sub"), "error: read of 4096 bytes: Is a directory")
  })

  it("leave the environment out of pure evaluations", () => {
    assert.strictEqual(evaluate('builtins.getEnv "TEST_VAR"').text, '"foo"')
    assert.strictEqual(evaluate('builtins.getEnv "TEST_VAR"', { settings: { pure: true } }).text, '""')
  })
})
