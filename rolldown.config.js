/** The CLI as a bundle: start-up is a third of that of the sources. Heavy subcommands stay in files of their own, loaded when used. */
import { defineConfig } from "rolldown"

export default defineConfig({
  input: { yix: "src/cli/main.ts", EvaluatorBoot: "src/realise/EvaluatorBoot.ts" },
  platform: "node",
  // Found at run time where they are installed (design §7b): never part of the bundle.
  external: [/^@napi-rs\//, /^@effect\/opentelemetry/, /^@opentelemetry\//],
  // The package says that its modules do nothing by being loaded; this one does.
  treeshake: { moduleSideEffects: [{ test: /\/EvaluatorWorker\.ts$/, sideEffects: true }] },
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
