/**
 * The same from a `yix.toml`, which may name the driver of `driver.ts`.
 *
 *     node toml.ts yix.toml STORE-DIRECTORY
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { prepareNode } from "yix/castore/crypto/Node"
import { layersOf } from "yix/config/CompositionLayers"
import { storeLayer } from "yix/config/CompositionStore"
import { load } from "yix/config/LoadConfig"
import { program, yix } from "./compose.ts"
import { drivers } from "./driver.ts"

/** The world that a file describes. Leases and checkouts, which only this machine has use for, lie in `stateDirectory`. */
export const fromToml = (file: string, stateDirectory: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const composition = yield* load({ file, origin: "the command line" }, { stateDirectory, drivers })
      const layers = layersOf(composition)
      const workers = Layer.merge(layers.service("builders", "root"), layers.service("fetchers", "root"))
      return yix(storeLayer(layers, stateDirectory), workers)
    })
  )

if (import.meta.main) {
  const [file, directory] = process.argv.slice(2)
  if (file === undefined || directory === undefined) throw new Error("usage: node toml.ts CONFIG STORE-DIRECTORY")
  await prepareNode()
  const built = program.pipe(Effect.provide(fromToml(path.resolve(file), path.resolve(directory))))
  console.log((await Effect.runPromise(built)).join("\n"))
}
