/** Becomes a program by one driver of `StoreNamespace.ts`: DRIVER CHECKOUT NAME PROGRAM ARGS… */
import * as Effect from "effect/Effect"
import type { StorePath } from "../../src/nix/StorePath.ts"
import { become } from "../../src/cli/StoreNamespace.ts"

const [driver, host, name, program, ...args] = process.argv.slice(2) as [string, string, string, string, ...Array<string>]
const path = (base: string) => `/nix/store/${"0".repeat(32)}-${base}` as StorePath

await Effect.runPromise(
  become(
    program,
    args,
    [
      { _tag: "Checkout", path: path(name), host, directory: true },
      { _tag: "Symlink", path: path("link"), target: path(name) }
    ],
    [driver as "bubblewrap" | "util-linux"]
  )
)
