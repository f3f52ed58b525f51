import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { parse, toToml } from "../../src/config/Composition.ts"
import { drawSvg, drawText } from "../../src/config/Drawing.ts"
import { standardDrivers } from "../../src/config/Drivers.ts"

const read = (text: string) =>
  parse("yix.toml", text, { drivers: standardDrivers, place: { directory: "/state", stateDirectory: "/state" } })

const everything =
  '[blobservices.root]\ntype = "combined"\nnear = "disk"\nfar = "up"\n[blobservices.disk]\ntype = "local"\n[blobservices.up]\ntype = "grpc"\nurl = "grpc+http://user:secret@host:1"\n' +
  '[pathinfoservices.root]\ntype = "negative"\ninner = "signed"\n[pathinfoservices.signed]\ntype = "keyfile-signing"\ninner = "both"\nkeyfile = "key"\n' +
  '[pathinfoservices.both]\ntype = "cache"\nnear = "recent"\nfar = "nixos"\nwrite = "near"\n[pathinfoservices.recent]\ntype = "lru"\ncapacity = 10\n' +
  '[pathinfoservices.nixos]\ntype = "nix"\nbase_url = "https://cache.nixos.org"\nblob_service = "disk"\n'

const ofStores = ["blobservices", "directoryservices", "pathinfoservices"]
/** Every type, each in a table of its own: kind, type, keys. */
const types: ReadonlyArray<readonly [kind: string, type: string, keys: string]> = [
  ...ofStores.flatMap((kind) => [
    [kind, "memory", ""] as const,
    [kind, "local", 'path = "store"'] as const,
    [kind, "grpc", 'url = "grpc+unix:/run/yix.sock"'] as const,
    [kind, "cache", 'near = "memory"\nfar = "combined"'] as const,
    [kind, "combined", 'near = "local"\nfar = "&readonly"\nwrite = "near"'] as const,
    [kind, "readonly", 'inner = "grpc"'] as const
  ]),
  ["pathinfoservices", "lru", "capacity = 10"],
  ["pathinfoservices", "negative", 'inner = "nix"\nttl = 60'],
  ["pathinfoservices", "keyfile-signing", 'inner = "lru"\nkeyfile = "secret"'],
  ["pathinfoservices", "nix", 'base_url = "https://cache.nixos.org"\nblob_service = "memory"'],
  ["fetchers", "http", "retries = 1"],
  ["fetchers", "mirror", 'mirrors = ["https://a.example", "https://b.example"]'],
  ["fetchers", "file", 'roots = ["a", "b"]'],
  ["fetchers", "recorded", 'inner = "combined"\ndirectory = "recordings"\nmode = "replay"'],
  ["fetchers", "combined", 'near = "file"\nfar = "mirror"'],
  ["builders", "sandbox", "slots = 2"],
  ["builders", "oci", ""],
  ["builders", "grpc", 'url = "grpc+http://builder.example:8000"\nblob_service = "grpc"'],
  ["tracers", "otlp", 'endpoint = "http://collector.example:4318"\nheaders = { "x-key" = "confidential" }'],
  ["tracers", "file", 'path = "trace.json"'],
  ["tracers", "otel-sdk", 'module = "./tracing.ts"'],
  ["tracers", "combined", 'tracers = ["otlp", "&file", "otel-sdk"]']
]
const ofEveryType =
  types.map(([kind, type, keys]) => `[${kind}.${type}]\ntype = "${type}"\n${keys}\n`).join("") +
  ofStores.map((kind) => `[${kind}.root]\ntype = "cache"\nnear = "memory"\nfar = "local"\n`).join("") +
  '[fetchers.root]\ntype = "http"\n[builders.root]\ntype = "sandbox"\n[tracers.root]\ntype = "file"\npath = "t"\n'

describe("every type", () => {
  it.effect("is checked, shown so that it reads back as the same, and drawn in text and SVG", () =>
    Effect.gen(function* () {
      const composition = yield* read(ofEveryType)
      assert.strictEqual(composition.instances.size, types.length + 6)
      const shown = toToml(composition)
      assert.strictEqual(toToml(yield* read(shown)), shown)
      const [text, svg] = [drawText(composition).join("\n"), drawSvg(composition)]
      for (const [kind, type] of types) {
        assert.include(text, `${kind}.${type} (${type})`)
        assert.include(svg, `>${kind}.${type}</text>`)
      }
      assert.include(text, "headers=x-key")
      assert.notInclude(text + svg, "confidential")
    })
  )
})

describe("a drawing", () => {
  it.effect("in text shows who uses whom, across kinds, and no password", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(drawText(yield* read(everything)), [
        "blobservices.root (combined) write=both",
        "├─ near: blobservices.disk (local) path=/state fsync=always verify=always",
        "└─ far: blobservices.up (grpc) url=grpc+http://…@host:1",
        "directoryservices.root (local) path=/state",
        "pathinfoservices.root (negative) ttl=3600 capacity=65536",
        "└─ inner: pathinfoservices.signed (keyfile-signing) keyfile=/state/key",
        "   └─ inner: pathinfoservices.both (cache) write=near",
        "      ├─ near: pathinfoservices.recent (lru) capacity=10",
        "      └─ far: pathinfoservices.nixos (nix) base_url=https://cache.nixos.org public_keys=cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=",
        "         ├─ blob_service: blobservices.disk (local) path=/state fsync=always verify=always",
        "         └─ directory_service: directoryservices.root (local) path=/state",
        "fetchers.root (http) concurrency=16 per_host=8 retries=5 max_unpacked=68719476736",
        "builders.root (sandbox) driver=auto scratch=/state/scratch max_log=0"
      ])
    })
  )

  it.effect("in SVG has a box for each instance and an arrow for each reference", () =>
    Effect.gen(function* () {
      const composition = yield* read(everything)
      const svg = drawSvg(composition)
      assert.strictEqual(svg.match(/<rect /g)?.length, composition.instances.size)
      const references = [...composition.instances.values()].flatMap((instance) => instance.references)
      assert.strictEqual(svg.match(/<line /g)?.length, references.length)
      assert.notInclude(svg, "secret")
      for (const id of composition.instances.keys()) assert.include(svg, `>${id}</text>`)
    })
  )

  it.effect("in SVG leads each arrow from column to column, through no box and past no edge", () =>
    Effect.gen(function* () {
      const svg = drawSvg(yield* read(everything))
      const numbers = (tag: string, ...names: ReadonlyArray<string>) =>
        [...svg.matchAll(new RegExp(`<${tag} [^>]*`, "g"))].map(([text]) =>
          names.map((name) => Number(new RegExp(` ${name}="([^"]+)"`).exec(text)![1]))
        )
      const boxes = numbers("rect", "x", "y", "width", "height") as Array<Array<number>> as Array<[number, number, number, number]>
      const [[width, height]] = numbers("svg", "width", "height") as [[number, number]]
      for (const [x, y, w, h] of boxes) {
        assert.isAtMost(x + w, width)
        assert.isAtMost(y + h, height)
        // Boxes of a column are as wide as each other and apart.
        for (const [x2, y2, w2, h2] of boxes) if (x === x2 && y !== y2) assert.isTrue(w === w2 && (y + h < y2 || y2 + h2 < y))
      }
      for (const [x1, x2] of numbers("line", "x1", "x2") as Array<Array<number>> as Array<[number, number]>) {
        assert.isTrue(boxes.some(([x, , w]) => x + w === x1))
        assert.isTrue(boxes.some(([x]) => x === x2))
        assert.isBelow(x1, x2)
      }
    })
  )
})
