#!/usr/bin/env node
import * as module from "node:module"
if (Number.parseInt(process.versions.node, 10) < 24) (await import("./own-node.js")).handOver(process.argv[1])
else (module.enableCompileCache(), await import("../dist/yix.js"))
