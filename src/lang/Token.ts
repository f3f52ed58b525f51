/**
 * The tokens of Nix and how error messages call them.
 *
 * The numbers follow the order in which Nix's own messages list alternatives ("expecting '.' or '='"), so that a sorted list of
 * tokens reads like Nix's. Constants of a module, not an object's: then the bundler writes the numbers where they are used. Pure: imports nothing.
 */

export const End = 0
/** A byte that starts no token. */
export const Invalid = 1
export const Identifier = 2
export const StringText = 3
export const IndentedText = 4
export const Integer = 5
export const Float = 6
export const Path = 7
export const HomePath = 8
export const SearchPath = 9
export const PathEnd = 10
export const Uri = 11
export const If = 12
export const Then = 13
export const Else = 14
export const Assert = 15
export const With = 16
export const Let = 17
export const In = 18
export const Rec = 19
export const Inherit = 20
export const Equal = 21
export const NotEqual = 22
export const LessOrEqual = 23
export const GreaterOrEqual = 24
export const Update = 25
export const Concat = 26
export const And = 27
export const Or = 28
export const Implies = 29
/** The word `or`: an identifier of its own kind. */
export const OrWord = 30
export const PipeFrom = 31
export const PipeInto = 32
/** `${` */
export const Interpolate = 33
export const IndentedOpen = 34
export const IndentedClose = 35
export const Ellipsis = 36
export const Less = 37
export const Greater = 38
export const Plus = 39
export const Minus = 40
export const Star = 41
export const Slash = 42
export const Question = 43
export const Colon = 44
export const At = 45
export const Semicolon = 46
export const Not = 47
export const Dot = 48
export const Quote = 49
export const OpenParen = 50
export const CloseParen = 51
export const OpenBrace = 52
export const CloseBrace = 53
export const OpenBracket = 54
export const CloseBracket = 55
export const Assign = 56
export const Comma = 57

/** Names of the tokens in messages, by token number; byte strings (an ellipsis is three bytes). */
export const tokenNames: ReadonlyArray<string> = [
  "end of file",
  "invalid token",
  "identifier",
  "string",
  "indented string",
  "integer",
  "floating-point literal",
  "path",
  "'~/\xe2\x80\xa6' path",
  "'<\xe2\x80\xa6>' path",
  "end of path",
  "URI",
  "'if'",
  "'then'",
  "'else'",
  "'assert'",
  "'with'",
  "'let'",
  "'in'",
  "'rec'",
  "'inherit'",
  "'=='",
  "'!='",
  "'<='",
  "'>='",
  "'//'",
  "'++'",
  "'&&'",
  "'||'",
  "'->'",
  "'or'",
  "'<|'",
  "'|>'",
  "'${'",
  "start of an indented string",
  "end of an indented string",
  "'...'",
  "'<'",
  "'>'",
  "'+'",
  "'-'",
  "'*'",
  "'/'",
  "'?'",
  "':'",
  "'@'",
  "';'",
  "'!'",
  "'.'",
  "'\"'",
  "'('",
  "')'",
  "'{'",
  "'}'",
  "'['",
  "']'",
  "'='",
  "','"
]
