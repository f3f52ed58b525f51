/**
 * What a real Nix says about store paths that yix exported.
 */
import { assert } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as path from "node:path"
import { pathInfo } from "./PathInfos.ts"
import type { World } from "./World.ts"

/** Imports `paths` into a scratch store of Nix and compares what it knows about them with what yix does. */
export const importsInto = async (world: World, nixStore: string, paths: ReadonlyArray<string>, root: string): Promise<void> => {
  const exported = await world.yix(["store", "export", ...paths])
  assert.strictEqual(exported.code, 0, exported.stderr)
  const nix = (args: ReadonlyArray<string>, input?: Uint8Array) => {
    const run = spawnSync(nixStore, ["--store", path.join(world.directory, "nix"), "--option", "require-sigs", "false", ...args], {
      ...(input === undefined ? {} : { input }),
      env: { ...world.environment, NIX_PATH: "" },
      maxBuffer: 1 << 28
    })
    assert.strictEqual(run.status, 0, `nix-store ${args.join(" ")}: ${run.stderr.toString()}`)
    return run.stdout.toString().trim().split("\n").filter((line) => line !== "") // prettier-ignore
  }
  assert.deepStrictEqual([...nix(["--import"], exported.stdoutBytes)].sort(), [...paths].sort())
  assert.deepStrictEqual([...nix(["-q", "--references", root])].sort(), [...(await pathInfo(world, root)).references].sort())
  // Reads every byte again and compares with the hash that came along.
  nix(["--verify-path", ...paths])
}
