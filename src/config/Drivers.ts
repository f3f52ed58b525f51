/** The drivers that yix brings along. */
import type { Driver } from "./Driver.ts"
import * as Local from "./drivers/Local.ts"
import * as Memory from "./drivers/Memory.ts"
import * as Network from "./drivers/Network.ts"
import { sandbox } from "./drivers/Sandbox.ts"

export const standardDrivers: ReadonlyArray<Driver> = [
  Memory.blobs,
  Memory.directories,
  Memory.pathInfos,
  Local.blobs,
  Local.directories,
  Local.pathInfos,
  Network.http,
  Network.mirror,
  sandbox
]
