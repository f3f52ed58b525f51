/**
 * All services of one store, in memory or in a directory.
 *
 * On disk: `yix.sqlite` (path infos, directories, small blobs, leases), `blobs/` (larger blobs), `checkouts/` (trees for builders and `result` links),
 * `sessions/` (temporary files of the processes that run). Opening costs a few milliseconds and writes nothing when the store exists.
 */
import * as Layer from "effect/Layer"
import * as LocalBlobs from "../castore/blob/Local.ts"
import * as MemoryBlobs from "../castore/blob/Memory.ts"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { StoreUnavailable } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import * as LocalDirectories from "../castore/directory/Local.ts"
import * as MemoryDirectories from "../castore/directory/Memory.ts"
import * as LocalDatabase from "../castore/local/LocalDatabase.ts"
import type { CheckoutCache } from "../castore/view/Checkout.ts"
import * as Checkouts from "./Checkouts.ts"
import * as Leases from "./Leases.ts"
import type { PathInfoService } from "./PathInfoService.ts"
import * as LocalPathInfos from "./pathinfo/Local.ts"
import * as MemoryPathInfos from "./pathinfo/Memory.ts"

export type StoreServices = BlobService | DirectoryService | PathInfoService | Leases.Leases | CheckoutCache

/** A store that lives as long as the layer; its checkouts are in a temporary directory. */
export const layerMemory: Layer.Layer<StoreServices> = Checkouts.layerTemporary.pipe(
  Layer.provideMerge(Layer.mergeAll(MemoryBlobs.layer, MemoryDirectories.layer, MemoryPathInfos.layer, Leases.layerMemory))
)

/** The store in `directory`, which is made when it does not exist. Build the layer once and share it. */
export const layerLocal = (
  directory: string,
  options?: LocalBlobs.LocalBlobOptions
): Layer.Layer<StoreServices | LocalDatabase.LocalDatabase, StoreUnavailable | LocalDatabase.StoreFormatUnknown> =>
  Checkouts.layerLocal.pipe(
    Layer.provideMerge(Layer.mergeAll(LocalBlobs.layer(options), LocalDirectories.layer, LocalPathInfos.layer, Leases.layerLocal)),
    Layer.provideMerge(LocalDatabase.layer(directory))
  )
