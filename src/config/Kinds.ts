/**
 * The kinds of services that a composition has: the name of each one's tables in `yix.toml`, the service behind it, and what such services need around them.
 */
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { CheckoutCache } from "../castore/view/Checkout.ts"
import type { Builder } from "../build/Builder.ts"
import type { Fetcher } from "../fetch/Fetcher.ts"
import type { PathInfoService } from "../store/PathInfoService.ts"
import type { TraceRoute } from "../telemetry/TraceRoute.ts"

/** Name of a kind's tables → its service. */
export interface Services {
  readonly blobservices: BlobService
  readonly directoryservices: DirectoryService
  readonly pathinfoservices: PathInfoService
  readonly fetchers: Fetcher
  readonly builders: Builder
  readonly tracers: TraceRoute
}

/** What a service of a kind is given besides what its keys name. Fetchers and builders work for the store as a whole, so they get its roots. */
export interface Needs {
  readonly blobservices: never
  readonly directoryservices: never
  readonly pathinfoservices: never
  readonly fetchers: BlobService | DirectoryService
  readonly builders: BlobService | DirectoryService | CheckoutCache
  readonly tracers: never
}

export type Kind = keyof Services

interface KindFacts {
  /** One of them, in words. */
  readonly one: string
  /** The type of the root where the file has no tables of the kind; `undefined`: there is none, and commands do without. */
  readonly implied: string | undefined
}

export const kinds: Readonly<Record<Kind, KindFacts>> = {
  blobservices: { one: "blob service", implied: "local" },
  directoryservices: { one: "directory service", implied: "local" },
  pathinfoservices: { one: "path-info service", implied: "local" },
  fetchers: { one: "fetcher", implied: "http" },
  builders: { one: "builder", implied: "sandbox" },
  tracers: { one: "tracer", implied: undefined }
}

export const kindNames = Object.keys(kinds) as ReadonlyArray<Kind>

export const isKind = (name: string): name is Kind => Object.hasOwn(kinds, name)

/** The instance that commands use. */
export const rootName = "root"
