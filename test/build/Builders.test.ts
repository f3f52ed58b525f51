/** The contract of builders over the builder of this machine. */
import { afterAll, describe } from "@effect/vitest"
import { builderContract } from "./builder.contract.ts"
import { makeWorld } from "./world.ts"

describe.each(["bubblewrap", "util-linux", "oci"] as const)("the local builder by %s", (driver) => {
  const world = makeWorld({ driver })
  afterAll(world.end)
  builderContract({ layer: () => world.layer, scratchRoot: world.scratchRoot })
})
