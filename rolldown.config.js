/** The CLI as a bundle: start-up is a third of that of the sources. Heavy subcommands stay in files of their own, loaded when used. */
import { fileURLToPath } from "node:url"
import { defineConfig } from "rolldown"

const evaluator = ["src/realise/EvaluatorWorker.ts"]
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
 * directly and indirectly, but for what an earlier group has; `and`: only what these import, too. So no group imports from a later one, and modules run in the
 * order that they would run in apart. What does something by being loaded (`main.ts`, `EvaluatorWorker.ts`) is in no group. What only other commands
 * load stays in pieces of its own.
 */
const together = [
  {
    name: "start",
    roots: ["package.json", "src/realise/EvaluatorThread.ts", "src/cli/quick/Words.ts", "src/cli/quick/Waiting.ts", "src/cli/quick/Kept.ts"]
  },
  // What both threads load.
  { name: "common", roots: evaluator, and: [...program, ...build] },
  { name: "evaluator", roots: evaluator },
  { name: "program", roots: program },
  { name: "build", roots: build }
]
const apart = ["src/cli/main.ts", ...evaluator]

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

const groups = together.map(({ name, roots, and }, i) => {
  let members
  return {
    name: (id, context) => {
      if (members === undefined) {
        members = closure(roots, (id) => context.getModuleInfo(id))
        if (and !== undefined) members = members.intersection(closure(and, (id) => context.getModuleInfo(id)))
      }
      return members.has(id) && !apart.some((file) => fileOf(file) === id) ? name : null
    },
    debugName: name,
    priority: together.length - i
  }
})

/**
 * Node's own modules are asked for by `process.getBuiltinModule`: an `import` makes a module of each of their properties, and asks for each, so that of `node:fs` alone loads
 * all that streams need, three milliseconds' worth.
 */
const builtins = {
  name: "builtins",
  renderChunk: (code) => ({
    code: code.replace(
      /^import\s*(?:\*\s*as\s+([\w$]+)|(\{[^}]*\})|([\w$]+))\s*from\s*["'](node:[\w/]+)["'];?/gm,
      (_, all, some, one, name) => {
        const names = all ?? one ?? some.replace(/\s+as\s+/g, ": ")
        return `const ${names} = process.getBuiltinModule("${name}");`
      }
    )
  })
}

export default defineConfig({
  input: {
    yix: "src/cli/main.ts",
    EvaluatorBoot: "src/realise/EvaluatorBoot.ts",
    EvaluatorProcess: "src/realise/jobs/EvaluatorProcess.ts"
  },
  plugins: [builtins],
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
    codeSplitting: { groups },
    cleanDir: true
  }
})
