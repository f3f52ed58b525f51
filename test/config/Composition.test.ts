import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { BlobService } from "../../src/castore/blob/BlobService.ts"
import * as MemoryBlobs from "../../src/castore/blob/Memory.ts"
import * as NearFarBlobs from "../../src/castore/blob/NearFar.ts"
import * as ReadOnlyBlobs from "../../src/castore/blob/ReadOnly.ts"
import { type Composition, parse, toToml } from "../../src/config/Composition.ts"
import { layersOf } from "../../src/config/CompositionLayers.ts"
import { ConfigInvalid, InstanceNotOpened } from "../../src/config/ConfigError.ts"
import { type Driver, driver } from "../../src/config/Driver.ts"
import { standardDrivers } from "../../src/config/Drivers.ts"
import "../castore/crypto.ts"

let opened: Array<string> = []

/** A leaf that tells when it is opened. */
const counted = driver({
  kind: "blobservices",
  type: "counted",
  fields: { label: Schema.String },
  layer: ({ label }) =>
    Layer.effect(
      BlobService,
      Effect.sync(() => {
        opened.push(label)
        return MemoryBlobs.make()
      })
    )
})

/** Refers to two others, by layers given to it as any combinator would. */
const both = driver({
  kind: "blobservices",
  type: "both",
  fields: { near: Schema.NonEmptyString, far: Schema.NonEmptyString },
  references: { near: "blobservices", far: "blobservices" },
  layer: ({ near, far }, around) =>
    Layer.effect(
      BlobService,
      Effect.map(BlobService, (blobs) => blobs)
    ).pipe(
      Layer.provide(around.service("blobservices", near)),
      Layer.provide(Layer.effectDiscard(Effect.asVoid(BlobService)).pipe(Layer.provide(around.service("blobservices", far))))
    )
})

const unopenable = driver({
  kind: "blobservices",
  type: "unopenable",
  fields: {},
  layer: () => Layer.effect(BlobService, Effect.fail(new InstanceNotOpened({ instance: "inner", cause: "the disk is on fire" })))
})

const drivers: ReadonlyArray<Driver> = [...standardDrivers, counted, both, unopenable]
const place = { directory: "/etc/yix", stateDirectory: "/state" }
const read = (text: string): Effect.Effect<Composition, ConfigInvalid> => parse("yix.toml", text, { drivers, place })

/** The message about a text that is wrong. */
const complaint = (text: string) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(read(text))
    assert.instanceOf(error, ConfigInvalid)
    return error.message
  })

const wrong = (name: string, text: string, message: string) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* complaint(text), message)
    })
  )

describe("a configuration that is wrong", () => {
  wrong(
    "is told the line where it is not TOML",
    '[blobservices.root]\ntype = "local\n',
    "yix.toml:2: not TOML: control characters are not allowed in strings; correct the line, see https://toml.io"
  )
  wrong(
    "may not name tables that objects have anyway",
    "[blobservices.__proto__]\n",
    "yix.toml:1: not TOML: document contains an unsafe property; correct the line, see https://toml.io"
  )
  wrong(
    "is told of an unknown table and the one that was meant",
    '\n[blobservice.root]\ntype = "memory"\n',
    "yix.toml:2: blobservice: unknown table; did you mean 'blobservices'?"
  )
  wrong(
    "is told all tables when none is near",
    "speed = 3\n",
    "yix.toml:1: speed: unknown table; the tables are 'blobservices', 'directoryservices', 'pathinfoservices', 'fetchers', 'builders', 'tracers'"
  )
  wrong(
    "is told of a table that is there twice",
    '[fetchers.root]\ntype = "http"\n[fetchers.root]\ntype = "http"\n',
    "yix.toml:3: '[fetchers.root]' is there a second time; keep one of the two"
  )
  wrong(
    "is told of a key that is there twice",
    '[fetchers.root]\ntype = "http"\ntype = "file"\n',
    "yix.toml:3: 'type' is there a second time; keep one of the two"
  )
  wrong("is told where a table should be", "fetchers = 1\n", "yix.toml:1: fetchers: is not a table; write a table [fetchers.root]")
  wrong(
    "is told where an instance should be a table",
    '[fetchers]\nroot = "http"\n',
    "yix.toml:2: fetchers.root: is not a table; write a table [fetchers.root] with a 'type'"
  )
  wrong(
    "is told of names that cannot be referred to",
    '[fetchers.root]\ntype = "http"\n[fetchers."a b"]\ntype = "http"\n',
    "yix.toml:3: fetchers.a b: not a name for an instance; use letters, digits, '-' and '_'"
  )
  wrong(
    "is told that a kind lacks its root",
    '[blobservices.disk]\ntype = "memory"\n',
    "yix.toml:1: blobservices: has no 'root', the blob service that commands use; add a table [blobservices.root]"
  )
  wrong(
    "is told that a type is missing",
    "[builders.root]\nslots = 1\n",
    "yix.toml:1: builders.root.type: missing; add a 'type'; the types of a builder are 'grpc', 'sandbox', 'oci'"
  )
  wrong(
    "is told that a type is not a text",
    "[builders.root]\ntype = 1\n",
    "yix.toml:2: builders.root.type: is not a text; the types of a builder are 'grpc', 'sandbox', 'oci'"
  )
  wrong(
    "is told of an unknown type and the one that was meant",
    '[builders.root]\n\ntype = "sandbx"\n',
    "yix.toml:3: builders.root.type: unknown type 'sandbx'; did you mean 'sandbox'?"
  )
  wrong(
    "is told that a type belongs to another kind",
    '[builders.root]\ntype = "memory"\n',
    "yix.toml:2: builders.root.type: unknown type 'memory'; the types of a builder are 'grpc', 'sandbox', 'oci'"
  )
  wrong(
    "is told of an unknown key and the one that was meant",
    '[blobservices.root]\ntype = "local"\npth = "x"\n',
    "yix.toml:3: blobservices.root.pth: unknown key for type 'local'; did you mean 'path'?"
  )
  wrong(
    "is told the keys that there are when none is near",
    '[blobservices.root]\ntype = "local"\ncompression = "zstd"\n',
    "yix.toml:3: blobservices.root.compression: unknown key for type 'local'; remove it; type 'local' has the keys 'path', 'fsync', 'verify'"
  )
  wrong(
    "is told of a key of a type that has none",
    '[blobservices]\nroot = { type = "memory",\n  size = 3 }\n',
    "yix.toml:3: blobservices.root.size: unknown key for type 'memory'; remove it; type 'memory' has no keys"
  )
  wrong(
    "is told of a missing key",
    '[fetchers.root]\ntype = "mirror"\n',
    "yix.toml:1: fetchers.root.mirrors: missing, type 'mirror' needs it; add 'mirrors' to [fetchers.root]"
  )
  wrong(
    "is told what a value may be",
    '[blobservices.root]\ntype = "local"\nfsync = "sometimes"\n',
    'yix.toml:3: blobservices.root.fsync: wrong value "sometimes"; write "always" or "never"'
  )
  wrong(
    "is told of a value of another sort",
    '[blobservices.root]\npath = 3\ntype = "local"\n',
    "yix.toml:2: blobservices.root.path: wrong value 3; write a text"
  )
  wrong(
    "is told of a number out of bounds",
    '[fetchers.root]\ntype = "http"\nper_host = 0\n',
    "yix.toml:3: fetchers.root.per_host: wrong value 0; write a value between 1 and 9007199254740991"
  )
  wrong(
    "is told of the item of a list, on its own line",
    '[fetchers.root]\ntype = "mirror"\nmirrors = [\n  "https://a.example", # fine\n  "ftp://b.example"\n]\n',
    "yix.toml:5: fetchers.root.mirrors.1: wrong value; write an address that begins with http:// or https://"
  )
  wrong(
    "is told of a list without items where there must be one",
    '[fetchers.root]\ntype = "file"\nroots = []\n',
    "yix.toml:3: fetchers.root.roots: is too short a list; write at least 1 item"
  )
  wrong(
    "is told of a text where a list should be",
    '[fetchers.root]\ntype = "file"\nroots = "mirror"\n',
    'yix.toml:3: fetchers.root.roots: wrong value "mirror"; write a list'
  )
  wrong(
    "is told of a name that is not there, and the one that was meant",
    '[blobservices.root]\ntype = "both"\nnear = "dsk"\nfar = "&disk"\n[blobservices.disk]\ntype = "memory"\n',
    "yix.toml:3: blobservices.root.near: there is no blob service 'dsk'; did you mean 'disk'?"
  )
  wrong(
    "is told to add the table of a name that is like none",
    '[blobservices.root]\ntype = "both"\nnear = "memory-of-mine"\nfar = "disk"\n[blobservices.disk]\ntype = "memory"\n',
    "yix.toml:3: blobservices.root.near: there is no blob service 'memory-of-mine'; add a table [blobservices.memory-of-mine]"
  )
  wrong(
    "is told that a name is of another kind",
    '[blobservices.root]\ntype = "both"\nnear = "&disk"\nfar = "web"\n[blobservices.disk]\ntype = "memory"\n[fetchers.web]\ntype = "http"\n[fetchers.root]\ntype = "http"\n',
    "yix.toml:4: blobservices.root.far: 'web' is a fetcher, not a blob service; name one of [blobservices.…], or add a table [blobservices.web]"
  )
  wrong(
    "is told of an instance that refers to itself",
    '[blobservices.disk]\ntype = "memory"\n[blobservices.root]\ntype = "both"\nnear = "disk"\nfar = "root"\n',
    "yix.toml:6: blobservices.root.far: refers back to itself: blobservices.root → blobservices.root; name an instance that does not lead back here"
  )
  wrong(
    "is told of a longer circle, once, where it closes",
    '[blobservices.root]\ntype = "both"\nnear = "disk"\nfar = "&up"\n[blobservices.up]\ntype = "both"\nnear = "disk"\nfar = "over"\n' +
      '[blobservices.over]\ntype = "both"\nnear = "disk"\nfar = "up"\n[blobservices.disk]\ntype = "memory"\n',
    "yix.toml:12: blobservices.over.far: refers back to itself: blobservices.up → blobservices.over → blobservices.up; name an instance that does not lead back here"
  )
  wrong(
    "is told of a name that is not there also where other keys are wrong, and of an empty one once",
    '[blobservices.root]\ntype = "both"\nnear = "nowhere"\nfar = ""\n',
    "the configuration has 2 problems\n" +
      "  yix.toml:3: blobservices.root.near: there is no blob service 'nowhere'; add a table [blobservices.nowhere]\n" +
      '  yix.toml:4: blobservices.root.far: wrong value ""; write a value with a length of at least 1'
  )
  wrong(
    "is told everything at once, in the order of the lines, and no problem twice",
    '[fetchers.root]\ntype = "htp"\n[blobservices.root]\ntype = "both"\nnear = "disk"\nfar = "nowhere"\n[blobservices.disk]\ntype = "local"\npth = 1\n',
    "the configuration has 3 problems\n" +
      "  yix.toml:2: fetchers.root.type: unknown type 'htp'; did you mean 'http'?\n" +
      "  yix.toml:6: blobservices.root.far: there is no blob service 'nowhere'; add a table [blobservices.nowhere]\n" +
      "  yix.toml:9: blobservices.disk.pth: unknown key for type 'local'; did you mean 'path'?"
  )
})

describe("a composition", () => {
  it.effect("of nothing is the local store, the network and the sandbox, defaults written out", () =>
    Effect.gen(function* () {
      const composition = yield* read("")
      assert.deepStrictEqual(
        [...composition.instances].map(([id, { type }]) => `${id} ${type}`),
        [
          "blobservices.root local",
          "directoryservices.root local",
          "pathinfoservices.root local",
          "fetchers.root http",
          "builders.root sandbox"
        ]
      )
      assert.include(toToml(composition), '[pathinfoservices.root]\ntype = "local"\npath = "/state"\n')
      assert.include(toToml(composition), 'scratch = "/state/scratch"')
    })
  )

  it.effect("shown as TOML reads back as the same", () =>
    Effect.gen(function* () {
      const text =
        '[blobservices.root]\ntype = "both"\nnear = "&disk"\nfar = "disk"\n[blobservices.disk]\ntype = "local"\npath = "here"\nverify = "never"\n' +
        '[fetchers.root]\ntype = "mirror"\nmirrors = ["https://tarballs.example"]\nmax_bytes = 10\n'
      const shown = toToml(yield* read(text))
      assert.include(shown, 'near = "disk"\nfar = "disk"')
      assert.include(shown, 'path = "/etc/yix/here"')
      assert.strictEqual(toToml(yield* read(shown)), shown)
    })
  )

  it.effect("opens an instance that two others refer to once", () =>
    Effect.gen(function* () {
      opened = []
      const composition = yield* read(
        '[blobservices.root]\ntype = "both"\nnear = "a"\nfar = "b"\n' +
          '[blobservices.a]\ntype = "both"\nnear = "shared"\nfar = "other"\n[blobservices.b]\ntype = "both"\nnear = "shared"\nfar = "other"\n' +
          '[blobservices.shared]\ntype = "counted"\nlabel = "shared"\n[blobservices.other]\ntype = "counted"\nlabel = "other"\n'
      )
      const layers = layersOf(composition)
      assert.strictEqual(layers.service("blobservices", "a"), layers.service("blobservices", "a"))
      yield* Effect.provide(Effect.asVoid(BlobService), layers.service("blobservices", "root"))
      assert.deepStrictEqual(opened.toSorted(), ["other", "shared"])
    })
  )

  it.effect("opens once what caches in caches, read-only views and binary caches have in common", () =>
    Effect.gen(function* () {
      opened = []
      const layers = layersOf(
        yield* read(
          '[blobservices.root]\ntype = "cache"\nnear = "shared"\nfar = "b"\n[blobservices.b]\ntype = "combined"\nnear = "view"\nfar = "shared"\n' +
            '[blobservices.view]\ntype = "readonly"\ninner = "shared"\n[blobservices.shared]\ntype = "counted"\nlabel = "shared"\n' +
            '[directoryservices.root]\ntype = "memory"\n[pathinfoservices.root]\ntype = "cache"\nnear = "one"\nfar = "two"\n' +
            '[pathinfoservices.one]\ntype = "nix"\nbase_url = "file:///nowhere"\n[pathinfoservices.two]\ntype = "nix"\nbase_url = "file:///nowhere"\nblob_service = "shared"\n'
        )
      )
      const world = Layer.merge(layers.service("blobservices", "root"), layers.service("pathinfoservices", "root"))
      yield* Effect.scoped(Layer.build(world))
      assert.deepStrictEqual(opened, ["shared"])
    })
  )

  it.effect("in code opens a layer once that several combinators are given", () =>
    Effect.gen(function* () {
      opened = []
      const leaf = (label: string) =>
        Layer.effect(
          BlobService,
          Effect.sync(() => {
            opened.push(label)
            return MemoryBlobs.make()
          })
        )
      const [shared, other] = [leaf("shared"), leaf("other")]
      const inner = NearFarBlobs.layer(shared, other)
      yield* Effect.scoped(Layer.build(NearFarBlobs.layer(NearFarBlobs.layer(inner, shared), ReadOnlyBlobs.layer(inner))))
      assert.deepStrictEqual(opened.toSorted(), ["other", "shared"])
    })
  )

  it.effect("opens nothing that is not used", () =>
    Effect.gen(function* () {
      opened = []
      const composition = yield* read(
        '[blobservices.root]\ntype = "memory"\n[blobservices.spare]\ntype = "counted"\nlabel = "spare"\n[blobservices.bad]\ntype = "unopenable"\n'
      )
      yield* Effect.provide(Effect.asVoid(BlobService), layersOf(composition).service("blobservices", "root"))
      assert.deepStrictEqual(opened, [])
    })
  )

  it.effect("keeps the memories of two names apart", () =>
    Effect.gen(function* () {
      const layers = layersOf(yield* read('[blobservices.root]\ntype = "memory"\n[blobservices.other]\ntype = "memory"\n'))
      const open = (name: string) => Effect.provide(BlobService, layers.service("blobservices", name))
      const [one, two] = yield* Effect.all([open("root"), open("other")])
      const [digest] = yield* one.putMany([Uint8Array.of(1, 2, 3)])
      assert.isTrue(yield* one.has(digest!))
      assert.isFalse(yield* two.has(digest!))
    })
  )

  it.effect("names the innermost instance that could not be opened", () =>
    Effect.gen(function* () {
      const layers = layersOf(
        yield* read(
          '[blobservices.root]\ntype = "both"\nnear = "disk"\nfar = "disk"\n[blobservices.disk]\ntype = "local"\npath = "/dev/null/nowhere"\n'
        )
      )
      const error = yield* Effect.flip(Effect.provide(BlobService, layers.service("blobservices", "root")))
      assert.match(error.message, /^blobservices\.disk: store '\/dev\/null\/nowhere' failed to open its database: /)
    })
  )

  it("refuses to make layers for what it does not have", () => {
    const layers = layersOf({ file: "yix.toml", place, instances: new Map() })
    assert.throws(() => layers.service("blobservices", "root"), /no blobservices\.root/)
  })
})
