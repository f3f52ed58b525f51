/**
 * The `Range` header of a request (RFC 9110 §14), as far as one range of bytes goes.
 */

/** `whole`: the header is absent, malformed or asks for several ranges, and is to be ignored. */
export type ByteRange = { readonly offset: number; readonly length: number } | "whole" | "unsatisfiable"

/** The range that is asked for of content of `size` bytes. */
export const parseRange = (header: string | undefined, size: number): ByteRange => {
  const match = /^\s*bytes\s*=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header ?? "")
  if (match === null || (match[1] === "" && match[2] === "")) return "whole"
  if (match[1] === "") {
    const length = Math.min(Number(match[2]), size)
    return length === 0 ? "unsatisfiable" : { offset: size - length, length }
  }
  const offset = Number(match[1])
  const last = match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1)
  if (match[2] !== "" && Number(match[2]) < offset) return "whole"
  return offset >= size ? "unsatisfiable" : { offset, length: last - offset + 1 }
}
