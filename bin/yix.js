#!/usr/bin/env node
if (Number.parseInt(process.versions.node, 10) < 24) (await import("./own-node.js")).handOver(process.argv[1])
else {
  // For this process alone (`yix`).
  const { env } = process
  if (env.GLIBC_TUNABLES === "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1:glibc.malloc.top_pad=8388608") delete env.GLIBC_TUNABLES
  // Not by `import`, which would load all that these modules have parts for.
  const { existsSync } = process.getBuiltinModule("node:fs")
  const { join } = process.getBuiltinModule("node:path")
  const home = env.HOME || process.getBuiltinModule("node:os").homedir()
  // Not Node's default, a folder in /tmp that others can write to. No home is made for it (`/homeless-shelter` must not exist): then there is no cache.
  const caches = env.XDG_CACHE_HOME || (existsSync(home) ? join(home, ".cache") : undefined)
  if (caches !== undefined) process.getBuiltinModule("node:module").enableCompileCache(join(caches, "yix", "node"))
  const { run } = await import("../dist/yix.js")
  await run()
}
