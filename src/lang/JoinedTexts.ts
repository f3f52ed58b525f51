/**
 * Texts one after the other in one text, cut out of it when somebody asks for them. The names of a file that was kept are mostly known already from other
 * files: they are compared where they stand, and no string is made of them. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"

export class JoinedTexts {
  readonly text: ByteString
  /** Where each ends. The first starts at 0, each other where that before it ends. */
  readonly ends: Int32Array
  private cut: ReadonlyArray<ByteString> | undefined = undefined

  constructor(text: ByteString, ends: Int32Array) {
    this.text = text
    this.ends = ends
  }

  private start(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1]!
  }

  at(index: number): ByteString {
    return this.text.substring(this.start(index), this.ends[index]!)
  }

  /** All of them, cut once. */
  all(): ReadonlyArray<ByteString> {
    if (this.cut !== undefined) return this.cut
    const texts = new Array<ByteString>(this.ends.length)
    for (let index = 0; index < texts.length; index++) texts[index] = this.at(index)
    this.cut = texts
    return texts
  }
}

/** The texts that end there in `text`; `undefined` where the last one does not end with it. */
export const joinedTexts = (text: ByteString, ends: Int32Array): JoinedTexts | undefined =>
  (ends.length === 0 ? 0 : ends[ends.length - 1]) === text.length ? new JoinedTexts(text, ends) : undefined

/** Whether each text ends at or after the one before it. */
export const areInOrder = ({ ends }: JoinedTexts): boolean => {
  let before = 0
  for (const end of ends) {
    if (end < before) return false
    before = end
  }
  return true
}
