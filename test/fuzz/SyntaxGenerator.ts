/**
 * Texts to parse: sentences of the whole grammar in every notation, and the same spoilt by losing, doubling, swapping and mixing tokens, by cutting and by bytes
 * that belong nowhere. Byte strings.
 */
import { fromUnicode } from "../../src/nix/Bytes.ts"
import type { Random } from "./Random.ts"

const variables = [
  "a",
  "b",
  "c",
  "x",
  "y",
  "f",
  "a",
  "b",
  "c",
  "x",
  "y",
  "f",
  "self",
  "a'",
  "b-c",
  "_d",
  "a",
  "b",
  "c",
  "x",
  "y",
  "f",
  "a",
  "b",
  "c",
  "x",
  "y",
  "f",
  "or"
] as const
const keys = [
  ...variables,
  "a",
  "b",
  "c",
  "name",
  '"q"',
  '"a b"',
  '"if"',
  "${a}",
  '${"k"}',
  '"x${a}y"',
  '"${b}"',
  "__overrides",
  "body"
] as const
const infix = ["->", "||", "&&", "==", "!=", "<", ">", "<=", ">=", "//", "+", "-", "*", "/", "++"] as const

const atoms = [
  "1",
  "0",
  "007",
  "42",
  "9223372036854775807",
  "1.5",
  ".5",
  "1.",
  "1.0e-3",
  "1.e5",
  ".5E+2",
  "0.1",
  "123456789.125",
  "true",
  "null",
  "builtins",
  "toString",
  "__curPos",
  "import",
  "./a",
  "./a/b",
  "../x",
  "/abs/p",
  "a/b",
  "~/h",
  "<nixpkgs>",
  "<nixpkgs/lib>",
  "<a-b/c.d>",
  "./a${x}b",
  "/p/${a}/q",
  "~/${a}",
  "./a+b_c-d.e",
  "/${a}",
  "./.",
  "../.",
  "/.",
  "./a/../b",
  "http://example.org/x?y=z&w",
  "a:b",
  "mailto:me@x.org",
  "{ }",
  "[ ]",
  "rec { }",
  '""',
  "''''",
  "_"
] as const

/** What is refused, or read otherwise than it looks. */
const oddities = [
  "9223372036854775808",
  "1e3",
  "1e400",
  "1e-400",
  "a/${b}",
  "./trailing/",
  "./a//b",
  "undefinedHere",
  "x:y:z",
  "or",
  "1.e400",
  "./a/",
  "~",
  "a ? b.",
  "<a",
  "$"
] as const

const pieces = [
  "a",
  "b c",
  "\\n",
  "\\${",
  "\\\\",
  '\\"',
  "$",
  "$$",
  "$${",
  "#",
  "/*",
  "''",
  "\\q",
  "\\t",
  "\n",
  "\r\n",
  "\r",
  "\t",
  "{",
  "}",
  "\u00e9",
  "\\\u00e9",
  "\u{1f600}",
  "  "
] as const

const indentedPieces = [
  "a",
  " ",
  "  ",
  "\n",
  "\n  ",
  "\n    ",
  "\n\t",
  "''${",
  "'''",
  "''$",
  "$",
  "$$",
  "''\\n",
  "''\\t",
  "''\\x",
  "''\\'",
  "'",
  "\\",
  '"',
  "\r\n",
  "$${x}",
  "\u00e9",
  "x y",
  "\n\n"
] as const

const spaces = [
  " ",
  " ",
  " ",
  " ",
  "",
  "\n",
  "\n  ",
  "\t",
  "  ",
  " # c\n",
  " /* c */ ",
  "/**/",
  "\r\n",
  "\r",
  " /* * / ** */",
  " #\r",
  " /** doc */ "
] as const

class Grammar {
  readonly #random: Random
  #left: number

  constructor(random: Random) {
    this.#random = random
    this.#left = random.pick([3, 6, 12, 25, 50])
  }

  space(): string {
    return this.#random.chance(0.7) ? " " : this.#random.pick(spaces)
  }

  many(limit: number, make: () => string): string {
    let text = ""
    for (let i = this.#random.below(limit + 1); i > 0; i--) text += make()
    return text
  }

  string(): string {
    return `"${this.many(4, () => (this.#random.chance(0.3) ? `\${${this.expression()}}` : this.#random.pick(pieces)))}"`
  }

  indented(): string {
    return `''${this.many(7, () => (this.#random.chance(0.2) ? `\${${this.expression()}}` : this.#random.pick(indentedPieces)))}''`
  }

  key(): string {
    return this.#random.chance(0.08) ? `\${${this.expression()}}` : this.#random.pick(keys)
  }

  path(): string {
    let text = this.key()
    while (this.#random.chance(0.25)) text += `${this.#random.chance(0.1) ? this.space() : ""}.${this.key()}`
    return text
  }

  binding(): string {
    const s = this.space()
    switch (this.#random.below(8)) {
      case 0:
        return `inherit${this.many(3, () => ` ${this.#random.chance(0.85) ? this.#random.pick(variables) : this.key()}`)};${s}`
      case 1:
        return `inherit (${this.expression()})${this.many(3, () => ` ${this.#random.chance(0.85) ? this.#random.pick(variables) : this.key()}`)};${s}`
      case 2:
        // Sets that are given in pieces.
        return `${this.#random.pick(["a", "b", "a.b", "x.y"])}${s}=${s}${this.#random.pick(["", "rec "])}{ ${this.many(2, () => this.binding())}};${s}`
      default:
        return `${this.path()}${s}=${s}${this.expression()};${s}`
    }
  }

  formals(): string {
    const random = this.#random
    const formal = (): string =>
      `${random.pick(variables)}${random.chance(0.3) ? `${this.space()}?${this.space()}${this.expression()}` : ""}`
    const list = Array.from({ length: random.below(4) }, formal)
    if (random.chance(0.3)) list.push("...")
    const text = `{${this.space()}${list.join(`${this.space()},${this.space()}`)}${random.chance(0.1) ? "," : ""}${this.space()}}`
    if (random.chance(0.2)) return `${text}${this.space()}@${this.space()}${random.pick(["args", ...variables])}`
    return random.chance(0.2) ? `${random.pick(["args", ...variables])}${this.space()}@${this.space()}${text}` : text
  }

  /** An expression where one may stand that is no function, `if` or the like: those get parentheses, mostly. */
  operand(): string {
    const inner = this.expression()
    return /^(?:let|if|with|assert|\{[^]*\}\s*[:@]|[\w'-]+\s*[:@]|-|!)/.test(inner) && this.#random.chance(0.93) ? `(${inner})` : inner
  }

  /** An operand that binds as tightly as arguments do, mostly. */
  argument(): string {
    const inner = this.operand()
    return /^[\w'-]+$|^\(|^"[^"]*"$/.test(inner) || this.#random.chance(0.5) ? inner : `(${inner})`
  }

  expression(): string {
    const random = this.#random
    const s = this.space()
    if (--this.#left <= 0) return random.chance(0.02) ? random.pick(oddities) : random.pick([...variables, ...atoms])
    switch (random.below(26)) {
      case 0:
        return `${random.pick(variables)}:${random.pick([" ", " ", "\n"])}${this.expression()}`
      case 1:
        return `${this.formals()}:${s}${this.expression()}`
      case 2:
        return `if ${this.expression()} then ${this.expression()} else ${this.expression()}`
      case 3:
        return `let ${this.many(3, () => this.binding())}in ${this.expression()}`
      case 4:
        return `with ${this.expression()};${s}${this.expression()}`
      case 5:
        return `assert ${this.expression()};${s}${this.expression()}`
      case 6:
      case 7:
      case 8:
        return `${this.operand()}${s}${random.pick(infix)}${this.space()}${this.operand()}`
      case 9:
        return `${random.pick(["!", "-", "- ", "!!", "--"])}${this.operand()}`
      case 10:
        return `${this.argument()}${s}?${s}${this.path()}`
      case 11:
        return `${this.argument()}${s}.${s}${this.path()}`
      case 12:
        return `${this.argument()}.${this.path()} or ${this.argument()}`
      case 13:
      case 14:
        return `${this.argument()} ${this.argument()}`
      case 15:
        return `(${s}${this.expression()}${s})`
      case 16:
        return `[${s}${this.many(4, () => `${this.argument()} `)}]`
      case 17:
      case 18:
        return `${random.pick(["", "", "", "rec "])}{${s}${this.many(4, () => this.binding())}}`
      case 19:
        return random.chance(0.4) ? `let { ${this.many(3, () => this.binding())}}` : `(${this.expression()})`
      case 20:
        return this.string()
      case 21:
      case 22:
        return this.indented()
      case 23:
        return random.chance(0.05) ? `${this.expression()} ${random.pick(["|>", "<|"])} ${this.expression()}` : random.pick(atoms)
      default:
        return random.chance(0.5) ? random.pick(variables) : random.pick(atoms)
    }
  }
}

/** Words, signs, blanks and comments of a text, as far as it has them: its concatenation is the text. */
export const tokens = (text: string): Array<string> =>
  text.match(/''|\$\{|\.\.\.|->|\|\||&&|[=!<>]=|\/\/|\+\+|[A-Za-z_][\w'-]*|\d+(?:\.\d+)?|\s+|[^]/g) ?? []

const strays = [
  "${",
  "}",
  "{",
  "(",
  ")",
  "[",
  "]",
  ";",
  "=",
  ":",
  "@",
  ",",
  ".",
  "...",
  '"',
  "''",
  "/*",
  "#",
  "if",
  "then",
  "else",
  "let",
  "in",
  "rec",
  "with",
  "assert",
  "inherit",
  "or",
  "?",
  "!",
  "-",
  "+",
  "++",
  "//",
  "/",
  "->",
  "<",
  "|>",
  "$",
  "\\",
  "~",
  "%",
  "&",
  "|",
  "^",
  "`",
  "\0",
  "\x80",
  "\xff",
  "\xc3\xa9",
  "\xef\xbb\xbf",
  "1",
  " ",
  "\n",
  "\r",
  "\x0b",
  "\x0c"
] as const

const spoil = (text: string, other: () => string, random: Random): string => {
  const parts = tokens(text)
  const at = random.below(parts.length + 1)
  switch (random.below(9)) {
    case 0:
      return parts.toSpliced(at, 1).join("")
    case 1:
      return parts.toSpliced(at, 0, parts[at] ?? "").join("")
    case 2: {
      const with_ = random.below(parts.length + 1)
      return parts.map((part, i) => (i === at ? (parts[with_] ?? part) : i === with_ ? (parts[at] ?? part) : part)).join("")
    }
    case 3:
    case 4:
      return parts.toSpliced(at, random.below(2), random.pick(strays)).join("")
    case 5:
      return text.slice(0, random.below(text.length + 1))
    case 6:
      return text.slice(random.below(text.length + 1))
    case 7: {
      const where = random.below(text.length + 1)
      return text.slice(0, where) + String.fromCharCode(random.below(256)) + text.slice(where + random.below(2))
    }
    default: {
      const mixed = tokens(other())
      const from = random.below(mixed.length + 1)
      return [...parts.slice(0, at), ...mixed.slice(from, from + 1 + random.below(6)), ...parts.slice(at)].join("")
    }
  }
}

/** The text of a case; three in ten are spoilt. It is a function, so that Nix can be made to parse it without evaluating it; free variables are bound, mostly. */
export const text = (random: Random): string => {
  const sentence = (): string => fromUnicode(new Grammar(random).expression())
  let body = sentence()
  if (random.chance(0.3)) {
    do body = spoil(body, sentence, random)
    while (random.chance(0.2))
  }
  return random.chance(0.95) ? `{a,b,c,x,y,f,a',b-c,_d,args}@self:\n${body}` : `_: ${body}`
}
