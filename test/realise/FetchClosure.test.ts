/**
 * `fetchClosure` out of a binary cache in a directory. The closure was built from three derivations; the names, content addresses and NAR hashes that it gets by rewriting are
 * those that `nix store make-content-addressed` of Nix 2.34.8 (and, where self-references are hashed with their places, of Nix 2.8) gave for it.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FarRequest } from "../../src/eval/IoRequest.ts"
import { ingest } from "../../src/castore/ingest/Ingest.ts"
import * as Stream from "effect/Stream"
import type { Node } from "../../src/castore/Node.ts"
import { parsePublicKey, parseSecretKey } from "../../src/nix/Keys.ts"
import { toBytes } from "../../src/nix/Bytes.ts"
import { printHash } from "../../src/nix/Hash.ts"
import type { StorePath } from "../../src/nix/StorePath.ts"
import { Realiser, RealiseOptions } from "../../src/realise/Realiser.ts"
import { TrustedKeys } from "../../src/realise/TrustedKeys.ts"
import { calculate } from "../../src/store/Nar.ts"
import { make as openNixCache } from "../../src/store/pathinfo/NixCache.ts"
import type { PathInfo } from "../../src/store/PathInfo.ts"
import { PathInfoService } from "../../src/store/PathInfoService.ts"
import { sign } from "../../src/store/Signing.ts"
import * as Http from "../../src/wire/Http.ts"
import { file, world } from "./world.ts"

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-closure-"))
afterAll(() => fs.rmSync(scratch, { recursive: true }))
const cacheAt = (name: string): string => `file://${path.join(scratch, name)}`

const low = "/nix/store/ikpy5xv019kkw6gmxl2jxn73173sycnq-low" as StorePath
const mid = "/nix/store/bmkrqwinvz1pn1wz0j0qvrfgs5v4d4k6-mid" as StorePath
const top = "/nix/store/rgpl4rmgwqkjb2fzw2r82y7s3h1zj7h5-top" as StorePath
const directory = "/nix/store/0bz6mcmnvp6007hmkla0asmi867p94m7-dir" as StorePath
const newMid = "/nix/store/fcjv4z6lh0m217xcqqw227y59fa50i9g-mid" as StorePath
const newTop = "/nix/store/n75vnw3wys9dyc3gpx2jb339426m5nam-top" as StorePath
const newDirectory = "/nix/store/58ap8chyc6g68akc2gw8gljlx9fdlagh-dir" as StorePath
const oldFormTop = "/nix/store/czy0hg0jbnlnaggwrk5dqlismgipcrib-top" as StorePath

// RFC 8032, test 1.
const secret = parseSecretKey(
  `test-1:${Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex").toString("base64")}`
)
const trusted = [parsePublicKey("test-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]

const infoOf = Effect.fnUntraced(function* (storePath: StorePath, node: Node, references: ReadonlyArray<StorePath>) {
  const nar = yield* Effect.orDie(calculate(node))
  return {
    path: storePath,
    node,
    references,
    ...nar,
    signatures: [],
    deriver: undefined,
    ca: undefined,
    registrationTime: 1
  } satisfies PathInfo
})

const treeOf = ingest(
  Stream.make(
    { _tag: "File", path: "bin/x", executable: true, contents: toBytes(`#!${directory}/bin/x\n`) },
    { _tag: "Directory", path: "bin" },
    { _tag: "File", path: `lib/${path.basename(directory)}`, executable: false, contents: new Uint8Array(0) },
    { _tag: "Symlink", path: "lib/l", target: `${directory}/bin/x` },
    { _tag: "File", path: "lib/rgpl", executable: false, contents: toBytes(`${directory}\n`) },
    { _tag: "Directory", path: "lib" },
    { _tag: "Directory", path: "" }
  )
)

const closure = Effect.gen(function* () {
  return [
    yield* infoOf(low, yield* file("low\n"), []),
    yield* infoOf(mid, yield* file(`self ${mid} and ${low}\nagain ${mid}\n`), [mid, low]),
    yield* infoOf(top, yield* file(`${top} ${mid} ${low} ${top}\n`), [mid, low, top]),
    yield* infoOf(directory, yield* Effect.orDie(treeOf), [directory])
  ]
})

const put = (name: string, infos: ReadonlyArray<PathInfo>) =>
  Effect.gen(function* () {
    const cache = yield* openNixCache({ url: cacheAt(name), trustedKeys: undefined })
    yield* Effect.forEach(infos, (info) => cache.put(info))
  }).pipe(Effect.provide(Http.layer()))

beforeAll(() =>
  Effect.gen(function* () {
    const infos = yield* closure
    yield* put("plain", infos)
    yield* put(
      "signed",
      infos.map((info) => sign(info, secret))
    )
  }).pipe(Effect.provide(world({})), Effect.scoped, Effect.runPromise)
)

type Request = Extract<FarRequest, { readonly _tag: "FetchClosure" }>

const ask = (request: Omit<Request, "_tag" | "rewritten"> & { readonly rewritten?: StorePath }) =>
  Effect.flatMap(Realiser, (realiser) => realiser.answer({ rewritten: undefined, ...request, _tag: "FetchClosure" }))

const stored = (storePath: StorePath) => Effect.flatMap(PathInfoService, (service) => Effect.orDie(service.get(storePath)))

const plain = cacheAt("plain")
const narHash = (info: PathInfo) => printHash({ algorithm: "sha256", digest: info.narHash }, "nix32")

describe("a closure that is rewritten", () => {
  it.effect("gets the names and contents that Nix gives it, and its own name is told where none was asked for", () =>
    Effect.gen(function* () {
      const untold = yield* Effect.flip(ask({ cache: plain, path: top, wanted: "rewritten" }))
      assert.strictEqual(
        untold.message,
        `rewriting '${top}' to content-addressed form yielded '${newTop}'\nUse this value for the 'toPath' attribute passed to 'fetchClosure'`
      )
      const wrong = yield* Effect.flip(ask({ cache: plain, path: top, wanted: "rewritten", rewritten: newMid }))
      assert.strictEqual(wrong.message, `rewriting '${top}' to content-addressed form yielded '${newTop}', while '${newMid}' was expected`)
      assert.isTrue(Option.isNone(yield* stored(newTop)))
      assert.strictEqual(yield* ask({ cache: plain, path: top, wanted: "rewritten", rewritten: newTop }), newTop)
      const info = Option.getOrThrow(yield* stored(newTop))
      assert.strictEqual(info.ca, "fixed:r:sha256:0lzz229lgqvcd429ifpdw9h8c34v1c2hfs7096y2x27r2pzhldbw")
      assert.strictEqual(narHash(info), "13s5rf0gp3aj5h8bmz5gsd0dfajjq3d3si3bxgkbf1fr4rlxz2rk")
      assert.deepStrictEqual([...info.references], ["/nix/store/cpxi3isn0vfsnhkwxssxwsrnk66nmhgs-low", newMid, newTop])
      assert.strictEqual(narHash(Option.getOrThrow(yield* stored(newMid))), "00g6hj92mkk6yknfhwr51plc51vxzjks9qiiw6sgwlij262ljkr9")
      for (const old of [low, mid, top]) assert.isTrue(Option.isNone(yield* stored(old)))
    }).pipe(Effect.provide(world({})))
  )

  it.effect("may be a tree with its name in names of files and targets of links", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* ask({ cache: plain, path: directory, wanted: "rewritten", rewritten: newDirectory }), newDirectory)
    }).pipe(Effect.provide(world({})))
  )

  it.effect("may have a name of the Nix versions that hash the places of self-references, too", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* ask({ cache: plain, path: top, wanted: "rewritten", rewritten: oldFormTop }), oldFormTop)
    }).pipe(Effect.provide(world({})))
  )

  it.effect("is not asked for again; what is there under that name must be content-addressed", () =>
    Effect.gen(function* () {
      yield* ask({ cache: plain, path: top, wanted: "rewritten", rewritten: newTop })
      assert.strictEqual(yield* ask({ cache: cacheAt("absent"), path: top, wanted: "rewritten", rewritten: newTop }), newTop)
      const [info] = yield* closure
      yield* Effect.flatMap(PathInfoService, (service) => service.put(info!))
      const error = yield* Effect.flip(ask({ cache: plain, path: top, wanted: "rewritten", rewritten: low }))
      assert.match(error.message, /^The 'toPath' value '.*-low' is input-addressed, so it can't possibly be the result of rewriting/)
    }).pipe(Effect.provide(world({})))
  )
})

describe("a closure as it is", () => {
  it.effect("needs nobody's word where it is content-addressed, self-references or not; what only claims to be is refused", () =>
    Effect.gen(function* () {
      yield* ask({ cache: plain, path: top, wanted: "rewritten", rewritten: newTop })
      const infos = yield* Effect.forEach(["/nix/store/cpxi3isn0vfsnhkwxssxwsrnk66nmhgs-low" as StorePath, newMid, newTop], (one) =>
        Effect.map(stored(one), Option.getOrThrow)
      )
      yield* put("addressed", infos)
      const forged = yield* infoOf(newTop, yield* file("forged"), infos[2]!.references)
      yield* put("forged", [...infos.slice(0, 2), { ...forged, ca: infos[2]!.ca }])
    }).pipe(
      Effect.provide(world({})),
      Effect.andThen(
        Effect.gen(function* () {
          const forged = yield* Effect.flip(ask({ cache: cacheAt("forged"), path: newTop, wanted: "content-addressed" }))
          assert.match(forged.message, new RegExp(`^cannot add path '${newTop}' because it lacks a signature by a trusted key`))
          assert.isTrue(Option.isNone(yield* stored(newTop)))
          const cache = cacheAt("addressed")
          assert.strictEqual(yield* ask({ cache, path: newTop, wanted: "content-addressed" }), newTop)
          assert.isTrue(Option.isSome(yield* stored(newMid)))
          const error = yield* Effect.flip(ask({ cache, path: newTop, wanted: "input-addressed" }))
          assert.match(error.message, /is not input-addressed, but 'inputAddressed' is set to 'true'/)
        }).pipe(Effect.provide(world({})))
      )
    )
  )

  it.effect("needs a signature by a trusted key where it is input-addressed", () =>
    Effect.gen(function* () {
      for (const cache of [plain, cacheAt("signed")]) {
        const error = yield* Effect.flip(ask({ cache, path: top, wanted: "input-addressed" }))
        assert.match(error.message, /^cannot add path '\/nix\/store\/\S+' because it lacks a signature by a trusted key/)
      }
      const trusting = Effect.provideService(TrustedKeys, trusted)
      const other = yield* Effect.flip(trusting(ask({ cache: cacheAt("signed"), path: top, wanted: "content-addressed" })))
      assert.match(other.message, /^The 'fromPath' value '.*-top' is input-addressed, but 'inputAddressed' is set to 'false' \(default\)/)
      assert.strictEqual(yield* trusting(ask({ cache: cacheAt("signed"), path: top, wanted: "input-addressed" })), top)
      assert.isTrue(Option.isSome(yield* stored(low)))
    }).pipe(Effect.provide(world({})))
  )

  it.effect("that the cache does not have, or has a part of, is not valid; offline nothing is asked", () =>
    Effect.gen(function* () {
      const infos = yield* closure
      yield* put("part", infos.slice(2, 3))
      const messageOf = (cache: string, wanted: Request["wanted"]) =>
        Effect.map(Effect.flip(ask({ cache, path: top, wanted })), (error) => error.message)
      assert.strictEqual(
        yield* messageOf(cacheAt("absent"), "content-addressed"),
        `path '${top}' is not valid: '${cacheAt("absent")}' does not have it`
      )
      assert.match(yield* messageOf(cacheAt("part"), "rewritten"), /^path '\S+-(?:low|mid)' is not valid: /)
      const { keepGoing, maxJobs, timeout, maxSilent, check } = yield* RealiseOptions
      const offline = yield* Effect.provideService(messageOf("https://cache.test", "rewritten"), RealiseOptions, {
        ...{ keepGoing, maxJobs, timeout, maxSilent, check },
        offline: true
      })
      assert.match(offline, /which --offline forbids$/)
    }).pipe(Effect.provide(world({})))
  )

  it.effect("with references that lead in a circle is refused", () =>
    Effect.gen(function* () {
      const node = yield* file("x")
      yield* put("circle", [yield* infoOf(top, node, [mid]), yield* infoOf(mid, node, [top])])
      const error = yield* Effect.flip(ask({ cache: cacheAt("circle"), path: top, wanted: "rewritten" }))
      assert.match(error.message, /refers to paths that refer back to it/)
    }).pipe(Effect.provide(world({})))
  )
})
