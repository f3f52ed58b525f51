/**
 * The tree of a commit as entries for ingestion: names from `git ls-tree`, contents from one `git cat-file --batch`, as they are in the repository (no filters, no line-end
 * conversion).
 */
import type { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService, type StoredBlob } from "../../castore/blob/BlobService.ts"
import type { CastoreError } from "../../castore/CastoreError.ts"
import { groupBytes, groupEntries, type IngestEntry, smallFileLimit } from "../../castore/ingest/Ingest.ts"
import { type ByteString, fromBytes } from "../../nix/Bytes.ts"
import { failure, type GitFailed, type GitOptions, run, start, stop } from "./GitProcess.ts"

/** A line of `git ls-tree`. */
export interface TreeLine {
  readonly kind: "file" | "executable" | "symlink" | "directory" | "submodule"
  /** Commit of a submodule; blob of a file or symlink. */
  readonly object: string
  /** Relative, `/` between names. */
  readonly path: ByteString
}

/** Symlink targets in a NAR (design §8). */
const targetLimit = 4095

const kinds: Readonly<Record<string, TreeLine["kind"]>> = {
  "040000": "directory",
  "100644": "file",
  "100664": "file",
  "100755": "executable",
  "120000": "symlink",
  "160000": "submodule"
}

/** All that a commit holds, each directory before what lies in it. */
export const listTree = (rev: string, options: GitOptions): Effect.Effect<ReadonlyArray<TreeLine>, GitFailed> =>
  Effect.flatMap(run(["ls-tree", "-r", "-t", "-z", "--full-tree", rev], options), (bytes) => {
    const lines: Array<TreeLine> = []
    for (const line of fromBytes(bytes).split("\0")) {
      if (line === "") continue
      const match = /^([0-7]{6}) \S+ ([0-9a-f]+)\t([\s\S]+)$/.exec(line)
      const kind = match === null ? undefined : kinds[match[1]!]
      if (kind === undefined) return Effect.fail(failure(["ls-tree"], options, `its tree has an entry that is not known: ${line}`))
      if (/(?:^|\/)(?:\.{0,2}|\.git)(?:\/|$)/i.test(match![3]!)) {
        return Effect.fail(failure(["ls-tree"], options, `its tree has an entry with a name that no file may have: ${match![3]!}`))
      }
      lines.push({ kind, object: match![2]!, path: match![3]! })
    }
    return Effect.succeed(lines)
  })

/** Bytes from a stream as they are asked for. */
class Reader {
  readonly #pieces: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(stream: Readable) {
    this.#pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#pieces.next()
    if (done === true) return false
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value])
    return true
  }

  /** At least one byte, at most `limit`; none at the end. */
  async some(limit: number): Promise<Uint8Array> {
    if (this.#rest.length === 0) await this.#more()
    const piece = this.#rest.subarray(0, limit)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }

  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf(10)
      if (end !== -1) {
        const line = this.#rest.toString("latin1", 0, end)
        this.#rest = this.#rest.subarray(end + 1)
        return line
      }
      if (this.#rest.length > 4096 || !(await this.#more())) return undefined
    }
  }

  /** Exactly so many. */
  async bytes(count: number): Promise<Uint8Array | undefined> {
    const whole = Buffer.allocUnsafeSlow(count)
    for (let at = 0; at < count;) {
      const piece = await this.some(count - at)
      if (piece.length === 0) return undefined
      whole.set(piece, at)
      at += piece.length
    }
    return whole
  }
}

/**
 * The entries that the lines make, below `prefix` ("" or ending in `/`), without the root. `lines`: each directory before what lies in it. A submodule is an empty
 * directory.
 */
export const treeEntries = (
  lines: ReadonlyArray<TreeLine>,
  prefix: ByteString,
  options: GitOptions
): Stream.Stream<IngestEntry, GitFailed | CastoreError, BlobService> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const blobs = yield* BlobService
      const args = ["cat-file", "--batch"]
      const child = yield* Effect.acquireRelease(
        Effect.sync(() => start(args, options)),
        stop
      )
      const broken = (what: string) => failure(args, options, what)
      let words = ""
      child.stderr!.setEncoding("latin1").on("data", (text: string) => {
        words = (words + text).slice(-8192)
      })
      child.on("error", (error) => {
        words = failure(args, options, error).detail
      })
      child.stdin!.on("error", () => {
        // It ended early; what it wrote says why.
      })
      const order = [...lines].reverse()
      child.stdin!.end(
        order
          .filter((line) => line.kind !== "directory" && line.kind !== "submodule")
          .map((line) => `${line.object}\n`)
          .join("")
      )
      const reader = new Reader(child.stdout!)
      const read = <A>(what: () => Promise<A | undefined>): Effect.Effect<A, GitFailed> =>
        Effect.flatMap(
          Effect.tryPromise({ try: what, catch: (error) => broken(error instanceof Error ? error.message : String(error)) }),
          (value) =>
            value === undefined ? Effect.fail(broken(words === "" ? "it ended before all files were read" : words)) : Effect.succeed(value)
        )

      /** Reads the object's first line; its size in bytes. */
      const header = (line: TreeLine): Effect.Effect<number, GitFailed> =>
        Effect.flatMap(
          read(() => reader.line()),
          (text) => {
            const match = /^[0-9a-f]+ blob ([0-9]+)$/.exec(text)
            return match === null
              ? Effect.fail(broken(`the contents of '${line.path}' are not in the repository (${text}); it may be a partial clone`))
              : Effect.succeed(Number(match[1]))
          }
        )

      const large = (size: number): Effect.Effect<StoredBlob, GitFailed | CastoreError> =>
        blobs.putStream(
          Stream.paginate(size, (left) =>
            Effect.map(
              read(async () => {
                const piece = await reader.some(Math.min(left, smallFileLimit))
                return piece.length === 0 ? undefined : piece
              }),
              (piece) => [[piece], left === piece.length ? Option.none<number>() : Option.some(left - piece.length)] as const
            )
          )
        )

      const contents = Effect.fnUntraced(function* (size: number) {
        const bytes = size > smallFileLimit ? yield* large(size) : yield* read(() => reader.bytes(size))
        yield* read(() => reader.bytes(1))
        return bytes
      })

      const entry = Effect.fnUntraced(function* (line: TreeLine): Effect.fn.Return<IngestEntry, GitFailed | CastoreError> {
        const path = prefix + line.path
        if (line.kind === "directory" || line.kind === "submodule") return { _tag: "Directory", path }
        const size = yield* header(line)
        if (line.kind !== "symlink") return { _tag: "File", path, executable: line.kind === "executable", contents: yield* contents(size) }
        if (size > targetLimit) return yield* broken(`the target of the symlink '${line.path}' is longer than ${targetLimit} bytes`)
        return { _tag: "Symlink", path, target: fromBytes((yield* contents(size)) as Uint8Array) }
      })

      return Stream.paginate(0, (from) =>
        Effect.gen(function* () {
          const entries: Array<IngestEntry> = []
          let at = from
          for (let bytes = 0; at < order.length && entries.length < groupEntries && bytes < groupBytes; at++) {
            const next = yield* entry(order[at]!)
            if (next._tag === "File" && next.contents instanceof Uint8Array) bytes += next.contents.length
            entries.push(next)
          }
          return [entries, at < order.length ? Option.some(at) : Option.none<number>()] as const
        })
      )
    })
  )
