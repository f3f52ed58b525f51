/**
 * The contract of builders over a builder on the other side of a gRPC connection, whose store is another one than ours.
 */
import { rmSync } from "node:fs"
import { afterAll, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as GrpcBuilder from "../../../src/build/GrpcBuilder.ts"
import { builderContract } from "../../build/builder.contract.ts"
import { makeWorld } from "../../build/world.ts"
import { buildServer, memory, Peer, root, transports } from "./world.ts"

afterAll(() => rmSync(root, { recursive: true }))

describe.each(transports)("a builder over gRPC on %s", (transport) => {
  const far = makeWorld()
  afterAll(far.end)
  const served = buildServer(transport, Layer.fresh(far.layer))
  const client = Layer.unwrap(Effect.map(Peer, ({ address }) => GrpcBuilder.layer({ address })))
  builderContract({
    layer: () => client.pipe(Layer.provide(served), Layer.provideMerge(memory())),
    scratchRoot: far.scratchRoot
  })
})
