/**
 * Caches of checkouts: one in a local store's directory, shared with all processes that open it, and one for stores in memory.
 */
import { randomBytes } from "node:crypto"
import { mkdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { BlobService } from "../castore/blob/BlobService.ts"
import { attempt, type CastoreError } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import { LocalDatabase } from "../castore/local/LocalDatabase.ts"
import { removeTree } from "../castore/local/RemoveTree.ts"
import { bootId } from "../castore/local/Session.ts"
import { CheckoutCache, CheckoutFailed, makeCheckoutCache } from "../castore/view/Checkout.ts"
import { Leases, ScratchNotRemoved } from "./Leases.ts"

/** Checkouts under `checkouts/` of the store's directory; a lease sees to it that one process at a time writes each. */
export const layerLocal: Layer.Layer<CheckoutCache, never, BlobService | DirectoryService | LocalDatabase | Leases> = Layer.effect(
  CheckoutCache,
  Effect.gen(function* () {
    const database = yield* LocalDatabase
    const leases = yield* Leases
    const boot = bootId()
    return yield* makeCheckoutCache({
      directory: join(database.directory, "checkouts"),
      temporary: Effect.map(database.beginSession, (session) => session.temporary()),
      exclusively: <A, E, R>(key: string, produce: Effect.Effect<A, E, R>) =>
        Effect.mapError(leases.withLease({ kind: "checkout", key }, produce), (error): E | CastoreError | CheckoutFailed =>
          error instanceof ScratchNotRemoved
            ? new CheckoutFailed({ path: error.scratch, operation: "clean up before checking out", cause: error })
            : (error as E | CastoreError)
        ),
      isTrusted: (key) =>
        database.read(
          "look for a checkout",
          (connection) => connection.get("SELECT 1 FROM checkouts WHERE key = ? AND boot = ?", key, boot) !== undefined
        ),
      trust: (key) =>
        Effect.asVoid(
          database.write("register a checkout", (connection) =>
            connection.run(
              "INSERT INTO checkouts (key, boot) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET boot = excluded.boot",
              key,
              boot
            )
          )
        )
    })
  })
)

/** Checkouts in a temporary directory of this process, removed with the layer. */
export const layerTemporary: Layer.Layer<CheckoutCache, never, BlobService | DirectoryService> = Layer.effect(
  CheckoutCache,
  Effect.gen(function* () {
    const root = join(tmpdir(), `yix-checkouts-${process.pid}-${randomBytes(8).toString("hex")}`)
    yield* Effect.addFinalizer(() => Effect.sync(() => removeTree(root)))
    const trusted = new Set<string>()
    let counter = 0
    return yield* makeCheckoutCache({
      directory: join(root, "checkouts"),
      temporary: attempt(root, "make a directory for checkouts", () => {
        mkdirSync(join(root, "temporary"), { recursive: true, mode: 0o755 })
        return join(root, "temporary", String(++counter))
      }),
      exclusively: (_, produce) => produce,
      isTrusted: (key) => Effect.sync(() => trusted.has(key)),
      trust: (key) => Effect.sync(() => void trusted.add(key))
    })
  })
)
