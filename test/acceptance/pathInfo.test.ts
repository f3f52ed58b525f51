/** `yix store path-info --json` against `nix path-info --json` of Nix 2.34, key for key: of what yix built and of caches that either of them wrote. */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { World } from "./World.ts"

const nix = process.env["NIX_NEW"] === undefined ? "/w/nixnew/bin/nix-new" : path.join(process.env["NIX_NEW"], "nix")
const present = fs.existsSync(nix)
const key = "t-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA=="

/** A source, a text, a fixed output, and what is built of them. */
const expression = `rec {
  source = ./source;
  text = builtins.toFile "text" "about \${source}";
  fixed = derivation { name = "fixed"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo -n hi > $out" ];
    outputHash = "sha256-j0NDRmSPa5bfid2pAcUXaxCm2Dlh3TwayItZstwyeqQ="; outputHashAlgo = "sha256"; outputHashMode = "flat"; };
  built = derivation { name = "built"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo \${text} \${fixed} $out > $out" ]; };
}`

type Entry = Record<string, unknown>

/** What differs from store to store is not compared. */
const comparable = (text: string): unknown =>
  JSON.parse(text, (name: string, value: unknown) => (name === "registrationTime" && value !== null ? "a time" : value))

describe.skipIf(!present)(present ? "path infos as JSON" : `path infos as JSON (skipped: ${nix} is not here)`, () => {
  let world: World
  let scratch = ""
  let paths: ReadonlyArray<string> = []
  const yix = (...args: ReadonlyArray<string>) => world.ok(args)
  const byNix = (...args: ReadonlyArray<string>): Promise<string> =>
    new Promise((resolve, reject) => {
      const env = {
        ...world.environment,
        NIX_REMOTE: "",
        NIX_CONFIG: "experimental-features = nix-command\nsandbox = false\nsubstituters ="
      }
      execFile(nix, [...args], { encoding: "utf8", cwd: scratch, timeout: 60_000, env }, (error, out) =>
        error === null ? resolve(out.trim()) : reject(error)
      )
    })

  beforeAll(async () => {
    world = new World()
    scratch = path.dirname(world.write("e.nix", expression))
    world.write("source/file", "contents")
    world.write("key", key)
    const built = await yix("build", path.join(scratch, "e.nix"), "-A", "built", "--no-out-link")
    paths = Object.keys(JSON.parse(await yix("store", "path-info", "--json", "--closure", built)) as Entry)
    assert.strictEqual(paths.length, 4)
  })

  afterAll(() => world[Symbol.dispose]())

  it("are those of Nix for what it made itself of the same source, text and contents", async () => {
    const store = path.join(scratch, "made")
    await byNix("eval", "--store", store, "--raw", "-f", "e.nix", "text")
    fs.writeFileSync(path.join(scratch, "fixed"), "hi")
    await byNix("store", "add", "--store", store, "--mode", "flat", "--name", "fixed", path.join(scratch, "fixed"))
    const made = paths.filter((name) => !name.endsWith("-built"))
    for (const format of ["1", "2"]) {
      const theirs = comparable(await byNix("path-info", "--store", store, "--json", "--json-format", format, ...made))
      const ours = comparable(await yix("store", "path-info", "--json", "--json-format", format, ...made))
      // Which derivation a path came from is known only to who built it.
      const unknown = JSON.parse(JSON.stringify(ours), (name: string, value: unknown) => (name === "deriver" ? null : value)) as unknown
      assert.deepStrictEqual(unknown, theirs)
    }
  })

  it("are those of Nix for what it copied from us, built paths too, and for what either says of a cache that we wrote, and that it wrote", async () => {
    const server = world.start(["serve", "--http", ":0", "--priority", "7"])
    try {
      const url = await new Promise<string>((resolve, reject) => {
        let text = ""
        server.child.stderr!.on("data", (piece: Buffer) => {
          const found = /http:\/\/127\.0\.0\.1:\d+/.exec((text += piece.toString()))
          if (found !== null) resolve(found[0])
        })
        server.child.on("exit", () => reject(new Error(text)))
      })
      assert.match(await (await fetch(`${url}/nix-cache-info`)).text(), /^Priority: 7$/m)
      const store = path.join(scratch, "copied")
      await byNix("copy", "--no-check-sigs", "--from", url, "--to", store, ...paths)
      const ofUs = `file://${scratch}/ours`
      const ofNix = `file://${scratch}/theirs`
      await yix("copy", "--to", `${ofUs}?secret-key=${scratch}/key`, ...paths)
      await byNix("copy", "--no-check-sigs", "--from", store, "--to", `${ofNix}?secret-key=${scratch}/key`, ...paths)
      for (const format of ["1", "2"]) {
        const ask = ["--json", "--json-format", format, ...paths]
        assert.deepStrictEqual(
          comparable(await yix("store", "path-info", ...ask)),
          comparable(await byNix("path-info", "--store", store, ...ask))
        )
        for (const cache of [ofUs, ofNix]) {
          const ours = comparable(await yix("store", "path-info", "--no-check-sigs", "--from", cache, ...ask))
          assert.deepStrictEqual(ours, comparable(await byNix("path-info", "--store", cache, ...ask)))
          assert.match(JSON.stringify(ours), /t-1:[A-Za-z0-9+/]{86}==/)
        }
      }
      // Each signs as the other does.
      const signatures = async (cache: string) => {
        const told = await yix("store", "path-info", "--no-check-sigs", "--json", "--from", cache, ...paths)
        return Object.values(JSON.parse(told) as Record<string, Entry>).map((entry) => entry["signatures"])
      }
      assert.deepStrictEqual(await signatures(ofUs), await signatures(ofNix))
      // What we wrote is a substituter for Nix, with signatures required.
      const trusted = "t-1:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
      await byNix("copy", "--from", ofUs, "--to", path.join(scratch, "substituted"), "--option", "trusted-public-keys", trusted, ...paths)
    } finally {
      server.child.kill("SIGTERM")
      await server.run
    }
  })

  it("tell null of what is not there, and without JSON that it is not", async () => {
    const absent = `/nix/store/${"0".repeat(32)}-x`
    assert.deepStrictEqual(JSON.parse(await yix("store", "path-info", "--json", absent)), { [absent]: null })
    const { code, stderr } = await world.yix(["store", "path-info", absent])
    assert.strictEqual(code, 1)
    assert.match(stderr, /is not in the store/)
  })
})
