/**
 * LZMA2, the compression inside .xz files.
 *
 * LZMA2 cuts its data into chunks of at most 64 KiB compressed and 2 MiB uncompressed. So a whole chunk is gathered first and then decoded
 * in one go, without asking at each byte whether there is more input; the decoder's state lives in local variables meanwhile, which is what makes it
 * fast (the range decoder's step stands written out at each of its uses for the same reason).
 *
 * The window grows with what was really decoded, up to the dictionary size that the file announces and at most `dictionaryLimit`.
 * Source: the LZMA specification by Igor Pavlov (public domain) and "The .xz File Format" 1.2.0.
 */
import { type Decoder, type Input, Malformed } from "./Input.ts"

/** The largest dictionary that is accepted: 128 MiB, twice that of `xz -9`. */
export const dictionaryLimit = 128 * 1024 * 1024

const largestChunk = 2 * 1024 * 1024

// Where the probabilities of each model stand in one table.
const isMatch = 0 // 12 states × 16 positions
const isRep = 192 // 12
const isRepG0 = 204
const isRepG1 = 216
const isRepG2 = 228
const isRep0Long = 240 // 12 × 16
const posSlot = 432 // 4 × 64
const posSpecial = 688 // 115, used from index 1
const posAlign = 804 // 16
const matchLength = 820 // 2 choices, 16 × 8 low, 16 × 8 mid, 256 high
const repLength = 820 + 514
const literal = 820 + 514 * 2

const initial = 1024

const corrupt = (detail: string): Malformed => new Malformed("corrupt", detail)

export class Lzma2 {
  private readonly dictionarySize: number
  private window = new Uint8Array(0)
  /** Where the next byte goes. */
  private position = 0
  /** First byte of the window that may be referred to. */
  private dictionaryStart = 0
  /** Bytes since the dictionary was reset. */
  private processed = 0
  private probabilities = new Uint16Array(literal)
  private literalContextBits = 0
  private literalPositionBits = 0
  private positionBits = 0
  private state = 0
  private rep0 = 1
  private rep1 = 1
  private rep2 = 1
  private rep3 = 1

  constructor(dictionarySize: number) {
    if (dictionarySize > dictionaryLimit) {
      throw new Malformed("unsupported", `it needs a dictionary of ${dictionarySize} bytes; more than ${dictionaryLimit} is refused`)
    }
    this.dictionarySize = Math.max(4096, dictionarySize)
  }

  /** Decodes up to the end marker. `onInput` is told of the compressed bytes that were used. */
  *decode(input: Input, onInput: (bytes: number) => void): Decoder {
    let needDictionaryReset = true
    let needProperties = true
    for (;;) {
      const control = (yield* input.take(1, "an LZMA2 chunk"))[0]!
      onInput(1)
      if (control === 0) return
      if (control >= 0xe0 || control === 1) {
        needDictionaryReset = false
        // Uncompressed chunks keep the probabilities, but a new dictionary asks for new properties.
        needProperties = true
        this.dictionaryStart = this.position
        this.processed = 0
      } else if (needDictionaryReset) throw corrupt("the first LZMA2 chunk does not reset the dictionary")
      if (control < 0x80) {
        if (control > 2) throw corrupt(`unknown LZMA2 control byte ${control}`)
        const head = yield* input.take(2, "an LZMA2 chunk")
        const size = ((head[0]! << 8) | head[1]!) + 1
        const bytes = yield* input.take(size, "an LZMA2 chunk")
        onInput(2 + size)
        this.reserve(size)
        this.window.set(bytes, this.position)
        yield this.emit(size)
        continue
      }
      const head = yield* input.take(4, "an LZMA2 chunk")
      const size = (((control & 0x1f) << 16) | (head[0]! << 8) | head[1]!) + 1
      const compressed = ((head[2]! << 8) | head[3]!) + 1
      onInput(4)
      if (control >= 0xc0) {
        const properties = (yield* input.take(1, "an LZMA2 chunk"))[0]!
        onInput(1)
        this.setProperties(properties)
        needProperties = false
      } else if (needProperties) throw corrupt("an LZMA2 chunk lacks its properties")
      else if (control >= 0xa0) this.resetState()
      const bytes = yield* input.take(compressed, "an LZMA2 chunk")
      onInput(compressed)
      this.reserve(size)
      this.decodeChunk(bytes, this.position + size)
      this.position -= size
      yield this.emit(size)
    }
  }

  /** Moves on over `size` bytes that stand in the window and gives a copy of them. */
  private emit(size: number): Uint8Array {
    const start = this.position
    this.position += size
    this.processed += size
    return this.window.slice(start, this.position)
  }

  private setProperties(properties: number): void {
    if (properties >= 9 * 5 * 5) throw corrupt(`impossible LZMA properties ${properties}`)
    this.literalContextBits = properties % 9
    const rest = (properties / 9) | 0
    this.literalPositionBits = rest % 5
    this.positionBits = (rest / 5) | 0
    if (this.literalContextBits + this.literalPositionBits > 4) throw corrupt(`impossible LZMA properties ${properties}`)
    const size = literal + (0x300 << (this.literalContextBits + this.literalPositionBits))
    if (this.probabilities.length !== size) this.probabilities = new Uint16Array(size)
    this.resetState()
  }

  private resetState(): void {
    this.probabilities.fill(initial)
    this.state = 0
    this.rep0 = this.rep1 = this.rep2 = this.rep3 = 1
  }

  /** Makes room for `size` more bytes behind the position, keeping the dictionary in front of it. */
  private reserve(size: number): void {
    if (this.position + size <= this.window.length) return
    const largest = this.dictionarySize + Math.max(this.dictionarySize >> 2, 2 * largestChunk)
    if (this.window.length < largest) {
      const length = Math.min(largest, Math.max(2 * this.window.length, this.position + size, 1 << 16))
      if (this.position + size <= length) {
        const window = new Uint8Array(length)
        window.set(this.window.subarray(0, this.position))
        this.window = window
        return
      }
    }
    const shift = this.position - this.dictionarySize
    this.window.copyWithin(0, shift, this.position)
    this.position -= shift
    this.dictionaryStart = Math.max(0, this.dictionaryStart - shift)
  }

  /** Decodes one chunk into the window, from the position to `end`. */
  private decodeChunk(input: Uint8Array, end: number): void {
    const probs = this.probabilities
    const window = this.window
    const positionMask = (1 << this.positionBits) - 1
    const literalPositionMask = (1 << this.literalPositionBits) - 1
    const literalContextBits = this.literalContextBits
    const limit = this.dictionarySize
    const dictionaryStart = this.dictionaryStart
    // Added to a place in the window it gives the number of bytes since the dictionary was reset (only low bits matter).
    const base = this.processed - this.position
    const length = input.length
    let position = this.position
    let state = this.state
    let rep0 = this.rep0
    let rep1 = this.rep1
    let rep2 = this.rep2
    let rep3 = this.rep3
    if (length < 5 || input[0] !== 0) throw corrupt("an LZMA2 chunk begins wrongly")
    let range = -1
    let code = (input[1]! << 24) | (input[2]! << 16) | (input[3]! << 8) | input[4]!
    let at = 5
    let bound = 0
    let prob = 0
    let index = 0

    while (position < end) {
      const positionState = (base + position) & positionMask
      // Reading beyond the chunk gives undefined, that is 0; the check at the end finds it.
      index = isMatch + (state << 4) + positionState
      prob = probs[index]!
      bound = Math.imul(range >>> 11, prob)
      if (code >>> 0 < bound >>> 0) {
        probs[index] = prob + ((2048 - prob) >> 5)
        range = bound
        if ((range & 0xff000000) === 0) {
          range <<= 8
          code = (code << 8) | input[at++]!
        }
        const previous = position > dictionaryStart ? window[position - 1]! : 0
        const context = (((base + position) & literalPositionMask) << literalContextBits) + (previous >> (8 - literalContextBits))
        const table = literal + 0x300 * context
        let symbol = 1
        if (state >= 7) {
          let matched = window[position - rep0]!
          let offset = 0x100
          do {
            matched <<= 1
            const bit = matched & offset
            index = table + offset + bit + symbol
            prob = probs[index]!
            bound = Math.imul(range >>> 11, prob)
            if (code >>> 0 < bound >>> 0) {
              probs[index] = prob + ((2048 - prob) >> 5)
              range = bound
              symbol <<= 1
              offset &= ~bit
            } else {
              probs[index] = prob - (prob >> 5)
              range = (range - bound) | 0
              code = (code - bound) | 0
              symbol = (symbol << 1) | 1
              offset &= bit
            }
            if ((range & 0xff000000) === 0) {
              range <<= 8
              code = (code << 8) | input[at++]!
            }
          } while (symbol < 0x100)
        } else {
          do {
            index = table + symbol
            prob = probs[index]!
            bound = Math.imul(range >>> 11, prob)
            if (code >>> 0 < bound >>> 0) {
              probs[index] = prob + ((2048 - prob) >> 5)
              range = bound
              symbol <<= 1
            } else {
              probs[index] = prob - (prob >> 5)
              range = (range - bound) | 0
              code = (code - bound) | 0
              symbol = (symbol << 1) | 1
            }
            if ((range & 0xff000000) === 0) {
              range <<= 8
              code = (code << 8) | input[at++]!
            }
          } while (symbol < 0x100)
        }
        window[position++] = symbol
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
        continue
      }
      probs[index] = prob - (prob >> 5)
      range = (range - bound) | 0
      code = (code - bound) | 0
      if ((range & 0xff000000) === 0) {
        range <<= 8
        code = (code << 8) | input[at++]!
      }

      let lengthTable = matchLength
      let simpleMatch = false
      index = isRep + state
      prob = probs[index]!
      bound = Math.imul(range >>> 11, prob)
      if (code >>> 0 < bound >>> 0) {
        probs[index] = prob + ((2048 - prob) >> 5)
        range = bound
        simpleMatch = true
      } else {
        probs[index] = prob - (prob >> 5)
        range = (range - bound) | 0
        code = (code - bound) | 0
      }
      if ((range & 0xff000000) === 0) {
        range <<= 8
        code = (code << 8) | input[at++]!
      }

      if (!simpleMatch) {
        lengthTable = repLength
        index = isRepG0 + state
        prob = probs[index]!
        bound = Math.imul(range >>> 11, prob)
        if (code >>> 0 < bound >>> 0) {
          probs[index] = prob + ((2048 - prob) >> 5)
          range = bound
          if ((range & 0xff000000) === 0) {
            range <<= 8
            code = (code << 8) | input[at++]!
          }
          index = isRep0Long + (state << 4) + positionState
          prob = probs[index]!
          bound = Math.imul(range >>> 11, prob)
          if (code >>> 0 < bound >>> 0) {
            probs[index] = prob + ((2048 - prob) >> 5)
            range = bound
            if ((range & 0xff000000) === 0) {
              range <<= 8
              code = (code << 8) | input[at++]!
            }
            if (rep0 > position - dictionaryStart || rep0 > limit) throw corrupt("a match reaches back before the data")
            window[position] = window[position - rep0]!
            position++
            state = state < 7 ? 9 : 11
            continue
          }
          probs[index] = prob - (prob >> 5)
          range = (range - bound) | 0
          code = (code - bound) | 0
          if ((range & 0xff000000) === 0) {
            range <<= 8
            code = (code << 8) | input[at++]!
          }
        } else {
          probs[index] = prob - (prob >> 5)
          range = (range - bound) | 0
          code = (code - bound) | 0
          if ((range & 0xff000000) === 0) {
            range <<= 8
            code = (code << 8) | input[at++]!
          }
          let distance = rep1
          index = isRepG1 + state
          prob = probs[index]!
          bound = Math.imul(range >>> 11, prob)
          if (code >>> 0 < bound >>> 0) {
            probs[index] = prob + ((2048 - prob) >> 5)
            range = bound
          } else {
            probs[index] = prob - (prob >> 5)
            range = (range - bound) | 0
            code = (code - bound) | 0
            if ((range & 0xff000000) === 0) {
              range <<= 8
              code = (code << 8) | input[at++]!
            }
            index = isRepG2 + state
            prob = probs[index]!
            bound = Math.imul(range >>> 11, prob)
            if (code >>> 0 < bound >>> 0) {
              probs[index] = prob + ((2048 - prob) >> 5)
              range = bound
              distance = rep2
            } else {
              probs[index] = prob - (prob >> 5)
              range = (range - bound) | 0
              code = (code - bound) | 0
              distance = rep3
              rep3 = rep2
            }
            rep2 = rep1
          }
          if ((range & 0xff000000) === 0) {
            range <<= 8
            code = (code << 8) | input[at++]!
          }
          rep1 = rep0
          rep0 = distance
        }
      }

      // Length: 2…9, 10…17 or 18…273.
      let tree = lengthTable + 2 + (positionState << 3)
      let leaves = 8
      let count = 2
      index = lengthTable
      prob = probs[index]!
      bound = Math.imul(range >>> 11, prob)
      if (code >>> 0 < bound >>> 0) {
        probs[index] = prob + ((2048 - prob) >> 5)
        range = bound
      } else {
        probs[index] = prob - (prob >> 5)
        range = (range - bound) | 0
        code = (code - bound) | 0
        if ((range & 0xff000000) === 0) {
          range <<= 8
          code = (code << 8) | input[at++]!
        }
        index = lengthTable + 1
        prob = probs[index]!
        bound = Math.imul(range >>> 11, prob)
        if (code >>> 0 < bound >>> 0) {
          probs[index] = prob + ((2048 - prob) >> 5)
          range = bound
          tree += 128
          count = 10
        } else {
          probs[index] = prob - (prob >> 5)
          range = (range - bound) | 0
          code = (code - bound) | 0
          tree = lengthTable + 2 + 256
          leaves = 256
          count = 18
        }
      }
      if ((range & 0xff000000) === 0) {
        range <<= 8
        code = (code << 8) | input[at++]!
      }
      let symbol = 1
      do {
        index = tree + symbol
        prob = probs[index]!
        bound = Math.imul(range >>> 11, prob)
        if (code >>> 0 < bound >>> 0) {
          probs[index] = prob + ((2048 - prob) >> 5)
          range = bound
          symbol <<= 1
        } else {
          probs[index] = prob - (prob >> 5)
          range = (range - bound) | 0
          code = (code - bound) | 0
          symbol = (symbol << 1) | 1
        }
        if ((range & 0xff000000) === 0) {
          range <<= 8
          code = (code << 8) | input[at++]!
        }
      } while (symbol < leaves)
      count += symbol - leaves

      if (simpleMatch) {
        rep3 = rep2
        rep2 = rep1
        rep1 = rep0
        tree = posSlot + ((count < 6 ? count - 2 : 3) << 6)
        symbol = 1
        do {
          index = tree + symbol
          prob = probs[index]!
          bound = Math.imul(range >>> 11, prob)
          if (code >>> 0 < bound >>> 0) {
            probs[index] = prob + ((2048 - prob) >> 5)
            range = bound
            symbol <<= 1
          } else {
            probs[index] = prob - (prob >> 5)
            range = (range - bound) | 0
            code = (code - bound) | 0
            symbol = (symbol << 1) | 1
          }
          if ((range & 0xff000000) === 0) {
            range <<= 8
            code = (code << 8) | input[at++]!
          }
        } while (symbol < 64)
        const slot = symbol - 64
        if (slot < 4) rep0 = slot + 1
        else {
          let bits = (slot >> 1) - 1
          let distance = (2 | (slot & 1)) << bits
          if (slot < 14) {
            tree = posSpecial + distance - slot
          } else {
            let direct = 0
            bits -= 4
            do {
              range >>>= 1
              if (code >>> 0 >= range >>> 0) {
                code = (code - range) | 0
                direct = (direct << 1) | 1
              } else direct <<= 1
              if ((range & 0xff000000) === 0) {
                range <<= 8
                code = (code << 8) | input[at++]!
              }
            } while (--bits > 0)
            distance += direct << 4
            bits = 4
            tree = posAlign
          }
          symbol = 1
          for (let bit = 0; bit < bits; bit++) {
            index = tree + symbol
            prob = probs[index]!
            bound = Math.imul(range >>> 11, prob)
            if (code >>> 0 < bound >>> 0) {
              probs[index] = prob + ((2048 - prob) >> 5)
              range = bound
              symbol <<= 1
            } else {
              probs[index] = prob - (prob >> 5)
              range = (range - bound) | 0
              code = (code - bound) | 0
              symbol = (symbol << 1) | 1
              distance += 1 << bit
            }
            if ((range & 0xff000000) === 0) {
              range <<= 8
              code = (code << 8) | input[at++]!
            }
          }
          rep0 = (distance >>> 0) + 1
        }
        state = state < 7 ? 7 : 10
      } else state = state < 7 ? 8 : 11

      if (rep0 > position - dictionaryStart || rep0 > limit) throw corrupt("a match reaches back before the data")
      const stop = position + count
      if (stop > end) throw corrupt("a match reaches beyond its chunk")
      for (let from = position - rep0; position < stop; from++, position++) window[position] = window[from]!
    }
    if (at !== length || code !== 0) throw corrupt("an LZMA2 chunk ends wrongly")
    this.position = position
    this.state = state
    this.rep0 = rep0
    this.rep1 = rep1
    this.rep2 = rep2
    this.rep3 = rep3
  }
}
