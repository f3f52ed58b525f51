/**
 * How many columns a text takes on a terminal, and texts cut to a number of columns. Counted by what is seen as one character (grapheme clusters): wide
 * East Asian characters and emoji take two columns, combining marks and joiners none. Texts must be without control characters: see `oneLine`.
 */
import { stripVTControlCharacters } from "node:util"

/** Printable ASCII and what our own trees are drawn with: one unit of the string and one column each. */
const plain = /^[\x20-\x7e\u00b7\u2026\u2193\u2500-\u257f\u25b8\u2717]*$/
/** Made when a text first needs it: it costs twenty milliseconds, which most commands never need. */
let segmenter: Intl.Segmenter | undefined
const graphemesOf = (text: string) => (segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" })).segment(text)
const invisible = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u
const emoji = /^\p{Emoji_Presentation}|^\p{Extended_Pictographic}.*\ufe0f|^[#*0-9]\ufe0f?\u20e3/u

/** First and last of the blocks whose characters are wide (East_Asian_Width W and F), without those that are emoji. */
const wideBlocks: ReadonlyArray<readonly [number, number]> = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18d08],
  [0x1aff0, 0x1b2fb],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd]
]

const graphemeWidth = (grapheme: string): number => {
  if (emoji.test(grapheme)) return 2
  if (invisible.test(grapheme)) return 0
  const point = grapheme.codePointAt(0)!
  return point >= 0x1100 && wideBlocks.some(([first, last]) => point >= first && point <= last) ? 2 : 1
}

/** Columns. */
export const displayWidth = (text: string): number => {
  if (plain.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemesOf(text)) width += graphemeWidth(segment)
  return width
}

/** The text if it fits into `columns`, else as much of it as fits with `mark` (one column wide) behind it. */
export const fitted = (text: string, columns: number, mark: string): string => {
  if (columns <= 0) return ""
  // Each character may take one column at most twice, so long lines need not be measured to their end.
  if (plain.test(text)) return text.length <= columns ? text : text.slice(0, columns - 1) + mark
  let kept = ""
  let width = 0
  let room: string | undefined
  for (const { segment } of graphemesOf(text)) {
    const next = width + graphemeWidth(segment)
    // What would stay if the mark were needed.
    if (room === undefined && next > columns - 1) room = kept
    if (next > columns) return (room ?? kept) + mark
    kept += segment
    width = next
  }
  return kept
}

/** A text from outside as one line of visible characters: what a terminal obeys is gone, also what turns the direction of writing. */
export const oneLine = (text: string): string =>
  stripVTControlCharacters(text)
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, "")
    .replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ")
    .trim()
