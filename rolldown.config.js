/** The CLI as a bundle: start-up is a third of that of the sources. Heavy subcommands stay in files of their own, loaded when used. */
import { existsSync } from "node:fs"
import { defineConfig } from "rolldown"

const entries = { yix: "src/cli/main.ts", EvaluatorWorker: "src/realise/EvaluatorWorker.ts" }

export default defineConfig({
  input: Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file))),
  platform: "node",
  // Found at run time where they are installed (design §7b): never part of the bundle.
  external: [/^@napi-rs\//, /^@effect\/opentelemetry/, /^@opentelemetry\//],
  output: {
    dir: "dist",
    format: "esm",
    minify: true,
    sourcemap: false,
    entryFileNames: "[name].js",
    // Flat, so that `new URL("./X.js", import.meta.url)` means the same from every piece.
    chunkFileNames: "[name]-[hash].js",
    cleanDir: true
  }
})
