/**
 * How a piece of text inside a string or path ended.
 *
 * Constants of a module, not an object's: then the bundler writes the numbers where they are used. Pure: imports nothing.
 */

/** At the closing quote, or after the last byte of a path. */
export const Close = 0
/** At `${`. */
export const Interpolation = 1
/** At the end of the source. */
export const End = 2
/** More text of the same string follows as a piece of its own (escapes in indented strings, `a//b` in paths). */
export const Text = 3
