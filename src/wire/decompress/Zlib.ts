/**
 * gzip, zstd, brotli and bare deflate by `node:zlib`, pulled piece by piece: input is written only when all that the previous input gave was taken, so a bomb
 * fills one piece and waits. The work itself is done on Node's thread pool.
 */
import { constants, createBrotliDecompress, createGunzip, createInflateRaw, createZstdDecompress } from "node:zlib"
import { Malformed } from "./Input.ts"

export type ZlibFormat = "gzip" | "zstd" | "br" | "deflate-raw"

const pieceSize = 128 * 1024

/** zstd windows up to 128 MiB (as `zstd --long`), like the dictionary limit for xz. */
const zstdWindowLog = 27

const make = (format: ZlibFormat) => {
  switch (format) {
    case "gzip":
      return createGunzip({ chunkSize: pieceSize })
    case "zstd":
      return createZstdDecompress({ chunkSize: pieceSize, params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog } })
    case "deflate-raw":
      return createInflateRaw({ chunkSize: pieceSize })
    case "br":
      return createBrotliDecompress({ chunkSize: pieceSize })
  }
}

const describe = (error: NodeJS.ErrnoException): Malformed => {
  if (error.code === "Z_BUF_ERROR" || /unexpected end/i.test(error.message)) return new Malformed("truncated", "the data ends too early")
  if (/window|memory/i.test(`${error.code} ${error.message}`)) {
    return new Malformed("unsupported", `it needs a window of more than ${2 ** zstdWindowLog} bytes`)
  }
  return new Malformed("corrupt", error.message)
}

export class ZlibDecoder {
  private readonly format: ZlibFormat
  private stream: ReturnType<typeof make>
  private failure: NodeJS.ErrnoException | undefined
  private writing = false
  private inputEnded = false
  private ended = false
  private wake: (() => void) | undefined

  constructor(format: ZlibFormat) {
    this.format = format
    this.stream = this.start()
  }

  private start(): ReturnType<typeof make> {
    const stream = make(this.format)
    const notify = () => {
      const wake = this.wake
      this.wake = undefined
      wake?.()
    }
    stream.on("readable", notify)
    stream.on("end", () => {
      this.ended = true
      notify()
    })
    stream.on("error", (error) => {
      this.failure ??= error
      notify()
    })
    return stream
  }

  push(piece: Uint8Array): void {
    this.writing = true
    this.stream.write(piece, () => {
      this.writing = false
      const wake = this.wake
      this.wake = undefined
      wake?.()
    })
  }

  end(): void {
    this.inputEnded = true
    this.stream.end()
  }

  /** The next piece of output, `more` when input is needed, `undefined` at the end. Rejects with `Malformed`. */
  async next(): Promise<Uint8Array | "more" | undefined> {
    for (;;) {
      const piece = this.stream.read() as Buffer | null
      if (piece !== null) return piece
      if (this.failure !== undefined) throw describe(this.failure)
      if (this.ended) return undefined
      if (!this.writing && !this.inputEnded) return "more"
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }

  close(): void {
    this.stream.destroy()
  }
}
