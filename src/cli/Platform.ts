/**
 * What `effect/cli` wants of the platform, for prompts, file flags and wizards. We use none of them, and Effect's Node layer would cost a third of the start-up of
 * a short command; so these do nothing but tell the size of the terminal.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { ChildProcessSpawner, make } from "effect/process/ChildProcessSpawner"

const unused = Effect.die(new Error("this program asks no questions"))

export const layer = Layer.mergeAll(
  FileSystem.layerNoop({}),
  Path.layer,
  Stdio.layerTest({}),
  Layer.succeed(
    Terminal.Terminal,
    Terminal.make({
      columns: Effect.succeed(80),
      rows: Effect.succeed(24),
      size: unused,
      readInput: unused,
      readLine: unused,
      display: () => Effect.void
    })
  ),
  Layer.succeed(
    ChildProcessSpawner,
    make(() => unused)
  )
)
