/**
 * The contracts of blob, directory and path-info services over drivers and over compositions of them, all opened from the text of a `yix.toml`.
 *
 * `cache` and `grpc` are parts of the compositions (`grpc` by itself: test/serve/grpc/Contracts.test.ts). Drivers that take no puts (`readonly`, `nix`) cannot be asked for
 * all of a contract: they stand at the far side of compositions, and are opened by themselves below.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import { StoreReadOnly } from "../../src/castore/CastoreError.ts"
import { DirectoryService } from "../../src/castore/directory/DirectoryService.ts"
import { parse } from "../../src/config/Composition.ts"
import { type CompositionLayers, layersOf } from "../../src/config/CompositionLayers.ts"
import { standardDrivers } from "../../src/config/Drivers.ts"
import { parseSecretKey, printKey, publicKeyOf } from "../../src/nix/Keys.ts"
import { addText } from "../../src/store/Add.ts"
import { layer as memoryPathInfos } from "../../src/store/pathinfo/Memory.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { signedBy } from "../../src/store/Signing.ts"
import { blobContract } from "../castore/blob.contract.ts"
import { directoryContract } from "../castore/directory.contract.ts"
import { memory as behindGrpc, Peer, root as sockets, server } from "../serve/grpc/world.ts"
import { serve } from "../wire/LoopbackServer.ts"
import { pathInfoContract, samplePathInfo } from "../store/pathinfo.contract.ts"

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-config-contracts-"))
afterAll(() => {
  fs.rmSync(scratch, { recursive: true, force: true })
  fs.rmSync(sockets, { recursive: true, force: true })
})
const fresh = (): string => fs.mkdtempSync(path.join(scratch, "s-"))

const secret = parseSecretKey("t-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==")
const secretFile = path.join(scratch, "secret")
fs.writeFileSync(secretFile, `${printKey(secret)}\n`)

const open = (text: string, directory: string = fresh()) =>
  Effect.map(
    parse("yix.toml", text, { drivers: standardDrivers, place: { directory, stateDirectory: directory } }),
    (composition): CompositionLayers => layersOf(composition)
  )

const kinds = ["blobservices", "directoryservices", "pathinfoservices"] as const
type StoreKind = (typeof kinds)[number]

/** A table of a kind: what stands in it, `$kind` for the kind. */
const table = (kind: StoreKind, name: string, body: string): string => `[${kind}.${name}]\n${body}\n`

/** The root of a kind, of a text that may refer to a gRPC server as `$grpc`. A server has a store in memory of its own. */
const rootOf = <K extends StoreKind>(kind: K, text: string) => {
  const opened = (address: string) =>
    Layer.unwrap(Effect.map(open(text.replaceAll("$grpc", address)), ({ service }) => service(kind, "root")))
  return text.includes("$grpc")
    ? Layer.unwrap(Effect.map(Peer, ({ address }) => opened(address))).pipe(Layer.provide(server("TCP", behindGrpc())))
    : opened("")
}

const contracts = (text: (kind: StoreKind) => string, only: ReadonlyArray<StoreKind> = kinds) => {
  const about = (kind: StoreKind, contract: () => void) => only.includes(kind) && describe(kind, contract)
  about("blobservices", () => blobContract({ layer: () => rootOf("blobservices", text("blobservices")) }))
  about("directoryservices", () => directoryContract({ layer: () => rootOf("directoryservices", text("directoryservices")) }))
  about("pathinfoservices", () =>
    pathInfoContract({
      layer: () => rootOf("pathinfoservices", text("pathinfoservices")),
      ...(text("pathinfoservices").includes("$grpc") ? { many: 300 } : {})
    })
  )
}

const memory = (kind: StoreKind, name: string) => table(kind, name, 'type = "memory"')
const local = (kind: StoreKind, name: string) => table(kind, name, `type = "local"\npath = "${name}"`)

const drivers: ReadonlyArray<readonly [type: string, text: (kind: StoreKind) => string, only?: ReadonlyArray<StoreKind>]> = [
  ["memory", (kind) => memory(kind, "root")],
  ["local, as without a configuration", () => ""],
  [
    "combined",
    (kind) =>
      table(kind, "root", 'type = "combined"\nnear = "a"\nfar = "rest"') +
      table(kind, "rest", 'type = "combined"\nnear = "b"\nfar = "c"') +
      memory(kind, "a") +
      local(kind, "b") +
      local(kind, "c")
  ],
  ["lru", (kind) => table(kind, "root", 'type = "lru"\ncapacity = 3000'), ["pathinfoservices"]],
  ["negative", (kind) => table(kind, "root", 'type = "negative"\ninner = "a"') + memory(kind, "a"), ["pathinfoservices"]]
]
for (const [type, text, only] of drivers) describe(`the driver ${type}`, () => contracts(text, only))

const compositions: ReadonlyArray<readonly [name: string, text: (kind: StoreKind) => string]> = [
  [
    "memory in front of a local store",
    (kind) => table(kind, "root", 'type = "cache"\nnear = "near"\nfar = "&far"') + memory(kind, "near") + local(kind, "far")
  ],
  [
    "memory, a local store and another process, one in front of the other",
    (kind) =>
      table(kind, "root", 'type = "cache"\nnear = "near"\nfar = "rest"') +
      (kind === "pathinfoservices" ? table(kind, "near", 'type = "lru"\ncapacity = 100') : memory(kind, "near")) +
      table(kind, "rest", 'type = "cache"\nnear = "disk"\nfar = "remote"') +
      local(kind, "disk") +
      table(kind, "remote", 'type = "grpc"\nurl = "$grpc"')
  ],
  [
    "a local store in front of one of others, which takes no puts",
    (kind) =>
      (kind === "pathinfoservices"
        ? table(kind, "root", 'type = "negative"\ninner = "both"') +
          table(kind, "both", 'type = "combined"\nnear = "disk"\nfar = "theirs"\nwrite = "near"')
        : table(kind, "root", 'type = "combined"\nnear = "disk"\nfar = "theirs"\nwrite = "near"')) +
      local(kind, "disk") +
      table(kind, "theirs", 'type = "readonly"\ninner = "remote"') +
      table(kind, "remote", 'type = "grpc"\nurl = "$grpc"')
  ]
]
for (const [name, text] of compositions) describe(`a composition of ${name}`, () => contracts(text))

describe("opened from yix.toml", () => {
  const provided = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.scoped(effect)
  const pathInfos = (layers: CompositionLayers, name = "root") =>
    Effect.map(Layer.build(layers.service("pathinfoservices", name)), (context) => Context.get(context, PathInfoService))

  it.live("keyfile-signing signs what is put, by the key in the file beside yix.toml", () =>
    provided(
      Effect.gen(function* () {
        const layers = yield* open(
          '[pathinfoservices.root]\ntype = "keyfile-signing"\ninner = "a"\nkeyfile = "secret"\n[pathinfoservices.a]\ntype = "memory"\n',
          scratch
        )
        const infos = yield* pathInfos(layers)
        const put = yield* infos.put(samplePathInfo(1))
        assert.isDefined(signedBy(put, [publicKeyOf(secret)]))
        assert.deepStrictEqual(Option.getOrThrow(yield* infos.get(put.path)).signatures, put.signatures)
      })
    )
  )

  it.live("readonly of each kind gives what is there and refuses what is put, by its name", () =>
    provided(
      Effect.gen(function* () {
        const layers = yield* open(kinds.map((kind) => table(kind, "root", 'type = "readonly"\ninner = "a"') + memory(kind, "a")).join(""))
        const inner = yield* Layer.build(
          Layer.mergeAll(
            layers.service("blobservices", "a"),
            layers.service("directoryservices", "a"),
            layers.service("pathinfoservices", "a")
          )
        )
        const info = yield* Effect.provideContext(addText("text", new TextEncoder().encode("text"), []), inner)
        const outer = yield* Layer.build(
          Layer.mergeAll(
            layers.service("blobservices", "root"),
            layers.service("directoryservices", "root"),
            layers.service("pathinfoservices", "root")
          )
        )
        const refusals = yield* Effect.all([
          Effect.flip(Context.get(outer, BlobService).putMany([Uint8Array.of(1)])),
          Effect.flip(Context.get(outer, DirectoryService).putMany([{ entries: [] }])),
          Effect.flip(Context.get(outer, PathInfoService).put(info))
        ])
        for (const [i, refusal] of refusals.entries()) {
          assert.instanceOf(refusal, StoreReadOnly)
          assert.include(refusal.message, `${kinds[i]}.a`)
        }
      })
    )
  )

  it.live("nix reads a cache, in a directory or over HTTP, into the services that it names, and believes only signatures by its keys", () =>
    provided(
      Effect.gen(function* () {
        const cache = fresh()
        // Written through a composition as well.
        const writing = yield* open(
          `[pathinfoservices.root]\ntype = "keyfile-signing"\ninner = "cache"\nkeyfile = "${secretFile}"\n` +
            `[pathinfoservices.cache]\ntype = "nix"\nbase_url = "${pathToFileURL(cache).href}"\npublic_keys = []\n`
        )
        const roots = Layer.mergeAll(
          writing.service("blobservices", "root"),
          writing.service("directoryservices", "root"),
          writing.service("pathinfoservices", "root")
        )
        // A text vouches for itself by its content address, so this one is told not to have any.
        const { ca: _, ...text } = yield* addText("text", new TextEncoder().encode("contents"), []).pipe(
          Effect.provide([
            writing.service("blobservices", "root"),
            writing.service("directoryservices", "root"),
            Layer.fresh(memoryPathInfos)
          ])
        )
        const info = { ...text, ca: undefined }
        yield* Effect.flatMap(PathInfoService, (infos) => infos.put(info)).pipe(Effect.provide(roots))

        const web = yield* serve((request, response) => {
          const file = path.join(cache, request.url!)
          if (fs.existsSync(file)) response.end(fs.readFileSync(file))
          else response.writeHead(404).end()
        })
        const reading = (keys: string, url: string = pathToFileURL(cache).href) =>
          open(
            `[blobservices.root]\ntype = "memory"\n[directoryservices.root]\ntype = "memory"\n[blobservices.theirs]\ntype = "memory"\n` +
              `[pathinfoservices.root]\ntype = "nix"\nbase_url = "${url}"\nblob_service = "&theirs"\npublic_keys = [${keys}]\n`
          )
        for (const url of [pathToFileURL(cache).href, web.base]) {
          const trusting = yield* reading(`"${printKey(publicKeyOf(secret))}"`, url)
          const world = yield* Layer.build(
            Layer.merge(trusting.service("pathinfoservices", "root"), trusting.service("blobservices", "theirs"))
          )
          const got = Option.getOrThrow(yield* Context.get(world, PathInfoService).get(info.path))
          assert.deepStrictEqual(got.node, info.node)
          assert.strictEqual((yield* Stream.runCollect(Context.get(world, BlobService).list())).length, 1)
        }

        for (const [keys, refused] of [
          ['"other-1:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="', true],
          ["", false]
        ] as const) {
          const infos = yield* pathInfos(yield* reading(keys))
          const answer = yield* Effect.result(infos.get(info.path))
          assert.strictEqual(answer._tag === "Failure", refused)
          if (answer._tag === "Failure") assert.match(answer.failure.message, /not signed by a trusted key.*t-1/)
        }
      })
    )
  )
})
