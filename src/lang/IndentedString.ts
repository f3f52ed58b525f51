/**
 * Stripping the indentation of `''…''` strings.
 *
 * The least indentation of all lines that hold something is taken from every line. Only spaces count; antiquotations and escapes
 * (`''$`, `'''`, `''\x`, a lone `$` or `'`) end the indentation of the line they stand on; a last line of spaces only is dropped. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"

/** A piece of an indented string: text as written, text of an escape, or (as the offset of its node) an antiquotation. */
export interface IndentedPiece {
  readonly text: ByteString
  /** Whether the text counts as written: its leading spaces are indentation. */
  readonly plain: boolean
  /** Node offset of an antiquotation, -1 for text. */
  readonly node: number
  readonly start: number
  readonly end: number
}

/** Spaces that all lines share; `Infinity` when no line holds anything. */
const commonIndentation = (pieces: ReadonlyArray<IndentedPiece>): number => {
  let least = Infinity
  let spaces = 0
  let indenting = true
  for (const piece of pieces) {
    if (!piece.plain) {
      if (indenting && spaces < least) least = spaces
      indenting = false
      continue
    }
    const text = piece.text
    let i = 0
    while (i < text.length) {
      if (indenting) {
        const c = text.charCodeAt(i++)
        if (c === 32) spaces++
        else if (c === 10) spaces = 0
        else {
          indenting = false
          if (spaces < least) least = spaces
        }
      } else {
        const newline = text.indexOf("\n", i)
        if (newline < 0) break
        indenting = true
        spaces = 0
        i = newline + 1
      }
    }
  }
  return least
}

const onlySpacesFrom = (text: ByteString, from: number): boolean => {
  for (let i = from; i < text.length; i++) if (text.charCodeAt(i) !== 32) return false
  return true
}

/** The pieces with the common indentation taken away; text pieces that became empty are left out. */
export const stripIndentation = (pieces: ReadonlyArray<IndentedPiece>): Array<IndentedPiece> => {
  const least = commonIndentation(pieces)
  const result: Array<IndentedPiece> = []
  let indenting = true
  let dropped = 0
  for (let n = 0; n < pieces.length; n++) {
    const piece = pieces[n]!
    if (piece.node >= 0) {
      indenting = false
      dropped = 0
      result.push(piece)
      continue
    }
    const text = piece.text
    const length = text.length
    let stripped = ""
    let from = 0
    let i = 0
    while (i < length) {
      if (indenting) {
        while (i < length && dropped < least && text.charCodeAt(i) === 32) {
          i++
          dropped++
        }
        if (i > from) from = i
        while (i < length && text.charCodeAt(i) === 32) {
          i++
          dropped++
        }
        if (i === length) break
        dropped = 0
        if (text.charCodeAt(i) !== 10) indenting = false
        else {
          i++
          // Keep what was collected of this line; the next line's indentation starts here.
          stripped += text.substring(from, i)
          from = i
          continue
        }
      }
      const newline = text.indexOf("\n", i)
      if (newline < 0) {
        i = length
      } else {
        i = newline + 1
        stripped += text.substring(from, i)
        from = i
        indenting = true
        dropped = 0
      }
    }
    stripped += text.substring(from, length)
    if (n === pieces.length - 1) {
      const newline = stripped.lastIndexOf("\n")
      if (newline >= 0 && onlySpacesFrom(stripped, newline + 1)) stripped = stripped.substring(0, newline + 1)
    }
    if (stripped !== "") result.push({ text: stripped, plain: piece.plain, node: -1, start: piece.start, end: piece.end })
  }
  return result
}
