/**
 * Leaves of generated programs: numbers at the edges, strings in every notation, JSON and TOML texts.
 */
import type { Random } from "./Random.ts"

export const intLiterals = [
  "0",
  "1",
  "2",
  "3",
  "7",
  "10",
  "(-1)",
  "(-2)",
  "63",
  "255",
  "1000000",
  "2147483647",
  "2147483648",
  "4294967296",
  "9007199254740993",
  "9223372036854775807",
  "(-9223372036854775807)",
  "(-9223372036854775807 - 1)"
] as const

export const floatLiterals = [
  "0.0",
  "1.0",
  "1.5",
  "(-2.5)",
  ".5",
  "0.1",
  "3.14159265358979",
  "100000.0",
  "1000000.0",
  "123456789.123",
  "1.0e10",
  "1.0e-5",
  "1.0e16",
  "9.2233720368547758e18",
  "(-9.3e18)",
  "1.7e308",
  "2.2250738585072014e-308",
  "(1.0e200 * 1.0e200)",
  "(-0.0)"
] as const

const words = [
  "",
  "a",
  "b",
  "ab",
  "aab",
  "x",
  "abc def",
  "  pad ",
  "a.b",
  "/nowhere/a/b",
  "/",
  "a/b/",
  "//x//",
  "1.2.3",
  "1.2pre4",
  "2.3.1-rc1",
  "1.",
  "nix-2.34.8",
  "hello-world-1.0-beta",
  "foo--1",
  "name",
  "sha256",
  "sri",
  "base64",
  "nix32",
  "true",
  "null",
  "0",
  "1",
  "-5",
  "1e3",
  "\n",
  "a\nb\n",
  "\t",
  "\r",
  '"q"',
  "\\",
  "$",
  "${",
  "$${a}",
  "''",
  "<&>'",
  "\u00e9",
  "\u20ac\ud83d\ude00",
  "e\u0301",
  "\u0001",
  "\u007f",
  "(a|b)*",
  "[[:digit:]]+",
  "[a-",
  "a{2}",
  "^.*$",
  '{"a": [1, 2.0]}',
  "a = 1",
  "or",
  "if",
  "__functor",
  "01",
  "a-b",
  "a b",
  "/nix/store/n1graip4nvxv1778rif8j3yapjdfgk8g-a",
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
  "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
] as const

/** A text as a string literal, with one of the escapes where there is a choice. */
export const quoted = (text: string, random: Random): string => {
  if (random.chance(0.12) && !text.includes("\r")) {
    const inner = text.replaceAll("''", "'''").replaceAll("${", "''${").replace(/\$$/, "''$").replace(/'$/, '\'${""}')
    return random.chance(0.5) ? `''${inner}''` : `''\n    ${inner.replaceAll("\n", "\n    ")}\n  ''`
  }
  const raw = random.chance(0.5)
  let out = ""
  for (const char of text) {
    if (char === '"' || char === "\\") out += `\\${char}`
    else if (char === "$") out += "\\$"
    else if (char === "\n") out += raw ? "\n" : "\\n"
    else if (char === "\t") out += raw ? "\t" : "\\t"
    else if (char === "\r") out += "\\r"
    else out += random.chance(0.01) && !"nrt".includes(char) ? `\\${char}` : char
  }
  return `"${out}"`
}

export const stringLiteral = (random: Random): string => {
  if (random.chance(0.02)) return "http://example.org/a?b=c%20"
  const text = random.chance(0.1) ? random.pick(words) + random.pick(words) : random.pick(words)
  return quoted(text, random)
}

const jsonNumbers = [
  "0",
  "-0",
  "1",
  "-1",
  "1.0",
  "1e5",
  "1E-3",
  "9223372036854775807",
  "9223372036854775808",
  "-9223372036854775808",
  "18446744073709551615",
  "18446744073709551616",
  "1e400",
  "01",
  "1.",
  ".5",
  "-",
  "+1",
  "0x10",
  "1.5e308",
  "0.1",
  "123456789012345678901234567890"
]
const jsonStrings = [
  '""',
  '"a"',
  '"b"',
  '"\\n\\t\\"\\\\\\/"',
  '"\\u0041"',
  '"\\u00e9"',
  '"\\ud83d\\ude00"',
  '"\\ud83d"',
  '"\\udc00x"',
  '"\\x"',
  '"\u00e9"',
  '"\u0001"',
  '"a\nb"',
  '"\\u0000"',
  '"'
]

const json = (random: Random, depth: number): string => {
  const space = random.pick(["", "", "", " ", "\n", "\t "])
  switch (depth === 0 ? random.below(3) : random.below(6)) {
    case 0:
      return random.pick(jsonNumbers) + space
    case 1:
      return random.pick(jsonStrings)
    case 2:
      return space + random.pick(["true", "false", "null", "null", "nul", "NaN", "Infinity"])
    case 3:
    case 4:
      return `{${space}${Array.from({ length: random.below(4) }, () => `${random.chance(0.8) ? random.pick(['"a"', '"b"', '"c d"']) : random.pick(jsonStrings)}:${space}${json(random, depth - 1)}`).join(`,${space}`)}}`
    default:
      return `[${space}${Array.from({ length: random.below(4) }, () => json(random, depth - 1)).join(",")}]`
  }
}

/** A text with one character taken away, doubled or replaced. */
const spoilt = (text: string, random: Random): string => {
  const at = random.below(text.length + 1)
  const sign = random.pick(["", "", ",", "]", "}", "[", "{", ":", '"', " ", "1", "/", "=", "."])
  return text.slice(0, at) + sign + text.slice(at + random.below(2))
}

export const jsonLiteral = (random: Random): string => {
  const text = json(random, 2)
  return quoted(random.chance(0.15) ? spoilt(text, random) : text, random)
}

const tomlKeys = ["a", "b", "a.b", "c-d", "1", '"q k"', "'lit'", '"a".c', "a.b.c", "t"]
const tomlValues = [
  "1",
  "-7",
  "+3",
  "0x1F",
  "0o17",
  "0b101",
  "1_000",
  "1__0",
  "01",
  "9223372036854775807",
  "9223372036854775808",
  "1.5",
  "-0.0",
  "5e+22",
  "1e3",
  "6.626e-34",
  "3.",
  "inf",
  "-inf",
  "nan",
  "true",
  "false",
  '"s"',
  '"\\u00e9\\n\\t\\""',
  '"\\e"',
  "'lit\\n'",
  '"""\nmulti\nline"""',
  '"""a \\\n   b"""',
  "'''\nraw\n'''",
  "[ ]",
  "[1, 2,]",
  '[1, "a"]',
  "[[1], [ 2.0 ]]",
  "{ x = 1, y.z = 2 }",
  "{ x = 1, }",
  "{}",
  "[ # c\n 1\n ]",
  "[{a = 1}]"
]

export const tomlLiteral = (random: Random): string => {
  const lines = Array.from({ length: 1 + random.below(4) }, () => {
    const kind = random.below(10)
    if (kind === 0) return `[${random.pick(tomlKeys)}]`
    if (kind === 1) return `[[${random.pick(tomlKeys)}]]`
    if (kind === 2) return "# comment"
    return `${random.pick(tomlKeys)}${random.pick([" = ", "=", " =\t"])}${random.pick(tomlValues)}${random.chance(0.1) ? " # c" : ""}`
  })
  const text = lines.join("\n") + random.pick(["", "\n"])
  return quoted(random.chance(0.1) ? spoilt(text, random) : text, random)
}

const flakeHeads = [
  "github:a/b",
  "github:a/b/c",
  "gitlab:a/b",
  "git+https://h.org/x.git",
  "https://h.org/x.tar.gz",
  "path:/nowhere/x",
  "/nowhere/y",
  "nixpkgs",
  "nixpkgs/r",
  "flake:n/b",
  "sourcehut:~u/r",
  "tarball+https://h/x",
  "git+ssh://u@h/p",
  "github:a",
  "hg+https://h/x",
  "file:///nowhere/z",
  ""
] as const
const flakeTails = [
  "",
  "",
  "",
  "?dir=d",
  "?ref=main",
  "?rev=0123456789012345678901234567890123456789",
  "?host=h.org",
  "?dir=a/b&ref=x",
  "?narHash=sha256-47DEQpj8HBSa%2B/TImW%2B5JCeuQeRkm5NMpJWZG3hSuFU=",
  "#f",
  "?shallow=1",
  "?x=y"
] as const

export const flakeLiteral = (random: Random): string => quoted(random.pick(flakeHeads) + random.pick(flakeTails), random)
