/**
 * Hashing a host path without storing it, for evaluation that only computes store paths; and its NAR as it is. Synchronous: runs inside the evaluator's thread.
 */
import { HostTree, type HostTreeOptions } from "../castore/ingest/HostTree.ts"
import { UnsupportedFile } from "../castore/ingest/SourceError.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import * as Crypto from "../nix/Crypto.ts"
import type { Hasher } from "../nix/Crypto.ts"
import type { NixHashAlgorithm } from "../nix/Hash.ts"
import { NarWriter } from "../nix/NarWriter.ts"

export interface HashPathOptions extends HostTreeOptions {
  /** Hash the contents of a regular file instead of a NAR. Default false. */
  readonly flat?: boolean | undefined
  /** Default `sha256`. */
  readonly algorithm?: NixHashAlgorithm | undefined
}

/** What a walk reads into, and what small parts of its NAR are gathered in. */
interface Memory {
  readonly pieces: Uint8Array
  readonly gathered: Uint8Array
}

const pieceSize = 1 << 18

/**
 * Kept from one source to the next. An evaluation hashes hundreds of mostly small ones, and each megabyte of fresh memory has to be cleared and brings the engine's next
 * collection nearer.
 */
let idle: Memory | undefined

const withMemory = <A>(use: (memory: Memory) => A): A => {
  const memory = idle ?? { pieces: new Uint8Array(pieceSize), gathered: new Uint8Array(pieceSize) }
  // A sink may walk another tree.
  idle = undefined
  try {
    return use(memory)
  } finally {
    idle = memory
  }
}

const hashFile = (path: ByteString, hasher: Hasher, options: HashPathOptions): void => {
  const event = new HostTree(path, options).next()
  if (event?._tag !== "File") {
    throw new UnsupportedFile({
      path: toUnicode(path),
      kind: event?._tag === "Symlink" ? "a symlink where a file is needed" : "a directory where a file is needed"
    })
  }
  const { file } = event
  withMemory(({ pieces }) => {
    try {
      for (let count = file.read(pieces); count > 0; count = file.read(pieces)) hasher.update(pieces.subarray(0, count))
      file.check()
    } finally {
      file.close()
    }
  })
}

/** The hash of a NAR of what lies at `path` (as bytes), or of a file's contents. Throws `SourceError`, or `NarError` for a tree that no NAR can hold. */
export const hashPath = (path: ByteString, options: HashPathOptions = {}): Uint8Array => {
  const hasher = Crypto.hasher(options.algorithm ?? "sha256")
  if (options.flat === true) hashFile(path, hasher, options)
  else writeNar(path, (chunk) => hasher.update(chunk), { ...options, reuse: true })
  return Uint8Array.from(hasher.digest())
}

export interface WriteNarOptions extends HostTreeOptions {
  /** Chunks are not kept by the sink; their memory is used again. Default false. */
  readonly reuse?: boolean | undefined
}

/** The NAR of what lies at `path` (as bytes), given to `sink` in chunks. Throws as `hashPath` does, and what the sink throws. */
export const writeNar = (path: ByteString, sink: (chunk: Uint8Array) => void, options: WriteNarOptions = {}): void =>
  withMemory(({ pieces, gathered }) => {
    const reuse = options.reuse === true
    const tree = new HostTree(path, options)
    const writer = new NarWriter(sink, reuse ? { buffer: gathered } : { bufferSize: pieceSize })
    for (let event = tree.next(); event !== undefined; event = tree.next()) {
      switch (event._tag) {
        case "DirectoryStart":
          writer.directoryStart(event.name)
          break
        case "DirectoryEnd":
          writer.directoryEnd()
          break
        case "Symlink":
          writer.symlink(event.name, event.target)
          break
        case "File": {
          const { file } = event
          try {
            writer.fileStart(event.name, file.size, file.executable)
            for (let count = file.read(pieces); count > 0; count = file.read(pieces)) {
              writer.fileData(reuse ? pieces.subarray(0, count) : pieces.slice(0, count))
            }
            file.check()
            writer.fileEnd()
          } finally {
            file.close()
          }
        }
      }
    }
    writer.end()
  })
