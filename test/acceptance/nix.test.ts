import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { withShell } from "./Expressions.ts"
import { helloExample } from "./HelloMirror.ts"
import { importsInto } from "./NixImport.ts"
import { closure } from "./PathInfos.ts"
import { programOnPath, project, World } from "./World.ts"

// Every test here compares with a real Nix. Elsewhere its answers are written down (quickstart.test.ts, hello.test.ts), or the test compares if it can (hello.test.ts).
const nixInstantiate = programOnPath("nix-instantiate")
const nixStore = programOnPath("nix-store")
// A Nix for which /nix/store is elsewhere builds in a sandbox, and Debian's does not say which shell belongs in there.
const busybox = programOnPath("busybox")
const isStatic =
  busybox !== undefined && /not a dynamic executable|statically linked/.test(spawnSync("ldd", [busybox], { encoding: "utf8" }).stderr)
const sandboxShell = isStatic
  ? `/bin/sh=${busybox}`
  : `/bin/sh=${fs.realpathSync("/bin/sh")} ${["/lib", "/lib64", "/usr/lib"].filter((folder) => fs.existsSync(folder)).join(" ")}`
const noNix = "there is no Nix on the PATH to compare with"

const examples: ReadonlyArray<{ readonly name: string; readonly args: ReadonlyArray<string> }> = [
  { name: "quickstart", args: [path.join(project, "examples/quickstart.nix")] },
  ...["hello", "greeting", "parts.glibc", "parts.tools", "parts.toolchain", "parts.busybox"].map((attribute) => ({
    name: `hello -A ${attribute}`,
    args: [helloExample, "--argstr", "mirror", "http://127.0.0.1:1/mirror", "-A", attribute]
  })),
  ...["x86_64-linux", "aarch64-linux"].map((system) => ({
    name: `hello for ${system}`,
    args: [helloExample, "--argstr", "mirror", "file:///mirror", "--argstr", "system", system, "-A", "greeting"]
  }))
]

describe("against a real Nix", () => {
  for (const { name, args } of examples)
    it(`gives the derivation path that nix-instantiate gives: ${name}`, async (context) => {
      if (nixInstantiate === undefined) return context.skip(noNix)
      using world = new World()
      // A store of its own: the quickstart is built while it is evaluated.
      const store = ["--store", path.join(world.directory, "nix"), "--option", "substituters", ""]
      const sandbox = ["--option", "sandbox", "true", "--option", "sandbox-paths", sandboxShell]
      const nix = spawnSync(nixInstantiate, [...store, ...sandbox, ...args], {
        encoding: "utf8",
        env: { ...world.environment, NIX_PATH: "" }
      })
      if (nix.status !== 0 && /chroot|unshare|Operation not permitted/.test(nix.stderr))
        return context.skip(`this Nix cannot build here: ${nix.stderr.trim().split("\n").at(-1)}`)
      assert.strictEqual(nix.status, 0, nix.stderr)
      const derivation = nix.stdout.trim()
      assert.match(derivation, /^\/nix\/store\/.*\.drv$/)
      const [file, ...rest] = args
      assert.strictEqual(await world.ok(["instantiate", "-f", file!, ...rest]), derivation)
    })

  it("exports what nix-store imports, with the same references and hashes", async (context) => {
    if (nixStore === undefined) return context.skip(noNix)
    using world = new World()
    const built = await world.ok(["build", "--no-out-link", "-f", path.join(project, "examples/quickstart.nix")])
    await importsInto(world, nixStore, await closure(world, built), built)
  })

  it("exports folders, links, programs and odd names so that nix-store takes them", async (context) => {
    if (nixStore === undefined) return context.skip(noNix)
    using world = new World()
    const tree = path.dirname(world.write("tree/file", "x".repeat(100_003)))
    fs.mkdirSync(path.join(tree, "empty folder"))
    fs.symlinkSync("../nowhere/at all", path.join(tree, "link"))
    fs.writeFileSync(path.join(tree, "program"), "#!/bin/sh\n", { mode: 0o755 })
    fs.writeFileSync(Buffer.from(path.join(tree, "caf\xe9"), "latin1"), "")
    const file = world.write("uses.nix", withShell(world.mark, 'shell "uses" { tree = ./tree; } "echo $tree > $out"'))
    const built = await world.ok(["build", "--no-out-link", "-f", file])
    const paths = await closure(world, built)
    assert.strictEqual(paths.length, 2)
    await importsInto(world, nixStore, paths, built)
  })
})
