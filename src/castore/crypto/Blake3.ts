/**
 * BLAKE3-256 in plain TypeScript: what hosts fall back on where no native code loads and no WebAssembly is ready.
 *
 * Its worth is that it is always there, at once: nothing that needs a digest ever has to wait for a module to load. Some twenty times slower than the native one.
 * Source: the BLAKE3 paper, §2 (chunks of 1 KiB, blocks of 64 bytes, a binary tree whose left sides are full).
 */

const iv = Int32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19)

/** The message word order of each of the seven rounds. */
const schedule = ((): Uint8Array => {
  const permutation = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
  const rounds = new Uint8Array(7 * 16)
  let order = Array.from({ length: 16 }, (_, i) => i)
  for (let round = 0; round < 7; round++) {
    rounds.set(order, round * 16)
    order = permutation.map((from) => order[from]!)
  }
  return rounds
})()

const chunkStart = 1
const chunkEnd = 2
const parent = 4
const root = 8

const chunkLength = 1024
const blockLength = 64

/**
 * The compression function. Reads 16 words of `message`, the chaining value at `cv[cvAt..]`, and writes the first eight words of the result to `out[outAt..]`,
 * which may be the same place.
 */
const compress = (
  cv: Int32Array,
  cvAt: number,
  m: Int32Array,
  counter: number,
  length: number,
  flags: number,
  out: Int32Array,
  outAt: number
): void => {
  let v0 = cv[cvAt]!
  let v1 = cv[cvAt + 1]!
  let v2 = cv[cvAt + 2]!
  let v3 = cv[cvAt + 3]!
  let v4 = cv[cvAt + 4]!
  let v5 = cv[cvAt + 5]!
  let v6 = cv[cvAt + 6]!
  let v7 = cv[cvAt + 7]!
  let v8 = 0x6a09e667
  let v9 = 0xbb67ae85 | 0
  let v10 = 0x3c6ef372
  let v11 = 0xa54ff53a | 0
  let v12 = counter | 0
  let v13 = Math.floor(counter / 0x1_0000_0000) | 0
  let v14 = length
  let v15 = flags
  for (let r = 0; r < 112; r += 16) {
    v0 = (v0 + v4 + m[schedule[r]!]!) | 0
    v12 ^= v0
    v12 = (v12 >>> 16) | (v12 << 16)
    v8 = (v8 + v12) | 0
    v4 ^= v8
    v4 = (v4 >>> 12) | (v4 << 20)
    v0 = (v0 + v4 + m[schedule[r + 1]!]!) | 0
    v12 ^= v0
    v12 = (v12 >>> 8) | (v12 << 24)
    v8 = (v8 + v12) | 0
    v4 ^= v8
    v4 = (v4 >>> 7) | (v4 << 25)

    v1 = (v1 + v5 + m[schedule[r + 2]!]!) | 0
    v13 ^= v1
    v13 = (v13 >>> 16) | (v13 << 16)
    v9 = (v9 + v13) | 0
    v5 ^= v9
    v5 = (v5 >>> 12) | (v5 << 20)
    v1 = (v1 + v5 + m[schedule[r + 3]!]!) | 0
    v13 ^= v1
    v13 = (v13 >>> 8) | (v13 << 24)
    v9 = (v9 + v13) | 0
    v5 ^= v9
    v5 = (v5 >>> 7) | (v5 << 25)

    v2 = (v2 + v6 + m[schedule[r + 4]!]!) | 0
    v14 ^= v2
    v14 = (v14 >>> 16) | (v14 << 16)
    v10 = (v10 + v14) | 0
    v6 ^= v10
    v6 = (v6 >>> 12) | (v6 << 20)
    v2 = (v2 + v6 + m[schedule[r + 5]!]!) | 0
    v14 ^= v2
    v14 = (v14 >>> 8) | (v14 << 24)
    v10 = (v10 + v14) | 0
    v6 ^= v10
    v6 = (v6 >>> 7) | (v6 << 25)

    v3 = (v3 + v7 + m[schedule[r + 6]!]!) | 0
    v15 ^= v3
    v15 = (v15 >>> 16) | (v15 << 16)
    v11 = (v11 + v15) | 0
    v7 ^= v11
    v7 = (v7 >>> 12) | (v7 << 20)
    v3 = (v3 + v7 + m[schedule[r + 7]!]!) | 0
    v15 ^= v3
    v15 = (v15 >>> 8) | (v15 << 24)
    v11 = (v11 + v15) | 0
    v7 ^= v11
    v7 = (v7 >>> 7) | (v7 << 25)

    v0 = (v0 + v5 + m[schedule[r + 8]!]!) | 0
    v15 ^= v0
    v15 = (v15 >>> 16) | (v15 << 16)
    v10 = (v10 + v15) | 0
    v5 ^= v10
    v5 = (v5 >>> 12) | (v5 << 20)
    v0 = (v0 + v5 + m[schedule[r + 9]!]!) | 0
    v15 ^= v0
    v15 = (v15 >>> 8) | (v15 << 24)
    v10 = (v10 + v15) | 0
    v5 ^= v10
    v5 = (v5 >>> 7) | (v5 << 25)

    v1 = (v1 + v6 + m[schedule[r + 10]!]!) | 0
    v12 ^= v1
    v12 = (v12 >>> 16) | (v12 << 16)
    v11 = (v11 + v12) | 0
    v6 ^= v11
    v6 = (v6 >>> 12) | (v6 << 20)
    v1 = (v1 + v6 + m[schedule[r + 11]!]!) | 0
    v12 ^= v1
    v12 = (v12 >>> 8) | (v12 << 24)
    v11 = (v11 + v12) | 0
    v6 ^= v11
    v6 = (v6 >>> 7) | (v6 << 25)

    v2 = (v2 + v7 + m[schedule[r + 12]!]!) | 0
    v13 ^= v2
    v13 = (v13 >>> 16) | (v13 << 16)
    v8 = (v8 + v13) | 0
    v7 ^= v8
    v7 = (v7 >>> 12) | (v7 << 20)
    v2 = (v2 + v7 + m[schedule[r + 13]!]!) | 0
    v13 ^= v2
    v13 = (v13 >>> 8) | (v13 << 24)
    v8 = (v8 + v13) | 0
    v7 ^= v8
    v7 = (v7 >>> 7) | (v7 << 25)

    v3 = (v3 + v4 + m[schedule[r + 14]!]!) | 0
    v14 ^= v3
    v14 = (v14 >>> 16) | (v14 << 16)
    v9 = (v9 + v14) | 0
    v4 ^= v9
    v4 = (v4 >>> 12) | (v4 << 20)
    v3 = (v3 + v4 + m[schedule[r + 15]!]!) | 0
    v14 ^= v3
    v14 = (v14 >>> 8) | (v14 << 24)
    v9 = (v9 + v14) | 0
    v4 ^= v9
    v4 = (v4 >>> 7) | (v4 << 25)
  }
  out[outAt] = v0 ^ v8
  out[outAt + 1] = v1 ^ v9
  out[outAt + 2] = v2 ^ v10
  out[outAt + 3] = v3 ^ v11
  out[outAt + 4] = v4 ^ v12
  out[outAt + 5] = v5 ^ v13
  out[outAt + 6] = v6 ^ v14
  out[outAt + 7] = v7 ^ v15
}

/** An incremental BLAKE3-256; `digest` may be called once. */
export class Blake3 {
  private readonly block = new Uint8Array(blockLength)
  private readonly words = new Int32Array(16)
  private blockUsed = 0
  private blocks = 0
  /** Chunks completed. */
  private chunks = 0
  private readonly cv = new Int32Array(8)
  /** Chaining values of completed left subtrees, eight words each: at most 54 levels below 2^64 bytes. */
  private readonly stack = new Int32Array(54 * 8)
  private height = 0

  constructor() {
    this.cv.set(iv)
  }

  update(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      // The last block of a chunk, and of all, is compressed with other flags: so a full block waits until more comes.
      if (this.blockUsed === blockLength) this.flushBlock()
      const taken = Math.min(blockLength - this.blockUsed, bytes.length - at)
      for (let i = 0; i < taken; i++) this.block[this.blockUsed + i] = bytes[at + i]!
      this.blockUsed += taken
      at += taken
    }
  }

  digest(): Uint8Array {
    const words = this.words
    this.load()
    const flags = chunkEnd | (this.blocks === 0 ? chunkStart : 0)
    if (this.height === 0) {
      compress(this.cv, 0, words, this.chunks, this.blockUsed, flags | root, this.cv, 0)
      return this.bytes()
    }
    compress(this.cv, 0, words, this.chunks, this.blockUsed, flags, this.cv, 0)
    while (this.height > 0) {
      this.height--
      words.set(this.stack.subarray(this.height * 8, this.height * 8 + 8), 0)
      words.set(this.cv, 8)
      compress(iv, 0, words, 0, blockLength, this.height === 0 ? parent | root : parent, this.cv, 0)
    }
    return this.bytes()
  }

  private bytes(): Uint8Array {
    const digest = new Uint8Array(32)
    for (let i = 0; i < 8; i++) {
      const word = this.cv[i]!
      digest[4 * i] = word
      digest[4 * i + 1] = word >>> 8
      digest[4 * i + 2] = word >>> 16
      digest[4 * i + 3] = word >>> 24
    }
    return digest
  }

  /** The block as words, zeros after its end. */
  private load(): void {
    const { block, words } = this
    block.fill(0, this.blockUsed)
    for (let i = 0; i < 16; i++) {
      words[i] = block[4 * i]! | (block[4 * i + 1]! << 8) | (block[4 * i + 2]! << 16) | (block[4 * i + 3]! << 24)
    }
  }

  private flushBlock(): void {
    this.load()
    this.blockUsed = 0
    const first = this.blocks === 0 ? chunkStart : 0
    if (this.blocks < chunkLength / blockLength - 1) {
      compress(this.cv, 0, this.words, this.chunks, blockLength, first, this.cv, 0)
      this.blocks++
      return
    }
    compress(this.cv, 0, this.words, this.chunks, blockLength, chunkEnd, this.cv, 0)
    this.blocks = 0
    this.chunks++
    // As many subtrees are full now as the number of chunks has trailing zero bits.
    for (let count = this.chunks; count % 2 === 0; count /= 2) {
      this.height--
      this.words.set(this.stack.subarray(this.height * 8, this.height * 8 + 8), 0)
      this.words.set(this.cv, 8)
      compress(iv, 0, this.words, 0, blockLength, parent, this.cv, 0)
    }
    this.stack.set(this.cv, this.height * 8)
    this.height++
    this.cv.set(iv)
  }
}
