/**
 * Telling keywords from names, without making strings. Pure.
 */
import * as Token from "./Token.ts"

/** Bytes of the longest keyword. */
export const longestKeyword = 7

const isKeyword = (bytes: Uint8Array, start: number, second: number, third: number, fourth: number): boolean =>
  bytes[start + 1] === second && bytes[start + 2] === third && bytes[start + 3] === fourth

/** The keyword in a run of name bytes, or `Token.Identifier`. */
export const keyword = (bytes: Uint8Array, start: number, length: number): number => {
  switch (bytes[start]) {
    case 97: // assert
      if (length === 6 && isKeyword(bytes, start, 115, 115, 101) && bytes[start + 4] === 114 && bytes[start + 5] === 116)
        return Token.Assert
      break
    case 101: // else
      if (length === 4 && isKeyword(bytes, start, 108, 115, 101)) return Token.Else
      break
    case 105: // if, in, inherit
      if (length === 2) {
        if (bytes[start + 1] === 110) return Token.In
        if (bytes[start + 1] === 102) return Token.If
      } else if (
        length === 7 &&
        isKeyword(bytes, start, 110, 104, 101) &&
        bytes[start + 4] === 114 &&
        bytes[start + 5] === 105 &&
        bytes[start + 6] === 116
      ) {
        return Token.Inherit
      }
      break
    case 108: // let
      if (length === 3 && bytes[start + 1] === 101 && bytes[start + 2] === 116) return Token.Let
      break
    case 111: // or
      if (length === 2 && bytes[start + 1] === 114) return Token.OrWord
      break
    case 114: // rec
      if (length === 3 && bytes[start + 1] === 101 && bytes[start + 2] === 99) return Token.Rec
      break
    case 116: // then
      if (length === 4 && isKeyword(bytes, start, 104, 101, 110)) return Token.Then
      break
    case 119: // with
      if (length === 4 && isKeyword(bytes, start, 105, 116, 104)) return Token.With
      break
  }
  return Token.Identifier
}
