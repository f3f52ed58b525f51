/**
 * What TOML 1.1 allows and 1.0, which Nix reads, does not: the parser underneath takes both.
 *
 * Those are the escapes `\e` and `\x…`, times without seconds, and in inline tables a comma at the end, line ends and comments. Pure.
 */

const newer = /\\[ex]|\{|\d\d:\d\d/

/** A string in any of its notations, a comment, a time, or a sign that opens, closes or separates; what is unfinished ends with the text. */
const token =
  /"""(?:[^\\]|\\[^])*?(?:"{3,5}|$)|'''[^]*?(?:'{3,5}|$)|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|#[^\n]*|[+-]\d\d:\d\d|\d\d:\d\d(?::\d\d)?|[[\]{},\n]|[^\s"'#[\]{},\d]+|\d/g

/** The mistake in Nix's words; undefined for a text that has none of these. */
export const newerThanToml10 = (text: string): string | undefined => {
  if (!newer.test(text)) return undefined
  const open: Array<string> = []
  let last = ""
  for (const [found] of text.matchAll(token)) {
    const inTable = open.at(-1) === "{"
    switch (found[0]) {
      case '"': {
        if (!/^(?:[^\\]|\\[^ex])*$/.test(found)) {
          return `[error] toml::parse_${found.startsWith('"""') ? "ml_" : ""}basic_string: invalid string format`
        }
        break
      }
      case "#":
      case "\n":
        if (inTable) return "[error] toml::parse_inline_table: expected value-separator `,` or closing `}`"
        continue
      case "[":
      case "{":
        open.push(found)
        break
      case "]":
      case "}":
        if (found === "}" && inTable && last === ",")
          return "[error] toml::parse_inline_table: trailing comma is not allowed in TOML-v1.0.0)"
        open.pop()
        break
      default:
        if (/^\d\d:\d\d$/.test(found)) return "[error] bad time: must be HH:MM:SS.subsec"
    }
    last = found
  }
  return undefined
}
