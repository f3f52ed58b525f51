/** A process that adds generated trees to a store, one after another, and says each path after it was committed. For killing at any moment. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { installNode } from "../../src/castore/crypto/Node.ts"
import { CheckoutCache } from "../../src/castore/view/Checkout.ts"
import { addPath } from "../../src/store/Add.ts"
import { layerLocal } from "../../src/store/LocalStore.ts"
import { randomBytes } from "../castore/bytes.ts"

installNode()
const [directory, scratch, first] = process.argv.slice(2) as [string, string, string]

const makeTree = (seed: number): string => {
  const tree = join(scratch, `tree-${process.pid}-${seed}`)
  for (let i = 0; i < 5; i++) {
    mkdirSync(join(tree, `d${i}`, "below"), { recursive: true })
    for (let j = 0; j < 10; j++) writeFileSync(join(tree, `d${i}`, "below", `f${j}`), randomBytes(seed * 100 + i * 10 + j, 2_000))
  }
  writeFileSync(join(tree, "middle"), randomBytes(seed, 200_000))
  writeFileSync(join(tree, "large"), randomBytes(seed + 1, 1_500_000))
  return tree
}

await Effect.runPromise(
  Effect.gen(function* () {
    const checkouts = yield* CheckoutCache
    for (let seed = Number(first); ; seed++) {
      const info = yield* addPath(`tree-${seed}`, makeTree(seed))
      process.stdout.write(`${info.path}\n`)
      yield* checkouts.path(info.node)
    }
  }).pipe(Effect.provide(layerLocal(directory)))
)
