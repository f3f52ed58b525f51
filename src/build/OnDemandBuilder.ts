/**
 * The local builder, sandbox and all, loaded by the first build: programs that build nothing do not pay for it. Where a killed process may have left scratch
 * directories it is loaded at once, since opening it removes them.
 */
import * as fs from "node:fs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { CheckoutCache } from "../castore/view/Checkout.ts"
import { Builder } from "./Builder.ts"
import type { LocalBuilderOptions } from "./LocalBuilder.ts"

const mayHaveLeftovers = (scratchRoot: string): boolean => {
  try {
    return fs.readdirSync(scratchRoot).length > 0
  } catch (error) {
    // Not there yet: nothing was ever built. Anything else is for the builder to tell.
    return (error as NodeJS.ErrnoException).code !== "ENOENT"
  }
}

type Needs = BlobService | DirectoryService | CheckoutCache

/** Closed with the layer, whenever it was opened. */
export const layer = (options: LocalBuilderOptions): Layer.Layer<Builder, never, Needs> =>
  Layer.effect(
    Builder,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const services = yield* Effect.context<Needs>()
      const load = async (): Promise<Builder["Service"]> => {
        const { layer: local } = await import("./LocalBuilder.ts")
        // Not in the fiber of the first build: its interruption must not take the others' builder away.
        const built = await Effect.runPromiseWith(services)(Layer.buildWithScope(local(options), scope))
        return Context.get(built, Builder)
      }
      let loading: Promise<Builder["Service"]> | undefined
      const loaded = Effect.promise(() => (loading ??= load()))
      if (mayHaveLeftovers(options.scratchRoot)) yield* loaded
      return { build: (request, buildOptions) => Effect.flatMap(loaded, (builder) => builder.build(request, buildOptions)) }
    })
  )
