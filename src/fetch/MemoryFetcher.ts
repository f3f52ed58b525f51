/** A fetcher whose outside is a map from addresses to bytes: everything but the network is real. For tests, and for hosts without a network. */
import * as Layer from "effect/Layer"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { ByteString } from "../nix/Bytes.ts"
import type { Fetcher } from "./Fetcher.ts"
import * as LocalFetcher from "./LocalFetcher.ts"
import * as Transfer from "./Transfer.ts"

/** Addresses that are not in the map fail with status 404. */
export const layer = (
  contents: ReadonlyMap<ByteString, Uint8Array>,
  options?: Partial<LocalFetcher.FetcherOptions>
): Layer.Layer<Fetcher, never, BlobService | DirectoryService> =>
  LocalFetcher.layer(options).pipe(Layer.provide(Transfer.layerMemory(contents)))
