/**
 * Builds on the other side of a connection: what is sent and what is not, servers that know less, lie, are full or go away, clients that vanish.
 */
import { rmSync } from "node:fs"
import * as http2 from "node:http2"
import { connect } from "node:net"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { BuilderFailed, InputUnavailable } from "../../../src/build/BuildError.ts"
import { Builder, type BuildOptions } from "../../../src/build/Builder.ts"
import type { BuildRequest } from "../../../src/build/BuildRequest.ts"
import * as GrpcBuilder from "../../../src/build/GrpcBuilder.ts"
import * as GrpcBlobs from "../../../src/castore/blob/Grpc.ts"
import * as MemoryBlobs from "../../../src/castore/blob/Memory.ts"
import type { Castore } from "../../../src/castore/CopyTree.ts"
import * as Directory from "../../../src/castore/Directory.ts"
import * as GrpcDirectories from "../../../src/castore/directory/Grpc.ts"
import * as MemoryDirectories from "../../../src/castore/directory/Memory.ts"
import type { Digest, DirectoryEntry, DirectoryNode, FileNode, Node } from "../../../src/castore/Node.ts"
import { blobHandlers } from "../../../src/serve/grpc/Blobs.ts"
import { buildHandlers, type BuildDoor } from "../../../src/serve/grpc/Builds.ts"
import { directoryHandlers } from "../../../src/serve/grpc/Directories.ts"
import { PendingLog } from "../../../src/serve/grpc/PendingLog.ts"
import { requestMessage } from "../../../src/build/BuildMessages.ts"
import { BlobService } from "../../../src/castore/blob/BlobService.ts"
import { DirectoryService } from "../../../src/castore/directory/DirectoryService.ts"
import { calculate } from "../../../src/store/Nar.ts"
import { BuildRequestSchema, BuildService } from "../../../src/wire/gen/yix/build/v1/build_pb.ts"
import { create, toBinary } from "@bufbuild/protobuf"
import { open } from "../../../src/wire/grpc/Channel.ts"
import { rpc } from "../../../src/wire/grpc/Rpc.ts"
import { type Handler, listen } from "../../../src/wire/grpc/Server.ts"
import { devPath, outPath, requestOf } from "../../build/world.ts"
import { freshAddress, root } from "./world.ts"

afterAll(() => rmSync(root, { recursive: true }))

interface Side extends Castore {
  readonly held: Map<Digest, Uint8Array>
  /** Digests of what was put here, as they came. */
  readonly puts: Array<Digest>
}

const side = (): Side => {
  const held = new Map<Digest, Uint8Array>()
  const puts: Array<Digest> = []
  const blobs = MemoryBlobs.make(held)
  const directories = MemoryDirectories.make()
  return {
    held,
    puts,
    blobs: {
      ...blobs,
      putMany: (all) => Effect.tap(blobs.putMany(all), (digests) => Effect.sync(() => void puts.push(...digests))),
      putStream: (bytes) => Effect.tap(blobs.putStream(bytes), ({ digest }) => Effect.sync(() => void puts.push(digest)))
    },
    directories: {
      ...directories,
      putMany: (all) => Effect.tap(directories.putMany(all), (digests) => Effect.sync(() => void puts.push(...digests)))
    }
  }
}

const file = (at: Castore, contents: string) =>
  Effect.map(at.blobs.putMany([Buffer.from(contents)]), ([digest]): FileNode => ({
    _tag: "File",
    digest: digest!,
    size: contents.length,
    executable: false
  }))

const directory = (at: Castore, ...entries: ReadonlyArray<DirectoryEntry>) =>
  Effect.map(at.directories.putMany([{ entries }]), (): DirectoryNode => Directory.nodeOf({ entries }))

type Build = (request: BuildRequest, options: BuildOptions) => ReturnType<Builder["Service"]["build"]>

const output = (node: Node) => ({ node, needles: [] })

interface Over {
  readonly far: Side
  readonly near: Side
  readonly builder: Builder["Service"]
  readonly address: string
}

/** A builder over there and its client here, over castores of their own. */
const over = (
  build: (far: Side) => Build,
  options: Omit<BuildDoor, "builder"> = {},
  only: (path: string) => boolean = () => true,
  server?: Scope.Scope
): Effect.Effect<Over, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const [far, near] = [side(), side()]
    const door = { builder: { build: build(far) }, ...options }
    const all: ReadonlyArray<Handler<BlobService | DirectoryService>> = [...blobHandlers, ...directoryHandlers, ...buildHandlers(door)]
    const handlers = all.filter(({ path }) => only(path))
    const { address } = yield* listen(freshAddress("a Unix socket"), handlers).pipe(
      Effect.provideService(BlobService, far.blobs),
      Effect.provideService(DirectoryService, far.directories),
      Effect.provideService(Scope.Scope, server ?? (yield* Effect.scope))
    )
    const channel = yield* open(address)
    const farHere = { blobs: GrpcBlobs.make(channel), directories: GrpcDirectories.make(channel) }
    return { far, near, address, builder: GrpcBuilder.make(channel, farHere, near) }
  })

const quiet: BuildOptions = { timeout: 0, maxSilent: 0, onLog: () => {} }

const until = (what: string, holds: () => boolean) =>
  Effect.gen(function* () {
    for (let i = 0; i < 500; i++) {
      if (holds()) return
      yield* Effect.sleep(10)
    }
    assert.fail(what)
  })

describe("a builder over gRPC", () => {
  it.live("is sent what its castore lacks and nothing twice, also by builds at the same time", () =>
    Effect.gen(function* () {
      const { far, near, builder } = yield* over(() => () => Effect.succeed([output({ _tag: "Symlink", target: "built" })]))
      const [one, two] = [yield* file(near, "one"), yield* file(near, "two")]
      const inner = yield* directory(near, { name: "one", node: one })
      const tree = yield* directory(near, { name: "inner", node: inner }, { name: "two", node: two })
      const input = { name: "tree", node: tree }
      near.puts.length = 0
      const request = (...inputs: ReadonlyArray<DirectoryEntry>) => requestOf("", { inputs, tools: false })
      yield* Effect.forEach([1, 2, 3, 4], () => builder.build(request(input), quiet), { concurrency: "unbounded" })
      assert.deepStrictEqual(far.puts.toSorted(), [one.digest, two.digest, inner.digest, tree.digest].toSorted())
      // Of a tree that was changed, what is new.
      far.puts.length = 0
      const three = yield* file(near, "three")
      const changed = yield* directory(near, { name: "inner", node: inner }, { name: "two", node: three })
      yield* builder.build(request({ name: "changed", node: changed }, input), quiet)
      assert.deepStrictEqual(far.puts.toSorted(), [three.digest, changed.digest].toSorted())
    }).pipe(Effect.scoped)
  )

  it.live("is sent again what its castore has lost since it was seen there", () =>
    Effect.gen(function* () {
      let builds = 0
      const { far, near, builder } = yield* over((far) => (request) => {
        builds++
        const [{ node }] = request.inputs as [DirectoryEntry]
        return Effect.gen(function* () {
          const entries = Option.getOrThrow(yield* far.directories.get((node as DirectoryNode).digest)).entries
          const inner = entries[0]!.node as FileNode
          if (Option.isNone(yield* far.blobs.get(inner.digest))) return yield* new InputUnavailable({ path: "/x", cause: "lost" })
          return [output(inner)]
        }).pipe(
          Effect.catchTags({ StoreUnavailable: Effect.die, CorruptData: Effect.die, MissingData: Effect.die, InvalidData: Effect.die })
        )
      })
      const inner = yield* file(near, "precious")
      const tree = yield* directory(near, { name: "inner", node: inner })
      const request = requestOf("", { inputs: [{ name: "tree", node: tree }], tools: false })
      yield* builder.build(request, quiet)
      far.held.delete(inner.digest)
      const [again] = yield* builder.build(request, quiet)
      assert.deepStrictEqual([again!.node, builds], [inner, 3])
      // What nobody has cannot be sent: told after one more try, not tried for ever.
      far.held.delete(inner.digest)
      near.held.delete(inner.digest)
      const error = yield* Effect.flip(builder.build(request, quiet))
      assert.strictEqual(error._tag, "InputUnavailable")
    }).pipe(Effect.scoped)
  )

  it.live("is not believed: references and NAR hashes are computed here, contents that are others are refused", () =>
    Effect.gen(function* () {
      const needle = "a".repeat(32)
      const { far, near, builder } = yield* over(
        (far) => (request) =>
          Effect.map(file(far, `to ${needle} ${request.commandArgs[2]}`), (node) => {
            if (request.commandArgs[2] === "few") return []
            if (request.commandArgs[2] === "damage") far.held.set(node.digest, Buffer.from("something else"))
            if (request.commandArgs[2] === "lose") far.held.delete(node.digest)
            return [{ ...output(node), nar: { narHash: new Uint8Array(32), narSize: 1 } }]
          }).pipe(Effect.orDie)
      )
      const request = (script: string) => requestOf(script, { needles: [needle], tools: false })
      const [built] = yield* builder.build(request("fine"), quiet)
      assert.deepStrictEqual(built!.needles, [0])
      const expected = yield* calculate(built!.node).pipe(
        Effect.provideService(BlobService, near.blobs),
        Effect.provideService(DirectoryService, near.directories)
      )
      assert.deepStrictEqual(built!.nar, expected)
      for (const script of ["damage", "lose"]) {
        const error = yield* Effect.flip(builder.build(request(script), quiet))
        assert.strictEqual(error._tag, "OutputNotStored", error.message)
        assert.include(error.message, outPath)
      }
      const few = yield* Effect.flip(builder.build(request("few"), quiet))
      assert(few._tag === "BuilderUnavailable")
      assert.include(few.message, "0 outputs, 1 were asked for")
      assert.strictEqual(near.held.size, 1)
      assert.isAbove(far.held.size, 1)
    }).pipe(Effect.scoped)
  )

  it.live("of another make has neither logs nor limits, gets outputs sorted, and fails with its words", () =>
    Effect.gen(function* () {
      const { builder } = yield* over(
        (far) => (request) =>
          Effect.gen(function* () {
            assert.deepStrictEqual(request.outputs, [outPath, devPath].toSorted())
            if (request.commandArgs[2] === "fail") return yield* new BuilderFailed({ status: 4, signal: undefined, lastLines: ["no luck"] })
            if (request.commandArgs[2] === "wait") return yield* Effect.never
            return yield* Effect.forEach(request.outputs, (path) => Effect.map(Effect.orDie(file(far, path)), output))
          }),
        {},
        (path) => !path.startsWith("/yix.")
      )
      const request = (script: string) => requestOf(script, { outputs: [devPath, outPath], tools: false })
      const built = yield* builder.build(request("do"), quiet)
      assert.deepStrictEqual(
        built.map(({ node }) => (node as FileNode).size),
        [devPath.length, outPath.length]
      )
      const digests = built.map(({ node }) => (node as FileNode).digest)
      assert.notStrictEqual(digests[0], digests[1])
      const failed = yield* Effect.flip(builder.build(request("fail"), quiet))
      assert.deepStrictEqual([failed._tag, failed.exitCode], ["FailedElsewhere", 100])
      assert.include(failed.message, "no luck")
      const late = yield* Effect.flip(builder.build(request("wait"), { ...quiet, timeout: 0.2 }))
      assert.deepStrictEqual([late._tag, late.exitCode], ["BuildTimedOut", 101])
    }).pipe(Effect.scoped)
  )

  it.live("cannot be told of texts that are not UTF-8, and says so", () =>
    Effect.gen(function* () {
      const { builder } = yield* over(() => () => Effect.succeed([]))
      const error = yield* Effect.flip(builder.build(requestOf("echo \xff", { tools: false }), quiet))
      assert.strictEqual(error._tag, "InvalidBuildRequest")
      assert.include(error.message, "UTF-8")
    }).pipe(Effect.scoped)
  )

  it.live("that is full refuses the next build, and takes one when one has ended", () =>
    Effect.gen(function* () {
      const free = yield* Deferred.make<void>()
      let running = 0
      const { builder } = yield* over(
        (far) => () =>
          Effect.suspend(
            () => (running++, Effect.andThen(Deferred.await(free), Effect.orDie(Effect.map(file(far, "x"), (node) => [output(node)]))))
          ),
        { most: 2 }
      )
      const request = requestOf("", { tools: false })
      const fibers = yield* Effect.forEach([1, 2], () => Effect.forkChild(builder.build(request, quiet)))
      yield* until("two builds run", () => running === 2)
      const error = yield* Effect.flip(builder.build(request, quiet))
      assert(error._tag === "BuilderUnavailable", error.message)
      assert.include(error.message, "try again later")
      yield* Deferred.succeed(free, undefined)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual((yield* builder.build(request, quiet)).length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("keeps to its own limits of time where a request wants more or none", () =>
    Effect.gen(function* () {
      const seen: Array<readonly [number, number]> = []
      const { builder } = yield* over(
        (far) =>
          (_request, { timeout, maxSilent }) =>
            Effect.orDie(Effect.map(file(far, "x"), (node) => (seen.push([timeout, maxSilent]), [output(node)]))),
        { timeout: 60, maxSilent: 10 }
      )
      for (const [timeout, maxSilent] of [
        [0, 0],
        [90, 5],
        [30, 20]
      ] as const) {
        yield* builder.build(requestOf("", { tools: false }), { ...quiet, timeout, maxSilent })
      }
      assert.deepStrictEqual(seen, [
        [60, 10],
        [60, 5],
        [30, 10]
      ])
    }).pipe(Effect.scoped)
  )

  it.live("that is stopped ends its builds, and the client is told by whom", () =>
    Effect.gen(function* () {
      let running = 0
      const endless = () => () =>
        Effect.acquireUseRelease(
          Effect.sync(() => void running++),
          () => Effect.never,
          () => Effect.sync(() => void running--)
        )
      const server = yield* Scope.make()
      const { builder, address } = yield* over(endless, {}, () => true, server)
      const fiber = yield* Effect.forkChild(Effect.flip(builder.build(requestOf("", { tools: false }), quiet)))
      yield* until("the build runs", () => running === 1)
      yield* Scope.close(server, Exit.void)
      assert.strictEqual(running, 0)
      const error = yield* Fiber.join(fiber)
      assert(error._tag === "BuilderUnavailable", error.message)
      assert.include(error.message, address)
      assert.include(error.message, "shutting down")
    }).pipe(Effect.scoped)
  )

  it.live("ends the build of a client that vanishes without a word", () =>
    Effect.gen(function* () {
      let running = 0
      const { address } = yield* over(
        () => () =>
          Effect.acquireUseRelease(
            Effect.sync(() => void running++),
            () => Effect.never,
            () => Effect.sync(() => void running--)
          )
      )
      const { path } = rpc(BuildService.method.build)
      const message = toBinary(BuildRequestSchema, create(BuildRequestSchema, { request: requestMessage(requestOf("", { tools: false })) }))
      const head = Buffer.alloc(5)
      head.writeUInt32BE(message.length, 1)
      const session = http2.connect("http://localhost", { createConnection: () => connect(address.slice("unix:".length)) })
      session.on("error", () => {})
      const request = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" })
      request.on("error", () => {})
      request.end(Buffer.concat([head, message]))
      yield* until("the build runs", () => running === 1)
      session.destroy()
      yield* until("the build ends", () => running === 0)
    }).pipe(Effect.scoped)
  )
})

describe("the log of a build under way", () => {
  it.effect("comes in pieces of bounded size, with a gap where it is taken too slowly", () =>
    Effect.gen(function* () {
      const log = new PendingLog()
      const piece = Buffer.alloc(100_000, "x")
      for (let i = 0; i < 100; i++) log.push(piece)
      piece.fill("y")
      yield* log.changed
      let size = 0
      let note = ""
      for (let bytes = log.take(); bytes !== undefined; bytes = log.take()) {
        assert.isAtMost(bytes.length, 256 << 10)
        const text = Buffer.from(bytes).toString()
        if (/^x+$/.test(text)) size += bytes.length
        else note += text
      }
      assert.isAbove(size, 8_000_000)
      assert.include(note, `${10_000_000 - size} bytes of log were not sent`)
      log.push(Buffer.from("more"))
      assert.strictEqual(Buffer.from(log.take()!).toString(), "more")
    })
  )
})
