/**
 * What every fetcher does, wherever it has things from. A driver's test calls `fetcherContract` with a layer that can reach the given contents.
 */
import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import type { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import type { Fetch } from "../../src/fetch/Fetch.ts"
import { Fetcher } from "../../src/fetch/Fetcher.ts"
import { type NixHash, hashBytes, printPrefixed } from "../../src/nix/Hash.ts"
import { hashPart, makeFixedOutput, nameOf } from "../../src/nix/StorePath.ts"
import { archive } from "../castore/TarMaker.ts"
import { someBytes } from "../wire/LoopbackServer.ts"
import "../castore/crypto.ts"

/** A NAR of one file. */
export const narOfFile = (contents: Uint8Array, executable = false): Buffer => {
  const framed = (bytes: Uint8Array | string): Buffer => {
    const data = Buffer.from(bytes as string)
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(data.length))
    return Buffer.concat([length, data, Buffer.alloc(-data.length & 7)])
  }
  return Buffer.concat(
    ["nix-archive-1", "(", "type", "regular", ...(executable ? ["executable", ""] : []), "contents", contents, ")"].map((part) =>
      framed(part)
    )
  )
}

const file = someBytes(300_000, 3)
const script = Buffer.from("#!/bin/sh\necho hello\n")

/** Name → bytes of what can be fetched. */
export const contents: ReadonlyMap<string, Uint8Array> = new Map([
  ["file", file],
  ["script", script],
  ["source.tar", archive({ name: "top/a", data: "one" }, { name: "top/b", data: "two" })],
  ["script.nar", narOfFile(script, true)]
])

export interface FetcherContract {
  /** A fetcher with an empty castore, which can reach `contents`, and the address that each name has. */
  readonly open: Effect.Effect<
    {
      readonly layer: Layer.Layer<Fetcher | BlobService | DirectoryService, unknown>
      readonly addressOf: (name: string) => string
    },
    unknown,
    Scope.Scope
  >
  /** What it fails with where there is nothing, and where there is something else than the hash says. */
  readonly absent: string
  readonly wrong: string
}

export const fetcherContract = (driver: FetcherContract): void => {
  const test = (
    name: string,
    body: (
      fetch: <T extends Fetch["_tag"]>(
        tag: T,
        what: string,
        hash: Extract<Fetch, { _tag: T }>["hash"],
        name?: string
      ) => ReturnType<Fetcher["Service"]["fetch"]>
    ) => Effect.Effect<void, unknown, BlobService>
  ) =>
    it.live(name, () =>
      Effect.gen(function* () {
        const { layer, addressOf } = yield* driver.open
        yield* Effect.gen(function* () {
          const fetcher = yield* Fetcher
          yield* body((_tag, what, hash, name = "thing") => fetcher.fetch({ _tag, url: addressOf(what), name, hash } as Fetch))
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped)
    )
  const narHashOf = (nar: Uint8Array) => createHash("sha256").update(nar).digest("hex")
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

  test("brings a file by its hash, under the path that the hash says, with what its NAR is", (fetch) =>
    Effect.gen(function* () {
      for (const algorithm of ["sha256", "sha1", "sha512"] as const) {
        const hash = hashBytes(algorithm, file)
        const info = yield* fetch("Url", "file", hash)
        assert.strictEqual(info.path, makeFixedOutput("thing", "flat", hash))
        assert.strictEqual(hex(info.narHash), narHashOf(narOfFile(file)))
        assert.strictEqual(info.narSize, narOfFile(file).length)
        assert.strictEqual(info.ca, `fixed:${printPrefixed(hash, "nix32")}`)
        assert.deepStrictEqual([info.references, info.signatures, info.deriver], [[], [], undefined])
        assert.isFalse(info.node._tag === "File" && info.node.executable)
        const stored = yield* Stream.runCollect((yield* BlobService).read(info.node._tag === "File" ? info.node.digest : ("" as never)))
        assert.isTrue(Buffer.concat(stored).equals(file))
      }
    }))

  test("brings a file without a hash, and the same again", (fetch) =>
    Effect.gen(function* () {
      const infos = yield* Effect.all([fetch("Url", "file", undefined), fetch("Url", "file", undefined)], { concurrency: 2 })
      const again = yield* fetch("Url", "file", undefined)
      for (const info of [...infos, again]) assert.strictEqual(info.path, makeFixedOutput("thing", "flat", hashBytes("sha256", file)))
    }))

  test("unpacks an archive, with a hash and without", (fetch) =>
    Effect.gen(function* () {
      const without = yield* fetch("Tarball", "source.tar", undefined, "source")
      assert.strictEqual(without.node._tag, "Directory")
      const hash: NixHash = { algorithm: "sha256", digest: without.narHash }
      const with_ = yield* fetch("Tarball", "source.tar", hash, "source")
      assert.strictEqual(with_.path, without.path)
      assert.strictEqual(with_.path, makeFixedOutput("source", "recursive", hash))
      assert.deepStrictEqual(with_.node, without.node)
      assert.strictEqual(with_.ca, without.ca)
    }))

  test("knows executables, files and NARs by the hashes of their NARs", (fetch) =>
    Effect.gen(function* () {
      for (const [tag, what, executable] of [
        ["Executable", "script", true],
        ["File", "script", false],
        ["Nar", "script.nar", true]
      ] as const) {
        for (const algorithm of ["sha256", "sha1"] as const) {
          const hash = hashBytes(algorithm, narOfFile(script, executable))
          const info = yield* fetch(tag, what, hash)
          assert.strictEqual(info.path, makeFixedOutput("thing", "recursive", hash))
          assert.strictEqual(info.node._tag === "File" && info.node.executable, executable)
          assert.strictEqual(hex(info.narHash), narHashOf(narOfFile(script, executable)))
        }
      }
    }))

  test("refuses what has another hash than it should, and goes on", (fetch) =>
    Effect.gen(function* () {
      const other = hashBytes("sha256", someBytes(9))
      for (const [tag, what] of [
        ["Url", "file"],
        ["Tarball", "source.tar"],
        ["Executable", "script"],
        ["Nar", "script.nar"]
      ] as const) {
        const error = yield* Effect.flip(fetch(tag, what, other))
        assert.strictEqual(error._tag, driver.wrong)
      }
      yield* fetch("Url", "file", hashBytes("sha256", file))
    }))

  test("says which address has nothing, and goes on", (fetch) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(fetch("Url", "absent", undefined))
      assert.strictEqual(error._tag, driver.absent)
      assert.include(error.message, "absent")
      yield* fetch("Url", "file", undefined)
    }))

  test("tells fetches of one content under several names apart", (fetch) =>
    Effect.gen(function* () {
      const hash = hashBytes("sha256", file)
      const [one, two] = yield* Effect.all([fetch("Url", "file", hash, "one"), fetch("Url", "file", hash, "two")], { concurrency: 2 })
      assert.deepStrictEqual([nameOf(one!.path), nameOf(two!.path)], ["one", "two"])
      assert.notStrictEqual(hashPart(one!.path), hashPart(two!.path))
    }))
}
