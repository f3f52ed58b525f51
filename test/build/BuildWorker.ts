/**
 * One build in a process of its own, so that it can be run as another user or in a changed world. Arguments: driver, shell (or ""), script. Prints the outputs, or the error, as JSON.
 */
import * as Effect from "effect/Effect"
import { build, makeWorld, plain, requestOf } from "./world.ts"

const [driver, shell, script] = process.argv.slice(2)
const world = makeWorld({ driver: driver as "auto", ...(shell === "" ? {} : { shell: shell! }) })
const answer = await Effect.runPromise(
  Effect.flatMap(build(requestOf(script!)), (built) => Effect.forEach(built, ({ node }) => plain(node))).pipe(
    Effect.map((outputs) => ({ outputs })),
    Effect.catch((error) => {
      const { _tag, message } = error as { readonly _tag: string; readonly message: string }
      return Effect.succeed({ _tag, message })
    }),
    Effect.provide(world.layer)
  )
)
world.end()
process.stdout.write(JSON.stringify(answer))
