/** The drivers that yix brings along. */
import type { Driver } from "./Driver.ts"
import * as Combinators from "./drivers/Combinators.ts"
import * as Fetchers from "./drivers/Fetchers.ts"
import * as Grpc from "./drivers/Grpc.ts"
import * as Local from "./drivers/Local.ts"
import * as Memory from "./drivers/Memory.ts"
import * as Network from "./drivers/Network.ts"
import { nix } from "./drivers/NixCache.ts"
import { oci, sandbox } from "./drivers/Sandbox.ts"
import * as Tracers from "./drivers/Tracers.ts"

export const standardDrivers: ReadonlyArray<Driver> = [
  Memory.blobs,
  Memory.directories,
  Memory.pathInfos,
  Local.blobs,
  Local.directories,
  Local.pathInfos,
  Grpc.blobs,
  Grpc.directories,
  Grpc.pathInfos,
  Grpc.builders,
  ...Combinators.nearFar,
  ...Combinators.readOnly,
  Combinators.lru,
  Combinators.negative,
  Combinators.keyfileSigning,
  nix,
  Network.http,
  Network.mirror,
  Fetchers.file,
  Fetchers.recorded,
  Fetchers.combined,
  sandbox,
  oci,
  Tracers.otlp,
  Tracers.file,
  Tracers.otelSdk,
  Tracers.combined
]
