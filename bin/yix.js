#!/usr/bin/env node
import { existsSync } from "node:fs"
import * as module from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"

if (Number.parseInt(process.versions.node, 10) < 24) (await import("./own-node.js")).handOver(process.argv[1])
else {
  // Not Node's default, a folder in /tmp that others can write to. No home is made for it (`/homeless-shelter` must not exist): then there is no cache.
  const caches = process.env.XDG_CACHE_HOME || (existsSync(homedir()) ? join(homedir(), ".cache") : undefined)
  if (caches !== undefined) module.enableCompileCache(join(caches, "yix", "node"))
  await import("../dist/yix.js")
}
