/** The real Nix as the other side: what it uploads, fetches and refuses. */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Base32 from "../../../src/nix/Base32.ts"
import { parsePublicKey } from "../../../src/nix/Keys.ts"
import { isStorePath } from "../../../src/nix/StorePath.ts"
import { copyClosure } from "../../../src/store/Copy.ts"
import * as NixCache from "../../../src/store/pathinfo/NixCache.ts"
import { add, http, inside, memorySide, serving, treeNar } from "./world.ts"

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-realnix-"))
afterAll(async () => {
  await run("chmod", ["-R", "u+rwX", scratch])
  fs.rmSync(scratch, { recursive: true, force: true })
})

interface Ran {
  readonly status: number
  readonly out: string
  readonly err: string
}

const run = (file: string, args: ReadonlyArray<string>, home = scratch): Promise<Ran> =>
  new Promise((resolve) => {
    const env = { ...process.env, HOME: home, NIX_CONFIG: "experimental-features = nix-command\nsandbox = false", NIX_REMOTE: "" }
    execFile(file, [...args], { env, maxBuffer: 1 << 26, timeout: 100_000 }, (error, out, err) =>
      resolve({ status: error === null ? 0 : 1, out, err })
    )
  })

const ok = async (file: string, args: ReadonlyArray<string>, home?: string): Promise<string> => {
  const { status, out, err } = await run(file, args, home)
  assert.strictEqual(status, 0, `${file} ${args.join(" ")}\n${err}`)
  return out.trim()
}

const nixes = [
  { name: "2.8", nix: "/usr/bin/nix", instantiate: "/usr/bin/nix-instantiate", store: "/usr/bin/nix-store" },
  {
    name: "2.34",
    nix: "/w/nixnew/bin/nix-new",
    instantiate: "/w/nixnew/bin/nix-instantiate-new",
    store: "/w/nixnew/bin/nix-store-new"
  }
]
const vectors = "/work/shared/vectors/store"

/** Sixty derivations, each of which refers to the one before. */
const chain = `
  let mk = n: derivation { name = "chain-\${toString n}"; system = "x86_64-linux"; builder = "/bin/sh";
    args = if n == 0 then [] else [ (mk (n - 1)) ]; };
  in mk 60`

for (const nix of nixes) {
  const present = fs.existsSync(nix.nix)
  describe.skipIf(!present)(present ? `Nix ${nix.name}` : `Nix ${nix.name} (skipped: ${nix.nix} is not here)`, () => {
    it.live(
      "copies a closure to yix and back into a fresh store, bit for bit",
      () =>
        Effect.gen(function* () {
          const side = memorySide()
          const url = yield* serving(side)
          const first = path.join(scratch, `${nix.name}-first`)
          const drvPath = (yield* Effect.promise(() => ok(nix.instantiate, ["--store", first, "-E", chain]))).replace(
            /^.*\/nix\/store/,
            "/nix/store"
          )
          assert.isTrue(isStorePath(drvPath))
          // 2.34 takes a derivation's path for the derivation unless its output is asked for so.
          yield* Effect.promise(() => ok(nix.nix, ["copy", "--store", first, "--to", url, "--derivation", drvPath]))
          const infos = yield* Stream.runCollect(side.pathInfos.list())
          assert.strictEqual(infos.length, 61)
          // Nix remembers the narinfos that it has sent, so at home it asks for the files as it had named them; in another home, for those that we name.
          const second = path.join(scratch, `${nix.name}-second`)
          yield* Effect.promise(() => ok(nix.nix, ["copy", "--from", url, "--to", `${second}-at-home`, "--derivation", drvPath]))
          fs.mkdirSync(`${second}-home`)
          yield* Effect.promise(() => ok(nix.nix, ["copy", "--from", url, "--to", second, "--derivation", drvPath], `${second}-home`))
          const requisites = (store: string) => ok(nix.store, ["--store", store, "--query", "--requisites", drvPath])
          assert.strictEqual(yield* Effect.promise(() => requisites(second)), yield* Effect.promise(() => requisites(first)))
          for (const info of infos) {
            const file = (store: string) => fs.readFileSync(path.join(store, info.path))
            assert.isTrue(file(second).equals(file(first)) && file(`${second}-at-home`).equals(file(first)))
          }
          yield* Effect.promise(() => ok(nix.store, ["--store", second, "--verify", "--check-contents"]))
        }),
      120_000
    )

    it.live(
      "takes a closure from a cache that yix wrote into a directory, in each compression, with signatures required",
      () =>
        Effect.gen(function* () {
          const side = memorySide()
          const secret = path.join(scratch, `${nix.name}-secret`)
          fs.writeFileSync(secret, "t-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==")
          const low = yield* add(side, "low", treeNar("low"), [], { ca: undefined })
          const high = yield* add(side, "high", treeNar("high"), [low.path], { ca: undefined })
          for (const compression of ["zstd", "gzip", "br", "none"]) {
            const url = pathToFileURL(path.join(scratch, `${nix.name}-written-${compression}`)).href
            const cache = { url: `${url}?compression=${compression}&secret-key=${secret}&write-nar-listing=true`, trustedKeys: undefined }
            const pathInfos = yield* inside(side, NixCache.make(cache)).pipe(Effect.provide(http))
            yield* copyClosure([high.path], side, { ...side, pathInfos })
            const store = path.join(scratch, `${nix.name}-from-${compression}`)
            const trusted = ["--option", "trusted-public-keys", "t-1:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="]
            const realise = ["--store", store, "--realise", high.path, "--option", "substituters", url, "--option", "require-sigs", "true"]
            yield* Effect.promise(() => ok(nix.store, [...realise, ...trusted]))
            const dumped = yield* Effect.promise(() => ok(nix.store, ["--store", store, "--query", "--hash", low.path, high.path]))
            assert.strictEqual(dumped, [low, high].map(({ narHash }) => `sha256:${Base32.encode(narHash)}`).join("\n"))
            yield* Effect.promise(() => ok(nix.store, ["--store", store, "--verify", "--check-contents"]))
          }
        }),
      120_000
    )

    const recorded = fs.existsSync(vectors)
    it.live.skipIf(!recorded)(
      "realises a signed path with yix as its only substituter, and refuses it under another key",
      () =>
        Effect.gen(function* () {
          const side = memorySide()
          const key = fs.readFileSync(path.join(vectors, "public.key"), "utf8").trim()
          const cache = { url: pathToFileURL(path.join(vectors, "cache-xz")).href, trustedKeys: [parsePublicKey(key)] }
          const pathInfos = yield* inside(side, NixCache.make(cache)).pipe(Effect.provide(http))
          const top = "/nix/store/2xy2zzi6nn3b4ya0r30338x489i12cll-corpus-app-2.0"
          if (!isStorePath(top)) return assert.fail()
          yield* copyClosure([top], { ...side, pathInfos }, side)
          const url = yield* serving(side)
          const realise = (root: string, trusted: string) =>
            Effect.promise(() =>
              run(nix.store, [
                ...["--store", path.join(scratch, `${nix.name}-${root}`), "--realise", top, "--option", "substituters", url],
                ...["--option", "trusted-public-keys", trusted, "--option", "require-sigs", "true"]
              ])
            )
          const trusted = yield* realise("trusted", key)
          assert.strictEqual(trusted.status, 0, trusted.err)
          assert.match(fs.readFileSync(path.join(scratch, `${nix.name}-trusted`, top), "utf8"), /^app uses \/nix\/store\/w6br/)
          const refused = yield* realise("refused", "corpus-1:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")
          assert.strictEqual(refused.status, 1)
        }),
      120_000
    )
  })
}
