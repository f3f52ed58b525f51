/** The contract of builders over the builder of this machine. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { afterAll, describe } from "@effect/vitest"
import { builderContract } from "./builder.contract.ts"
import { makeWorld } from "./world.ts"

const ways = [
  { driver: "bubblewrap" },
  { driver: "util-linux" },
  { driver: "oci", runtime: "runc" },
  { driver: "oci", runtime: "crun" }
] as const

/** Runtimes are left to who has them; the other programs belong to every system. */
const isThere = (program: string) => ["/usr/bin", "/usr/sbin"].some((directory) => existsSync(join(directory, program)))

describe.each(ways.filter((way) => !("runtime" in way) || isThere(way.runtime)))("the local builder by $driver $runtime", (way) => {
  const world = makeWorld(way)
  afterAll(world.end)
  builderContract({ layer: () => world.layer, scratchRoot: world.scratchRoot })
})
