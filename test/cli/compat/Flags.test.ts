import { assert, describe, it } from "@effect/vitest"
import { BadUsage, type FlagTable, parseWords } from "../../../src/cli/compat/Flags.ts"
import { settingFlag, Settings } from "../../../src/cli/compat/Settings.ts"

const table = {
  attr: ["--attr -A", "PATH", ""],
  arg: ["--arg", "NAME EXPR", ""],
  jobs: ["-j", "N", ""],
  verbose: ["--verbose -v", "", ""],
  query: ["--query -q", "", ""],
  requisites: ["--requisites -R", "", ""]
} as const satisfies FlagTable

const parse = (text: string, untilWord = false) =>
  parseWords(table, text === "" ? [] : text.split(" "), { program: "nix-test", setting: settingFlag, untilWord })

/** What is said of a command line that is refused. */
const refused = (text: string): string => {
  try {
    parse(text)
  } catch (error) {
    assert.instanceOf(error, BadUsage)
    return error.detail
  }
  return assert.fail("was taken")
}

describe("flags of Nix's programs", () => {
  it("take the words that follow them, whatever they look like, and leave the rest", () => {
    const line = parse("a -A -v --arg x --attr b -A c")
    assert.deepStrictEqual(line.each("attr"), ["-v", "c"])
    assert.deepStrictEqual(line.all("arg"), [["x", "--attr"]])
    assert.isFalse(line.has("verbose"))
    assert.deepStrictEqual(line.words, ["a", "b"])
  })

  it("may be written together when they are short, with a number at their end", () => {
    const line = parse("-vvj4 -qR x")
    assert.strictEqual(line.count("verbose"), 2)
    assert.strictEqual(line.last("jobs"), "4")
    assert.deepStrictEqual(line.used(["requisites", "query"]), ["query", "requisites"])
    assert.deepStrictEqual(line.words, ["x"])
  })

  it("are words after two dashes, and a dash alone always is", () => {
    assert.deepStrictEqual(parse("- -v -- -v --attr").words, ["-", "-v", "--attr"])
  })

  it("are refused in Nix's words", () => {
    assert.strictEqual(refused("-a"), "unrecognised flag '-a'")
    assert.strictEqual(refused("-vx"), "unrecognised flag '-x'")
    assert.strictEqual(refused("--attr=x"), "unrecognised flag '--attr=x'")
    assert.strictEqual(refused("--arg x"), "flag '--arg' requires 2 argument(s), but only 1 were given")
    assert.strictEqual(refused("-A"), "flag '-A' requires 1 argument(s), but only 0 were given")
    assert.strictEqual(refused("--max-jobs"), "flag '--max-jobs' requires 1 argument(s), but only 0 were given")
  })

  it("set Nix's settings", () => {
    const { settings, words } = parse("--max-jobs 3 --no-sandbox --show-trace --extra-substituters http://a x")
    assert.deepStrictEqual(settings, [
      ["max-jobs", "3"],
      ["sandbox", "false"],
      ["show-trace", "true"],
      ["extra-substituters", "http://a"]
    ])
    assert.deepStrictEqual(words, ["x"])
    assert.strictEqual(refused("--no-max-jobs"), "unrecognised flag '--no-max-jobs'")
  })

  it("end before a command, whose flags come after it", () => {
    const line = parse("-v eval -A x", true)
    assert.deepStrictEqual(line.rest, ["eval", "-A", "x"])
    const whole = line.with(parse("-A x y"))
    assert.isTrue(whole.has("verbose"))
    assert.strictEqual(whole.last("attr"), "x")
    assert.deepStrictEqual(whole.words, ["y"])
  })
})

describe("Nix's settings", () => {
  it("come from NIX_CONFIG and from flags, which count more", () => {
    const settings = new Settings("max-jobs = 2 # two\nsubstituters = a b\n\nnonsense\n", [
      ["max-jobs", "7"],
      ["extra-substituters", "c"],
      ["build-timeout", "5"]
    ])
    assert.strictEqual(settings.text("max-jobs"), "7")
    assert.strictEqual(settings.text("timeout"), "5")
    assert.deepStrictEqual(settings.list("substituters"), ["a", "b", "c"])
    assert.isTrue(settings.bool("require-sigs", true))
    assert.deepStrictEqual(settings.warnings, [])
  })

  it("are told of when nothing follows them, unless they ask for what is so anyway", () => {
    const told = (name: string, value: string) => new Settings("", [[name, value]]).warnings
    assert.deepStrictEqual(told("sandbox", "false"), ["setting 'sandbox' is not followed: builds always run in yix's own sandbox"])
    assert.deepStrictEqual(told("sandbox", "true"), [])
    assert.deepStrictEqual(told("builders", ""), [])
    assert.deepStrictEqual(told("cores", "4"), [])
    assert.deepStrictEqual(told("no-such", "x"), ["unknown setting 'no-such'"])
  })
})
