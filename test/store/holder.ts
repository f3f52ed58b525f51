/** A process that takes a lease, makes its scratch directory, says so, and waits to be killed. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { Leases } from "../../src/store/Leases.ts"
import { layerLocal } from "../../src/store/LocalStore.ts"

const [directory, key, scratch] = process.argv.slice(2) as [string, string, string]
const hold = Effect.gen(function* () {
  mkdirSync(join(scratch, "work/work"), { recursive: true, mode: 0o700 })
  writeFileSync(join(scratch, "file"), "")
  console.log("held")
  yield* Effect.sleep("1 hour")
})
await Effect.runPromise(
  Effect.flatMap(Leases, (leases) => leases.withLease({ kind: "build", key, scratch }, hold)).pipe(Effect.provide(layerLocal(directory)))
)
