import { defineConfig } from "vitest/config"

/** What hashes with BLAKE3 runs a second time as where its native package is absent. */
const withoutNative = ["test/nix/Crypto.test.ts", "test/castore/RoundTrip.test.ts"]

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: "yix", include: ["test/**/*.test.ts"] } },
      {
        extends: true,
        test: { name: "without native packages", include: withoutNative, execArgv: ["--import", "./test/withoutNative.ts"] }
      }
    ]
  }
})
