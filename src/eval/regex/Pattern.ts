/**
 * Reads a pattern as libstdc++ reads it under `std::regex::extended`, which is what Nix hands it to, and not as POSIX describes it.
 *
 * Promises the same verdict on every pattern (accepted, invalid, too many states) and a tree that `Program.ts` and `Translation.ts` turn
 * into something that runs. Oddities kept on purpose: `a**` and `a+?` stack quantifiers (there is no lazy one), `()` and `a|` are fine, a
 * quantifier with nothing before it is not, a dash within a bracket is only literal at an end, ranges compare signed bytes. Pure.
 */
import type { ByteString } from "../../nix/Bytes.ts"

/** A pattern; sets are 256 flags. */
export type Pattern =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Char"; readonly code: number }
  | { readonly _tag: "Set"; readonly members: Uint8Array }
  | { readonly _tag: "Begin" }
  | { readonly _tag: "End" }
  | { readonly _tag: "Group"; readonly index: number; readonly body: Pattern }
  | { readonly _tag: "Sequence"; readonly items: ReadonlyArray<Pattern> }
  | { readonly _tag: "Alternation"; readonly branches: ReadonlyArray<Pattern> }
  /** `plus` marks `+`, whose loop tests after the body; otherwise min copies and then optional copies or a loop. */
  | {
      readonly _tag: "Repeat"
      readonly body: Pattern
      readonly min: number
      readonly max: number
      readonly plus: boolean
      readonly interval: boolean
    }

/** A pattern that libstdc++ refuses. `tooLarge`: it would need more than 100 000 states. */
export class RegexError extends Error {
  override readonly name = "RegexError"
  readonly pattern: ByteString
  readonly tooLarge: boolean
  constructor(pattern: ByteString, tooLarge: boolean) {
    super(`${tooLarge ? "memory limit exceeded by" : "invalid"} regular expression '${pattern}'`)
    this.pattern = pattern
    this.tooLarge = tooLarge
  }
}

/** A pattern with the number of its groups. */
export interface Parsed {
  readonly root: Pattern
  readonly groups: number
}

/** libstdc++ refuses automata with more states than this. */
const stateLimit = 100_000

/** Nesting of groups beyond this is refused as too large; libstdc++ would overrun its stack. */
const nestingLimit = 1_000

const empty: Pattern = { _tag: "Empty" }

const anything = (() => {
  const members = new Uint8Array(256).fill(1)
  members[0] = 0
  return members
})()

const inRange =
  (from: number, to: number): ((code: number) => boolean) =>
  (code) =>
    code >= from && code <= to
const upper = inRange(65, 90)
const lower = inRange(97, 122)
const digit = inRange(48, 57)
const letter = (code: number): boolean => upper(code) || lower(code)
const spaces = (code: number): boolean => code === 32 || (code >= 9 && code <= 13)

/** Character classes of the C locale; `d`, `s`, `w` are libstdc++'s additions. */
const classes: Readonly<Record<string, (code: number) => boolean>> = {
  d: digit,
  s: spaces,
  w: (code) => letter(code) || digit(code) || code === 95,
  alnum: (code) => letter(code) || digit(code),
  alpha: letter,
  blank: (code) => code === 32 || code === 9,
  cntrl: (code) => code < 32 || code === 127,
  digit,
  graph: inRange(33, 126),
  lower,
  print: inRange(32, 126),
  punct: (code) => code > 32 && code < 127 && !letter(code) && !digit(code),
  space: spaces,
  upper,
  xdigit: (code) => digit(code) || inRange(65, 70)(code) || inRange(97, 102)(code)
}

/** POSIX names of the 128 characters, in code order. */
const collatingNames =
  "NUL SOH STX ETX EOT ENQ ACK alert backspace tab newline vertical-tab form-feed carriage-return SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC IS4 IS3 IS2 IS1 space exclamation-mark quotation-mark number-sign dollar-sign percent-sign ampersand apostrophe left-parenthesis right-parenthesis asterisk plus-sign comma hyphen period slash zero one two three four five six seven eight nine colon semicolon less-than-sign equals-sign greater-than-sign question-mark commercial-at A B C D E F G H I J K L M N O P Q R S T U V W X Y Z left-square-bracket backslash right-square-bracket circumflex underscore grave-accent a b c d e f g h i j k l m n o p q r s t u v w x y z left-curly-bracket vertical-line right-curly-bracket tilde DEL".split(
    " "
  )

const signed = (code: number): number => (code > 127 ? code - 256 : code)

const special = new Set(".[\\()*+?{|^$")

class Parser {
  readonly text: ByteString
  at = 0
  groups = 0
  states = 4
  nesting = 0
  constructor(text: ByteString) {
    this.text = text
  }

  fail(): never {
    throw new RegexError(this.text, false)
  }

  grow(states: number): void {
    this.states += states
    if (this.states > stateLimit) throw new RegexError(this.text, true)
  }

  parse(): Parsed {
    const root = this.alternation()
    if (this.at < this.text.length) this.fail()
    return { root: root.pattern, groups: this.groups }
  }

  /** Branches up to `)` or the end, with the number of states that a copy of them takes. */
  alternation(): { pattern: Pattern; size: number } {
    const first = this.sequence()
    if (this.text[this.at] !== "|") return first
    const branches = [first.pattern]
    let size = first.size
    while (this.text[this.at] === "|") {
      this.at++
      const next = this.sequence()
      branches.push(next.pattern)
      this.grow(2)
      size += next.size + 2
    }
    return { pattern: { _tag: "Alternation", branches }, size }
  }

  sequence(): { pattern: Pattern; size: number } {
    const items: Array<Pattern> = []
    let size = 1
    this.grow(1)
    for (;;) {
      const char = this.text[this.at]
      if (char === "^" || char === "$") {
        this.at++
        this.grow(1)
        size++
        items.push({ _tag: char === "^" ? "Begin" : "End" })
        continue
      }
      let term = this.atom()
      if (term === undefined) break
      for (;;) {
        const next = this.quantified(term)
        if (next === undefined) break
        term = next
      }
      size += term.size
      items.push(term.pattern)
    }
    return { pattern: items.length === 0 ? empty : items.length === 1 ? items[0]! : { _tag: "Sequence", items }, size }
  }

  atom(): { pattern: Pattern; size: number } | undefined {
    const char = this.text[this.at]
    switch (char) {
      case undefined:
      case ")":
      case "|":
      case "*":
      case "+":
      case "?":
      case "{":
        return undefined
      case "(": {
        this.at++
        if (++this.nesting > nestingLimit) throw new RegexError(this.text, true)
        const index = ++this.groups
        this.grow(2)
        const body = this.alternation()
        if (this.text[this.at] !== ")") this.fail()
        this.at++
        this.nesting--
        return { pattern: { _tag: "Group", index, body: body.pattern }, size: body.size + 2 }
      }
      case "[":
        this.at++
        this.grow(1)
        return { pattern: { _tag: "Set", members: this.bracket() }, size: 1 }
      case ".":
        this.at++
        this.grow(1)
        return { pattern: { _tag: "Set", members: anything }, size: 1 }
      case "\\": {
        const next = this.text[this.at + 1]
        if (next === undefined || !special.has(next)) this.fail()
        this.at += 2
        this.grow(1)
        return { pattern: { _tag: "Char", code: next.charCodeAt(0) }, size: 1 }
      }
      case "\0":
        return this.fail()
      default:
        this.at++
        this.grow(1)
        return { pattern: { _tag: "Char", code: char.charCodeAt(0) }, size: 1 }
    }
  }

  quantified(term: { pattern: Pattern; size: number }): { pattern: Pattern; size: number } | undefined {
    const body = term.pattern
    switch (this.text[this.at]) {
      case "*":
        this.at++
        this.grow(1)
        return { pattern: { _tag: "Repeat", body, min: 0, max: Infinity, plus: false, interval: false }, size: term.size + 1 }
      case "+":
        this.at++
        this.grow(1)
        return { pattern: { _tag: "Repeat", body, min: 1, max: Infinity, plus: true, interval: false }, size: term.size + 1 }
      case "?":
        this.at++
        this.grow(2)
        return { pattern: { _tag: "Repeat", body, min: 0, max: 1, plus: false, interval: false }, size: term.size + 2 }
      case "{": {
        this.at++
        const min = this.count()
        if (min === undefined) this.fail()
        let max = min
        if (this.text[this.at] === ",") {
          this.at++
          max = this.count() ?? Infinity
        }
        if (this.text[this.at] !== "}") this.fail()
        this.at++
        // One copy at a time, as the limit is found while copying; a count beyond the limit need not be written out.
        this.grow(1 + Math.min(min, stateLimit) * term.size)
        if (max < min) this.fail()
        const size = max === Infinity ? (min + 1) * term.size + 2 : min * term.size + (max - min) * (term.size + 1) + 2
        this.grow(max === Infinity ? term.size + 1 : Math.min(max - min, stateLimit) * (term.size + 1) + 1)
        return { pattern: { _tag: "Repeat", body, min, max, plus: false, interval: true }, size }
      }
      default:
        return undefined
    }
  }

  count(): number | undefined {
    const start = this.at
    while (this.text[this.at] !== undefined && digit(this.text.charCodeAt(this.at))) this.at++
    if (this.at === start) return undefined
    const value = Number(this.text.slice(start, this.at))
    if (value > 0x7fffffff) this.fail()
    return value
  }

  /** The name between `[:` and `:]` (or `[.`, `[=`), with `at` on the character after the opening kind. */
  name(kind: string): string {
    const end = this.text.indexOf(kind, this.at)
    if (end < 0 || this.text[end + 1] !== "]") this.fail()
    const name = this.text.slice(this.at, end)
    this.at = end + 2
    return name
  }

  collating(name: string): number {
    const code = collatingNames.indexOf(name)
    return code < 0 ? this.fail() : code
  }

  /** The flags of a bracket expression, with `at` after its `[`. */
  bracket(): Uint8Array {
    const members = new Uint8Array(256)
    const negated = this.text[this.at] === "^"
    if (negated) this.at++
    let first = true
    // What stands before, for a range: a character, a class (a dash may not follow it), or nothing that can start a range.
    let last: number | "class" | undefined
    const settle = (next: number | "class" | undefined): void => {
      if (typeof last === "number") members[last] = 1
      last = next
    }
    for (;;) {
      const char = this.text[this.at++]
      if (char === undefined) this.fail()
      if (char === "]" && !first) break
      if (char === "[" && this.at >= this.text.length) this.fail()
      const kind = char === "[" ? this.text[this.at] : undefined
      if (kind === "." || kind === "=" || kind === ":") {
        this.at++
        const name = this.name(kind)
        if (kind === ".") settle(this.collating(name))
        else if (kind === "=") {
          const code = this.collating(name)
          settle("class")
          const small = upper(code) ? code + 32 : code
          for (let other = 0; other < 256; other++) if ((upper(other) ? other + 32 : other) === small) members[other] = 1
        } else {
          const test = classes[name.toLowerCase()]
          if (test === undefined) this.fail()
          settle("class")
          for (let other = 0; other < 256; other++) if (test(other)) members[other] = 1
        }
      } else if (char === "-" && !first) {
        const next = this.text[this.at]
        if (typeof last !== "number") {
          // Only literal as the last character.
          if (next !== "]") this.fail()
          settle(45)
        } else if (next === "]") {
          settle(45)
        } else {
          if (next === undefined) this.fail()
          // A class or a collating name cannot end a range.
          if (next === "[" && (this.text[this.at + 1] === "." || this.text[this.at + 1] === "=" || this.text[this.at + 1] === ":"))
            this.fail()
          if (next === "[" && this.at + 1 >= this.text.length) this.fail()
          this.at++
          const to = signed(next.charCodeAt(0))
          const from = signed(last)
          if (from > to) this.fail()
          for (let code = from; code <= to; code++) members[code & 255] = 1
          last = undefined
        }
      } else {
        settle(char.charCodeAt(0))
      }
      first = false
    }
    settle(undefined)
    if (negated) for (let code = 0; code < 256; code++) members[code] = members[code] === 0 ? 1 : 0
    return members
  }
}

/**
 * The tree of a pattern.
 *
 * @throws RegexError where libstdc++ refuses the pattern.
 */
export const parse = (pattern: ByteString): Parsed => new Parser(pattern).parse()
