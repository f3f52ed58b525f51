/**
 * A store composed over two processes: a local one before one over gRPC, which is a memory before a binary cache. It gives what the cache itself gives, and goes on
 * doing so when what it has read once is all that is left.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { parseSecretKey, printKey, publicKeyOf } from "../../../src/nix/Keys.ts"
import { sign } from "../../../src/store/Signing.ts"
import { add, fileNar, memorySide, serving, treeNar } from "../http/world.ts"

const program = join(import.meta.dirname, "../../../src/cli/main.ts")
const directory = fs.mkdtempSync(join(tmpdir(), "yix-composed-"))
const children: Array<ChildProcess> = []
afterAll(() => {
  for (const child of children) child.kill("SIGKILL")
  fs.rmSync(directory, { recursive: true })
})

const key = parseSecretKey("t-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==")

const tables = (of: (kind: "blobservices" | "directoryservices" | "pathinfoservices") => string) =>
  (["blobservices", "directoryservices", "pathinfoservices"] as const).map(of).join("\n")

const write = (name: string, text: string): string => {
  fs.writeFileSync(join(directory, name), text)
  return join(directory, name)
}

const run = promisify(execFile)
/** A command with a store of its own; what it prints. */
const yix = async (store: string, config: string, ...args: ReadonlyArray<string>): Promise<Buffer> => {
  const all = [program, "--store", join(directory, store), "--config", config, "store", ...args]
  return (await run(process.execPath, all, { encoding: "buffer", maxBuffer: 64 << 20 })).stdout
}

describe("a local store before one over gRPC, which is a memory before a binary cache", () => {
  it.live(
    "gives the same bytes as the cache alone, and what was read once also when nothing else is left",
    () =>
      Effect.gen(function* () {
        const side = memorySide()
        const leaf = yield* add(side, "leaf", treeNar("leaf"))
        const other = yield* add(side, "other", fileNar(`to ${leaf.path}`), [leaf.path])
        const top = yield* add(side, "top", treeNar(`top ${leaf.path} ${other.path}`), [leaf.path, other.path])
        for (const info of [leaf, other, top]) yield* side.pathInfos.put(sign(info, key))

        const scope = yield* Scope.make()
        const url = yield* Effect.provideService(serving(side), Scope.Scope, scope)
        const socket = join(directory, "far.sock")
        const cache = `type = "nix"\nbase_url = "${url}"\npublic_keys = ["${printKey(publicKeyOf(key))}"]\n`
        const memory = 'type = "memory"\n'
        const flat = write(
          "flat.toml",
          tables((kind) => `[${kind}.root]\n${kind === "pathinfoservices" ? cache : memory}`)
        )
        const far = write(
          "far.toml",
          tables((kind) =>
            kind === "pathinfoservices"
              ? `[${kind}.root]\ntype = "cache"\nnear = "near"\nfar = "cache"\nwrite = "near"\n[${kind}.near]\n${memory}[${kind}.cache]\n${cache}`
              : `[${kind}.root]\n${memory}`
          )
        )
        const near = write(
          "near.toml",
          tables(
            (kind) =>
              `[${kind}.root]\ntype = "cache"\nnear = "near"\nfar = "far"\n[${kind}.near]\ntype = "local"\n` +
              `[${kind}.far]\ntype = "grpc"\nurl = "grpc+unix://${socket}"\n`
          )
        )

        const server = spawn(process.execPath, [program, "--store", join(directory, "far"), "--config", far, "serve", "--grpc", socket], {
          stdio: ["ignore", "ignore", "pipe"]
        })
        children.push(server)
        yield* Effect.promise(() => once(server.stderr, "data"))

        const read = (store: string, config: string) => Effect.promise(() => yix(store, config, "export", "--closure", top.path))
        const plain = yield* read("flat", flat)
        assert.isAbove(plain.length, 3_000_000)
        const composed = yield* read("near", near)
        assert.isTrue(composed.equals(plain))

        server.kill("SIGKILL")
        yield* Effect.promise(() => once(server, "close"))
        yield* Scope.close(scope, Exit.void)
        const alone = yield* read("near", near)
        assert.isTrue(alone.equals(plain))
        // What was never read is not there, and the failure names who does not answer.
        const absent = `/nix/store/${"0".repeat(32)}-absent`
        const failed = yield* Effect.promise(() =>
          yix("near", near, "path-info", absent).then(
            () => "",
            (error: { readonly stderr: Buffer }) => error.stderr.toString()
          )
        )
        assert.include(failed, socket)
      }),
    120_000
  )
})
