#!/usr/bin/env node
import * as module from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"

if (Number.parseInt(process.versions.node, 10) < 24) (await import("./own-node.js")).handOver(process.argv[1])
else {
  // Not Node's default, a folder in /tmp that others can write to. Where this one cannot be made there is no cache.
  module.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "yix", "node"))
  await import("../dist/yix.js")
}
