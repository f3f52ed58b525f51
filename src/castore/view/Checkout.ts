/**
 * Stored trees as files on the host.
 *
 * `checkout` writes a node to a path; `CheckoutCache` keeps one read-only checkout of each node, shared by builders (as their inputs), by `result` links and by
 * all processes that use the store. A checkout is written beside its place and renamed into it, so it is there whole or not at all. Modes are 0444 and 0555, times are
 * one second after the epoch, as in a Nix store. Since a rename may outlive the data in a power cut, a checkout of an earlier boot is hashed once before it is used.
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  futimesSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import * as Cache from "effect/Cache"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type ByteString, fromUnicode, toBytes, toUnicode } from "../../nix/Bytes.ts"
import { BlobService } from "../blob/BlobService.ts"
import { type CastoreError, isCastoreError } from "../CastoreError.ts"
import * as Digest from "../Digest.ts"
import { nameProblem } from "../Directory.ts"
import { DirectoryService } from "../directory/DirectoryService.ts"
import { hostPath } from "../ingest/HostTree.ts"
import { identifyPath } from "../ingest/Identify.ts"
import { removeTree } from "../local/RemoveTree.ts"
import type { Node } from "../Node.ts"
import { type LargeFile, readLarge, type TreePart, walkTree } from "./TreeWalk.ts"

/** A tree could not be written to the host. */
export class CheckoutFailed extends Schema.TaggedError<CheckoutFailed>()("CheckoutFailed", {
  /** On the host, as Unicode. */
  path: Schema.String,
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const cause = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `cannot ${this.operation} '${this.path}': ${cause}`
  }
}

/** What is to be written stands in the way of something that is there. */
export class CheckoutInTheWay extends Schema.TaggedError<CheckoutInTheWay>()("CheckoutInTheWay", { path: Schema.String }) {
  override get message(): string {
    return `'${this.path}' exists already: remove it or choose another place`
  }
}

export interface CheckoutOptions {
  /** Modes 0644 and 0755 and the present time, for people who want to change it. Default: read-only, as in a store. */
  readonly writable?: boolean | undefined
}

/** Seconds since the epoch that everything in a store was modified at. */
const storeTime = 1

const attemptWrite = <A>(path: ByteString, run: () => A): Effect.Effect<A, CheckoutFailed | CastoreError> =>
  Effect.try({
    try: run,
    catch: (cause) => (isCastoreError(cause) ? cause : new CheckoutFailed({ path: toUnicode(path), operation: "write", cause }))
  })

const writeAll = (fd: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
}

/** Writes parts below a root path, in the order of a walk. */
class Writing {
  readonly #root: ByteString
  readonly #writable: boolean
  readonly #directories: Array<ByteString> = []

  constructor(root: ByteString, writable: boolean) {
    this.#root = root
    this.#writable = writable
  }

  #at(name: ByteString): ByteString {
    const parent = this.#directories[this.#directories.length - 1]
    if (parent === undefined) return this.#root
    const problem = nameProblem(name)
    if (problem !== undefined) throw new Error(`the tree has ${problem}`)
    return `${parent}/${name}`
  }

  part(part: Exclude<TreePart, LargeFile>): void {
    switch (part._tag) {
      case "Start": {
        const path = this.#at(part.name)
        mkdirSync(hostPath(path), 0o755)
        this.#directories.push(path)
        return
      }
      case "End": {
        const path = this.#directories.pop()!
        if (this.#writable) return
        utimesSync(hostPath(path), storeTime, storeTime)
        // The root stays writable until it is in its place: a directory that is not cannot be moved by an ordinary user.
        if (this.#directories.length > 0) chmodSync(hostPath(path), 0o555)
        return
      }
      case "Symlink": {
        const path = hostPath(this.#at(part.name))
        symlinkSync(hostPath(part.target), path)
        if (!this.#writable) lutimesSync(path, storeTime, storeTime)
        return
      }
      case "File": {
        const fd = this.open(part.name)
        try {
          writeAll(fd, part.contents)
          this.finish(fd, part.node.executable)
        } finally {
          closeSync(fd)
        }
      }
    }
  }

  open(name: ByteString): number {
    return openSync(hostPath(this.#at(name)), "wx", 0o600)
  }

  finish(fd: number, executable: boolean): void {
    fchmodSync(fd, (executable ? 0o555 : 0o444) | (this.#writable ? 0o200 : 0))
    if (!this.#writable) futimesSync(fd, storeTime, storeTime)
  }
}

/** Writes a tree to `path`, where nothing is yet. The root directory is left writable. */
const write = Effect.fnUntraced(function* (node: Node, path: ByteString, options: CheckoutOptions) {
  const writing = new Writing(path, options.writable === true)
  yield* Stream.runForEach(walkTree(node), (parts) =>
    Effect.gen(function* () {
      yield* attemptWrite(path, () => {
        for (const part of parts) if (part._tag !== "LargeFile") writing.part(part)
      })
      const large = parts[parts.length - 1]
      if (large?._tag !== "LargeFile") return
      yield* Effect.acquireUseRelease(
        attemptWrite(path, () => writing.open(large.name)),
        (fd) =>
          Effect.andThen(
            Stream.runForEach(readLarge(large), (piece) => attemptWrite(path, () => writeAll(fd, piece))),
            attemptWrite(path, () => writing.finish(fd, large.node.executable))
          ),
        (fd) => Effect.sync(() => closeSync(fd))
      )
    })
  )
})

/** Moves what was written at `from` to its place. A directory that is there already stays. */
const settle = (node: Node, from: ByteString, to: ByteString, options: CheckoutOptions): void => {
  try {
    renameSync(hostPath(from), hostPath(to))
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENOTEMPTY" || code === "EEXIST") throw new CheckoutInTheWay({ path: toUnicode(to) })
    throw cause
  }
  if (node._tag === "Directory" && options.writable !== true) chmodSync(hostPath(to), 0o555)
}

const exists = (path: ByteString): boolean => lstatSync(hostPath(path), { throwIfNoEntry: false }) !== undefined

const discard = (path: ByteString): Effect.Effect<void> =>
  Effect.sync(() => {
    try {
      removeTree(Buffer.from(path, "latin1"))
    } catch {
      // A leftover in a directory of temporary files: the next start sweeps it.
    }
  })

/**
 * Writes a node to a host path (as bytes) where nothing is yet; whole or not at all. Fails with `CheckoutInTheWay` when something is there.
 */
export const copyTo = Effect.fn("castore.checkout")(function* (
  node: Node,
  destination: ByteString,
  options: CheckoutOptions = {}
): Effect.fn.Return<void, CastoreError | CheckoutFailed | CheckoutInTheWay, BlobService | DirectoryService> {
  const path = destination.length > 1 ? destination.replace(/\/+$/, "") : destination
  if (exists(path)) return yield* new CheckoutInTheWay({ path: toUnicode(path) })
  const slash = path.lastIndexOf("/")
  const temporary = `${path.slice(0, slash + 1)}.${path.slice(slash + 1).slice(0, 200)}.yix-${process.pid}-${performance.now().toString(36).replace(".", "")}`
  yield* write(node, temporary, options).pipe(
    Effect.andThen(
      Effect.try({
        try: () => settle(node, temporary, path, options),
        catch: (cause) =>
          cause instanceof CheckoutInTheWay ? cause : new CheckoutFailed({ path: toUnicode(path), operation: "move a checkout to", cause })
      })
    ),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : discard(temporary)))
  )
})

export class CheckoutCache extends Context.Service<
  CheckoutCache,
  {
    /** The host path of a read-only checkout of the node. It stays; whoever asks at the same time, also in another process, gets the same one. */
    path(node: Node): Effect.Effect<string, CastoreError | CheckoutFailed>
  }
>()("yix/castore/view/CheckoutCache") {}

/** What a cache of checkouts stands on. */
export interface CheckoutCacheOptions {
  /** Where checkouts lie. */
  readonly directory: string
  /** A fresh path on the same file system, swept away should this process die. */
  readonly temporary: Effect.Effect<string, CastoreError>
  /** Runs `produce` while no other process does so for the same key. */
  readonly exclusively: <A, E, R>(key: string, produce: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CastoreError | CheckoutFailed, R>
  /** Whether the checkout was written or checked since the machine was started. */
  readonly isTrusted: (key: string) => Effect.Effect<boolean, CastoreError>
  readonly trust: (key: string) => Effect.Effect<void, CastoreError>
}

/** One name for equal checkouts: an executable and a plain file of one blob are two. */
const keyOf = (node: Node): string => {
  switch (node._tag) {
    case "Directory":
      return node.digest
    case "File":
      return `${node.digest}${node.executable ? "-executable" : "-file"}`
    case "Symlink":
      return `${Digest.ofBytes(toBytes(node.target))}-link`
  }
}

const sameNode = (left: Node, right: Node): boolean => left._tag === right._tag && keyOf(left) === keyOf(right)

export const makeCheckoutCache = Effect.fnUntraced(function* (options: CheckoutCacheOptions) {
  // Just these, and not the span that the layer was made in: each operation belongs to its caller.
  const services = Context.pick(BlobService, DirectoryService)(yield* Effect.context<BlobService | DirectoryService>())
  const { directory } = options
  const nodes = new Map<string, Node>()

  const produce = Effect.fnUntraced(function* (key: string, node: Node, path: string) {
    if (exists(fromUnicode(path))) {
      if (yield* options.isTrusted(key)) return
      const found = yield* Effect.option(identifyPath(fromUnicode(path)))
      if (found._tag === "Some" && sameNode(found.value.node, node)) {
        if (node._tag === "Directory") yield* attemptWrite(fromUnicode(path), () => chmodSync(path, 0o555))
        return yield* options.trust(key)
      }
      yield* attemptWrite(fromUnicode(path), () => removeTree(path))
    }
    const temporary = fromUnicode(yield* options.temporary)
    yield* write(node, temporary, {}).pipe(
      Effect.andThen(
        attemptWrite(fromUnicode(path), () => {
          mkdirSync(directory, { recursive: true })
          settle(node, temporary, fromUnicode(path), {})
        })
      ),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : discard(temporary)))
    )
    yield* options.trust(key)
  })

  const lookup = (key: string) =>
    Effect.gen(function* () {
      const path = join(directory, key)
      const node = nodes.get(key)!
      if (exists(fromUnicode(path)) && (yield* options.isTrusted(key))) return path
      yield* options.exclusively(key, produce(key, node, path))
      return path
    }).pipe(Effect.provideContext(services))

  const cache = yield* Cache.makeWith(lookup, {
    capacity: Number.MAX_SAFE_INTEGER,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? Duration.infinity : Duration.zero)
  })

  return CheckoutCache.of({
    path: Effect.fn("CheckoutCache.path")(function* (node: Node) {
      const key = keyOf(node)
      nodes.set(key, node)
      const path = yield* Cache.get(cache, key)
      if (exists(fromUnicode(path))) return path
      // Somebody removed it behind our back.
      yield* Cache.invalidate(cache, key)
      return yield* Cache.get(cache, key)
    })
  })
})
