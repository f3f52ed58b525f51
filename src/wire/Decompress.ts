/**
 * Decompression as a stream transform: gzip, bzip2, xz, zstd and brotli, recognised by their first bytes or named.
 *
 * Promises: memory is bounded whatever the data says (input is taken only when the output so far was taken; dictionaries are limited); output never
 * passes `maxBytes`; damaged, cut-off and unsupported data end in an error that says which; the main thread is given back after every few milliseconds of
 * decoding (of bzip2: after every block, which takes 100 to 500 ms). Decoders are loaded when they are needed.
 *
 * It stands in `wire` because both the substituters of `store` and the fetchers of `fetch` need it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Decoder, Input, Malformed } from "./decompress/Input.ts"
import type { ZlibDecoder, ZlibFormat } from "./decompress/Zlib.ts"

/** `deflate-raw` is what zip files have inside. */
export type Compression = "none" | "gzip" | "bzip2" | "xz" | "zstd" | "br" | "deflate-raw"

/** Compressed data that cannot be decoded. */
export class Undecodable extends Schema.TaggedError<Undecodable>()("Undecodable", {
  /** What was being decoded: an address or a path. */
  source: Schema.String,
  format: Schema.String,
  reason: Schema.Literals(["corrupt", "truncated", "unsupported"]),
  detail: Schema.String
}) {
  override get message(): string {
    const hint =
      this.reason === "truncated"
        ? "fetch it again"
        : this.reason === "corrupt"
          ? "fetch it again; if that does not help it is damaged where it lies"
          : "compress it another way (gzip, bzip2, xz and zstd are known)"
    return `'${this.source}' cannot be decompressed (${this.format}): ${this.detail}; ${hint}`
  }
}

/** Compressed data that unfolds to more than is allowed. */
export class ExpandsTooFar extends Schema.TaggedError<ExpandsTooFar>()("ExpandsTooFar", {
  source: Schema.String,
  format: Schema.String,
  /** Bytes. */
  limit: Schema.Finite
}) {
  override get message(): string {
    return `'${this.source}' (${this.format}) decompresses to more than the ${this.limit} bytes that are allowed here`
  }
}

export type DecompressError = Undecodable | ExpandsTooFar

/** How many first bytes `detect` wants to see. */
export const magicLength = 6

const startsWith = (bytes: Uint8Array, ...magic: ReadonlyArray<number>): boolean =>
  bytes.length >= magic.length && magic.every((byte, i) => bytes[i] === byte)

/** The compression that the first bytes tell; `none` when they tell nothing. Brotli and bare deflate cannot be told. */
export const detect = (head: Uint8Array): Exclude<Compression, "br" | "deflate-raw"> => {
  if (startsWith(head, 0x1f, 0x8b)) return "gzip"
  if (startsWith(head, 0x42, 0x5a, 0x68) && head[3]! >= 0x31 && head[3]! <= 0x39) return "bzip2"
  if (startsWith(head, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "xz"
  if (startsWith(head, 0x28, 0xb5, 0x2f, 0xfd)) return "zstd"
  // A skippable frame may come before the first zstd frame (pzstd writes one).
  if (head.length >= 4 && head[0]! >> 4 === 5 && startsWith(head.subarray(1), 0x2a, 0x4d, 0x18)) return "zstd"
  return "none"
}

/** Compressions that are recognised only to be refused by name. */
const refused = (head: Uint8Array): string | undefined => {
  if (startsWith(head, 0x4c, 0x5a, 0x49, 0x50)) return "lzip"
  if (startsWith(head, 0x1f, 0x9d)) return "compress (.Z)"
  if (startsWith(head, 0x04, 0x22, 0x4d, 0x18)) return "lz4"
  if (startsWith(head, 0x5d, 0x00, 0x00) && (head[3] === 0) !== (head[4] === 0)) return "lzma"
  return undefined
}

/** What all decoders look like from here. */
interface Machine {
  /** A piece of output, `more` when input is wanted, `undefined` at the end. */
  next(): Uint8Array | "more" | undefined | Promise<Uint8Array | "more" | undefined>
  push(piece: Uint8Array): void
  end(): void
  close(): void
}

const fromGenerator = (decode: (input: Input) => Decoder): Machine => {
  const input = new Input()
  const decoder = decode(input)
  return {
    next: () => {
      const { done, value } = decoder.next()
      return done === true ? undefined : (value ?? "more")
    },
    push: (piece) => input.push(piece),
    end: () => input.end(),
    close: () => {}
  }
}

const load = async (compression: Exclude<Compression, "none">): Promise<Machine> => {
  switch (compression) {
    case "xz":
      return fromGenerator(await (await import("./decompress/Xz.ts")).loadXz())
    case "bzip2":
      return fromGenerator((await import("./decompress/Bzip2.ts")).decodeBzip2)
    default: {
      const { ZlibDecoder } = await import("./decompress/Zlib.ts")
      return new ZlibDecoder(compression satisfies ZlibFormat) satisfies ZlibDecoder
    }
  }
}

/** Milliseconds of decoding after which others get their turn. */
const turn = 5

/** How much is handed to a decoder at once. */
const inputPiece = 64 * 1024

export interface DecompressOptions {
  /** What is being decoded, for error messages. */
  readonly source: string
  /** `auto` looks at the first bytes and lets through what is not compressed. */
  readonly compression: Compression | "auto"
  /** The output must not be longer. Unlimited when absent. */
  readonly maxBytes?: number | undefined
}

/** The decompressed bytes of a stream, in pieces of at most some megabytes. An empty stream under `auto` stays empty. */
export const decompress =
  (options: DecompressOptions) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | DecompressError, R> =>
    Stream.transformPull(self, (upstream, scope) =>
      Effect.gen(function* () {
        const { source, maxBytes } = options
        let format: Compression | undefined = options.compression === "auto" ? undefined : options.compression
        let machine: Machine | undefined
        /** Input that was not handed to the decoder yet. */
        const waiting: Array<Uint8Array> = []
        let upstreamEnded = false
        let total = 0
        let turnEnds = performance.now() + turn
        yield* Effect.addFinalizer(() => Effect.sync(() => machine?.close())).pipe(Effect.provideService(Scope.Scope, scope))

        const pullMore: Effect.Effect<void, E> = upstream.pipe(
          Effect.map((pieces) => {
            for (const piece of pieces) {
              for (let at = 0; at < piece.length; at += inputPiece) waiting.push(piece.subarray(at, at + inputPiece))
            }
          }),
          Effect.catch((error) =>
            Cause.isDone(error)
              ? Effect.sync(() => {
                  upstreamEnded = true
                })
              : Effect.fail(error as E)
          )
        )

        const failed = (error: unknown): Undecodable =>
          error instanceof Malformed
            ? new Undecodable({ source, format: format!, reason: error.kind, detail: error.message })
            : new Undecodable({ source, format: format!, reason: "corrupt", detail: String(error) })

        const recognise = Effect.gen(function* () {
          let size = 0
          for (;;) {
            size = waiting.reduce((sum, piece) => sum + piece.length, 0)
            if (size >= magicLength || upstreamEnded) break
            yield* pullMore
          }
          const head = new Uint8Array(Math.min(size, magicLength))
          let at = 0
          for (const piece of waiting) {
            if (at === head.length) break
            const part = piece.subarray(0, head.length - at)
            head.set(part, at)
            at += part.length
          }
          format = detect(head)
          const name = format === "none" ? refused(head) : undefined
          if (name !== undefined) {
            return yield* new Undecodable({ source, format: name, reason: "unsupported", detail: `${name} is not supported` })
          }
        })

        const count = (piece: Uint8Array): Effect.Effect<readonly [Uint8Array], ExpandsTooFar> => {
          total += piece.length
          return maxBytes !== undefined && total > maxBytes
            ? Effect.fail(new ExpandsTooFar({ source, format: format!, limit: maxBytes }))
            : Effect.succeed([piece])
        }

        const plain: Pull.Pull<readonly [Uint8Array], E | DecompressError> = Effect.suspend(() => {
          const piece = waiting.shift()
          if (piece !== undefined) return count(piece)
          return upstreamEnded ? Cause.done() : Effect.andThen(pullMore, plain)
        })

        const step = (decoder: Machine): Effect.Effect<Uint8Array | "more" | undefined, Undecodable> => {
          try {
            const result = decoder.next()
            return result instanceof Promise ? Effect.tryPromise({ try: () => result, catch: failed }) : Effect.succeed(result)
          } catch (error) {
            return Effect.fail(failed(error))
          }
        }

        const decoded: Pull.Pull<readonly [Uint8Array], E | DecompressError> = Effect.gen(function* () {
          machine ??= yield* Effect.promise(() => load(format as Exclude<Compression, "none">))
          for (;;) {
            if (performance.now() > turnEnds) {
              yield* othersTurn
              turnEnds = performance.now() + turn
            }
            const result = yield* step(machine)
            if (result === undefined) return yield* Cause.done()
            if (result !== "more") {
              if (result.length > 0) return yield* count(result)
              continue
            }
            if (waiting.length === 0 && !upstreamEnded) yield* pullMore
            const piece = waiting.shift()
            if (piece !== undefined) machine.push(piece)
            else if (upstreamEnded) machine.end()
          }
        })

        return Effect.suspend(() => {
          const pull = Effect.suspend(() => (format === "none" ? plain : decoded))
          return format === undefined ? Effect.andThen(recognise, pull) : pull
        })
      })
    )

const othersTurn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
