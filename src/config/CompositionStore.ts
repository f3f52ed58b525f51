/**
 * The store that a composition describes: its root services, and beside them, in the store's directory of this run, what only this machine has use for: leases and
 * checkouts.
 */
import * as Layer from "effect/Layer"
import type { LocalDatabase } from "../castore/local/LocalDatabase.ts"
import * as Checkouts from "../store/Checkouts.ts"
import * as Leases from "../store/Leases.ts"
import type { StoreServices } from "../store/LocalStore.ts"
import type { CompositionLayers } from "./CompositionLayers.ts"
import type { OpenError } from "./Driver.ts"
import { rootName } from "./Kinds.ts"

/** The store in `stateDirectory`, with contents where the composition says. */
export const storeLayer = (
  { service, database }: CompositionLayers,
  stateDirectory: string
): Layer.Layer<StoreServices | LocalDatabase, OpenError> =>
  Checkouts.layerLocal.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        service("blobservices", rootName),
        service("directoryservices", rootName),
        service("pathinfoservices", rootName),
        Leases.layerLocal
      )
    ),
    Layer.provideMerge(database(stateDirectory))
  )
