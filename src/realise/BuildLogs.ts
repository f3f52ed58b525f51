/**
 * Logs of builds, kept for `yix log`: one file per derivation under the store's log directory, compressed with zstd.
 *
 * Promises: what a builder wrote before it, or this process, was killed is readable up to the last full block; a log that cannot be written never
 * fails a build; memory is bounded. On disk: `<directory>/<first two characters of the hash>/<rest of the base name>.zst`, consecutive zstd frames.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as zlib from "node:zlib"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { storeDir, type StorePath } from "../nix/StorePath.ts"

/** A log that is being written. */
export interface OpenLog {
  /** Takes a copy. */
  append(bytes: Uint8Array): void
}

export class BuildLogs extends Context.Service<
  BuildLogs,
  {
    /** Starts the log of a build, in place of an earlier one. Complete when the scope closes. */
    open(drvPath: StorePath): Effect.Effect<OpenLog, never, Scope.Scope>
    /** The log's bytes, uncompressed; `undefined` when there is none. A torn last block is left out. */
    read(drvPath: StorePath): Effect.Effect<Uint8Array | undefined>
  }
>()("yix/realise/BuildLogs") {}

/** Bytes that wait in memory before they are compressed and written. */
const blockSize = 256 * 1024

const logFile = (directory: string, drvPath: StorePath): string => {
  const base = drvPath.slice(storeDir.length + 1)
  return path.join(directory, base.slice(0, 2), `${base.slice(2)}.zst`)
}

/** Frames are independent, so a torn end costs only itself. */
const decompress = (bytes: Uint8Array): Uint8Array => {
  try {
    return zlib.zstdDecompressSync(bytes, { maxOutputLength: 1 << 30 })
  } catch {
    return decompressFrames(bytes)
  }
}

const magic = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)

const decompressFrames = (bytes: Uint8Array): Uint8Array => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const parts: Array<Uint8Array> = []
  let start = 0
  let end = buffer.indexOf(magic, 1)
  while (start < buffer.length) {
    const stop = end === -1 ? buffer.length : end
    try {
      parts.push(zlib.zstdDecompressSync(buffer.subarray(start, stop)))
      start = stop
    } catch {
      // The four bytes may occur inside a frame: try again with a longer piece. The last piece may be torn.
      if (end === -1) break
    }
    end = end === -1 ? -1 : buffer.indexOf(magic, stop + 1)
  }
  return Buffer.concat(parts)
}

class FileLog implements OpenLog {
  #fd: number | undefined
  #block = Buffer.allocUnsafe(blockSize)
  #used = 0

  constructor(file: string) {
    try {
      fs.mkdirSync(path.dirname(file), { recursive: true })
      this.#fd = fs.openSync(file, "w")
    } catch {
      this.#fd = undefined
    }
  }

  append(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length && this.#fd !== undefined;) {
      const size = Math.min(bytes.length - offset, blockSize - this.#used)
      this.#block.set(bytes.subarray(offset, offset + size), this.#used)
      this.#used += size
      offset += size
      if (this.#used === blockSize) this.#flush()
    }
  }

  #flush(): void {
    if (this.#fd === undefined || this.#used === 0) return
    try {
      const frame = zlib.zstdCompressSync(this.#block.subarray(0, this.#used))
      for (let written = 0; written < frame.length;) written += fs.writeSync(this.#fd, frame, written)
    } catch {
      this.#closeFile()
    }
    this.#used = 0
  }

  #closeFile(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd)
    this.#fd = undefined
  }

  close(): void {
    this.#flush()
    this.#closeFile()
  }
}

/** Logs in files below `directory`, which is made when the first log is. */
export const layerDirectory = (directory: string): Layer.Layer<BuildLogs> =>
  Layer.succeed(BuildLogs, {
    open: (drvPath) =>
      Effect.acquireRelease(
        Effect.sync(() => new FileLog(logFile(directory, drvPath))),
        (log) => Effect.sync(() => log.close())
      ),
    read: (drvPath) =>
      Effect.sync(() => {
        try {
          return decompress(fs.readFileSync(logFile(directory, drvPath)))
        } catch {
          return undefined
        }
      })
  })

/** Logs in memory, for stores without a directory and for tests. */
export const layerMemory: Layer.Layer<BuildLogs> = Layer.sync(BuildLogs, () => {
  const logs = new Map<StorePath, Array<Uint8Array>>()
  return {
    open: (drvPath) =>
      Effect.sync(() => {
        const parts: Array<Uint8Array> = []
        logs.set(drvPath, parts)
        return { append: (bytes) => void parts.push(bytes.slice()) }
      }),
    read: (drvPath) =>
      Effect.sync(() => {
        const parts = logs.get(drvPath)
        return parts === undefined ? undefined : Buffer.concat(parts)
      })
  }
})
