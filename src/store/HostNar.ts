/**
 * NARs made into files of the host, as `nix-store --restore` does it: with ordinary permissions, writable. The whole tree or nothing.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { hostPath } from "../castore/ingest/HostTree.ts"
import { type ByteString, fromUnicode } from "../nix/Bytes.ts"
import { NarError, type NarHandler } from "../nix/Nar.ts"
import { NarReader } from "../nix/NarReader.ts"

/** A NAR cannot be unpacked. */
export class RestoreFailed extends Schema.TaggedError<RestoreFailed>()("RestoreFailed", { path: Schema.String, detail: Schema.String }) {
  override get message(): string {
    return `cannot unpack into '${this.path}': ${this.detail}`
  }
}

/** Makes what it is told about below a path that does not exist yet. */
class FileMaker implements NarHandler {
  readonly #directories: Array<ByteString> = []
  readonly #root: ByteString
  #file = -1

  constructor(root: ByteString) {
    this.#root = root
  }

  #at(name: ByteString): ByteString {
    const parent = this.#directories.at(-1)
    return parent === undefined ? this.#root : `${parent}/${name}`
  }

  directoryStart(name: ByteString): void {
    const at = this.#at(name)
    fs.mkdirSync(hostPath(at))
    this.#directories.push(at)
  }

  directoryEnd(): void {
    this.#directories.pop()
  }

  fileStart(name: ByteString, _size: number, executable: boolean): void {
    this.#file = fs.openSync(hostPath(this.#at(name)), "wx", executable ? 0o777 : 0o666)
  }

  fileData(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length;) written += fs.writeSync(this.#file, bytes, written)
  }

  fileEnd(): void {
    this.close()
  }

  symlink(name: ByteString, target: ByteString): void {
    fs.symlinkSync(hostPath(target), hostPath(this.#at(name)))
  }

  close(): void {
    if (this.#file >= 0) fs.closeSync(this.#file)
    this.#file = -1
  }
}

/** Unpacks the NAR that a stream begins with to `destination`, where nothing may be yet. What is made appears there when it is whole. */
export const restoreNar = Effect.fn("store.restore")(function* <E, R>(nar: Stream.Stream<Uint8Array, E, R>, destination: string) {
  const failed = (cause: unknown) =>
    new RestoreFailed({ path: destination, detail: cause instanceof Error ? cause.message : String(cause) })
  const attempt = (run: () => void): Effect.Effect<void, RestoreFailed> =>
    Effect.suspend(() => {
      try {
        run()
        return Effect.void
      } catch (cause) {
        const expected = cause instanceof NarError || (cause instanceof Error && "code" in cause)
        return expected ? Effect.fail(failed(cause)) : Effect.die(cause)
      }
    })
  const absolute = path.resolve(destination)
  const temporary = path.join(path.dirname(absolute), `.${path.basename(absolute)}.${process.pid}`)
  yield* Effect.acquireUseRelease(
    Effect.sync(() => new FileMaker(fromUnicode(temporary))),
    (maker) =>
      Effect.gen(function* () {
        if (fs.lstatSync(absolute, { throwIfNoEntry: false }) !== undefined) return yield* failed("something has this name already")
        const reader = new NarReader(maker)
        // What follows is not part of it: whoever wrote the stream knows what it is.
        yield* Stream.runForEach(nar, (piece) => attempt(() => void reader.pushUntilDone(piece, 0)))
        yield* attempt(() => {
          reader.end()
          fs.renameSync(temporary, absolute)
        })
      }),
    (maker) =>
      Effect.sync(() => {
        maker.close()
        fs.rmSync(temporary, { recursive: true, force: true })
      })
  )
})
