/** A process that adds one host path to a store and says its store path. */
import * as Effect from "effect/Effect"
import { installNode } from "../../src/castore/crypto/Node.ts"
import { addPath } from "../../src/store/Add.ts"
import { layerLocal } from "../../src/store/LocalStore.ts"

installNode()
const [directory, path] = process.argv.slice(2) as [string, string]
const info = await Effect.runPromise(Effect.provide(addPath("tree", path), layerLocal(directory)))
console.log(info.path)
