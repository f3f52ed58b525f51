/**
 * The CLI as bundles in one folder: that of the main thread, in which heavy subcommands stay in files of their own, loaded when used; the first file of the evaluator's
 * thread; and the evaluator, one script of which the code is kept from run to run (`src/realise/KeptCode.ts`). Start-up is a third of that of the sources, and less.
 */
import { fileURLToPath } from "node:url"
import { defineConfig } from "rolldown"

const program = ["src/cli/Program.ts", "src/cli/commands/Eval.ts", "src/realise/EvaluatorHost.ts"]
const build = [
  "src/cli/commands/Build.ts",
  "src/realise/Graph.ts",
  "src/realise/BuildLogs.ts",
  "src/realise/InputMemory.ts",
  "src/store/LocalStore.ts",
  "src/build/OnDemandBuilder.ts",
  "src/fetch/NetworkFetcher.ts",
  "src/castore/crypto/Node.ts"
]

/**
 * Modules that stand in one file because they are loaded together: each file costs a millisecond or two, however small. A group is what its roots import,
 * directly and indirectly, but for what an earlier group has. So no group imports from a later one, and modules run in the
 * order that they would run in apart. What only other commands load stays in pieces of its own.
 */
const together = [
  { name: "start", roots: ["src/cli/main.ts"] },
  { name: "program", roots: program },
  { name: "build", roots: build }
]

const fileOf = (name) => fileURLToPath(new URL(name, import.meta.url))

/** The modules that these import, directly and indirectly, and themselves. */
const closure = (roots, getModuleInfo) => {
  const seen = new Set()
  const pending = roots.map(fileOf)
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (seen.has(id)) continue
    const info = getModuleInfo(id)
    if (info === null) throw new Error(`${id} is no module of the program`)
    seen.add(id)
    pending.push(...info.importedIds.filter((imported) => getModuleInfo(imported) !== null))
  }
  return seen
}

const groups = together.map(({ name, roots }, i) => {
  let members
  return {
    name: (id, context) => {
      members ??= closure(roots, (id) => context.getModuleInfo(id))
      return members.has(id) ? name : null
    },
    debugName: name,
    priority: together.length - i
  }
})

/**
 * Node's own modules are asked for by `process.getBuiltinModule`: an `import` makes a module of each of their properties, and asks for each, so that of `node:fs` alone loads
 * all that streams need, three milliseconds' worth.
 */
const withoutImports = (code) =>
  code.replace(/^import\s*(?:\*\s*as\s+([\w$]+)|(\{[^}]*\})|([\w$]+))\s*from\s*["'](node:[\w/]+)["'];?/gm, (_, all, some, one, name) => {
    const names = all ?? one ?? some.replace(/\btype\s+[\w$]+(?:\s+as\s+[\w$]+)?\s*,?/g, "").replace(/\s+as\s+/g, ": ")
    return `const ${names} = process.getBuiltinModule("${name}");`
  })

const builtins = { name: "builtins", renderChunk: (code) => ({ code: withoutImports(code) }) }

/** The same for a script, in whose pieces no `import` is left to be found. */
const scriptBuiltins = {
  name: "script-builtins",
  transform: {
    filter: { id: /\/src\/.*\.ts$/, code: /from "node:|import\.meta/ },
    handler: (code) =>
      withoutImports(code).replaceAll("import.meta.url", 'process.getBuiltinModule("node:url").pathToFileURL(__filename).href')
  }
}

/**
 * The bundler makes classes variables that anybody might assign. The engine then cannot know them beforehand, so that each `instanceof` is a call into its runtime: a
 * twentieth of the evaluator's time.
 */
const classes = {
  name: "classes",
  renderChunk: (code) => ({ code: code.replace(/^var ([\w$]+) = class\b/gm, "const $1 = class") })
}

/** Scripts are read as bytes. */
const ascii = {
  name: "ascii",
  generateBundle: (_, files) => {
    for (const file of Object.values(files))
      file.code = file.code.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
  }
}

const bundle = {
  plugins: [builtins, classes],
  platform: "node",
  // Found at run time where they are installed (design §7b): never part of the bundle.
  external: [/^@napi-rs\//, /^@effect\/opentelemetry/, /^@opentelemetry\//]
}

const output = {
  dir: "dist",
  format: "esm",
  minify: true,
  sourcemap: false,
  entryFileNames: "[name].js",
  // Flat, so that `new URL("./X.js", import.meta.url)` means the same from every piece.
  chunkFileNames: "[name]-[hash].js"
}

// One after the other, the first empties the folder.
export default defineConfig([
  {
    ...bundle,
    input: { entry: "src/cli/main.ts" },
    output: {
      ...output,
      codeSplitting: { groups },
      // The first group is the program's first file, without a file of one line before it (the entry, which nobody loads).
      chunkFileNames: ({ name }) => (name === "start" ? "yix.js" : output.chunkFileNames),
      minifyInternalExports: false,
      cleanDir: true
    }
  },
  { ...bundle, input: { EvaluatorProcess: "src/realise/jobs/EvaluatorProcess.ts" }, output },
  { ...bundle, input: { EvaluatorBoot: "src/realise/EvaluatorBoot.ts" }, output },
  {
    ...bundle,
    plugins: [scriptBuiltins, classes, ascii],
    // Only for who hashes with BLAKE3. What is loaded later would make modules begin later, too, behind a check at each use.
    external: [...bundle.external, /\/Wasm\.ts$/],
    input: { EvaluatorCode: "src/realise/EvaluatorCode.ts" },
    output: { ...output, format: "cjs", codeSplitting: false, entryFileNames: "[name]-[hash].cjs" }
  }
])
