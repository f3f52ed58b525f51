/**
 * What the first byte of a token says of it, above the numbers of tokens. Constants of a module, as `Token.ts`. Pure: imports nothing.
 */

/** No token yet, perhaps: a tab, a carriage return, what may begin a comment. */
export const Blank = 64
/** A name, a keyword, or a path or URI that begins like one. */
export const Name = 65
/** The other bytes say more. */
export const Other = 66
