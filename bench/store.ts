/**
 * What the local store does in a second: opening, ingesting many small and few large files, rendering NARs, checking out, path infos.
 *
 *     node bench/store.ts [--rounds N] [--path TREE]
 *
 * Each round has a store of its own in the temporary directory; figures are the best of all rounds, so that what else the machine does counts least. CPU is that
 * of the process, user and system, in the same round. `--path` measures a tree of yours instead of the generated ones.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { installNode } from "../src/castore/crypto/Node.ts"
import { ingestPath } from "../src/castore/ingest/FileSystem.ts"
import { ingestNar } from "../src/castore/ingest/Nar.ts"
import { removeTree } from "../src/castore/local/RemoveTree.ts"
import { CheckoutCache } from "../src/castore/view/Checkout.ts"
import { addText } from "../src/store/Add.ts"
import { hashPath } from "../src/store/HashPath.ts"
import { layerLocal } from "../src/store/LocalStore.ts"
import { calculate, render } from "../src/store/Nar.ts"

installNode()

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" }, path: { type: "string" } } })
const root = mkdtempSync(join(tmpdir(), "yix-bench-"))

interface Figure {
  readonly milliseconds: number
  readonly cpu: number
  readonly amount: number
  readonly unit: string
}

const best = new Map<string, Figure>()

/** Times an effect; keeps the fastest of all rounds. `amount` tells how much was done, in `unit`s a second. */
const measure = <A, E, R>(name: string, unit: string, amount: (result: A) => number, work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const cpuBefore = process.cpuUsage()
    const before = performance.now()
    const result = yield* work
    const milliseconds = performance.now() - before
    const cpu = process.cpuUsage(cpuBefore)
    const known = best.get(name)
    if (known === undefined || milliseconds < known.milliseconds) {
      best.set(name, { milliseconds, cpu: (cpu.user + cpu.system) / 1000, amount: amount(result), unit })
    }
    return result
  })

let state = 1
const bytes = (length: number): Uint8Array => {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer, 0, length)
}

/** 10 000 files of 100 to 8 000 bytes in 200 directories. */
const smallFiles = (): { readonly path: string; readonly files: number } => {
  const path = join(root, "small")
  for (let i = 0; i < 200; i++) {
    const directory = join(path, `d${i % 10}`, `e${i}`)
    mkdirSync(directory, { recursive: true })
    for (let j = 0; j < 50; j++) writeFileSync(join(directory, `f${j}`), bytes(100 + (((i * 50 + j) * 7919) % 7900)))
  }
  return { path, files: 10_000 }
}

/** Ten files of 20 MB. */
const largeFiles = (): { readonly path: string; readonly files: number } => {
  const path = join(root, "large")
  mkdirSync(path)
  for (let i = 0; i < 10; i++) writeFileSync(join(path, `f${i}`), bytes(20_000_000))
  return { path, files: 10 }
}

const megabytes = (result: { readonly narSize: number }): number => result.narSize / 1e6

const tree = (label: string, source: { readonly path: string; readonly files: number }) =>
  Effect.gen(function* () {
    const checkouts = yield* CheckoutCache
    const bySize = source.files < 100
    const [unit, amount] = bySize ? (["MB", megabytes] as const) : (["files", () => source.files] as const)
    yield* measure(
      `${label}: hash without storing`,
      unit,
      amount,
      Effect.map(
        Effect.sync(() => hashPath(source.path)),
        () => ingested.get(label) ?? { narSize: 0 }
      )
    )
    const result = yield* measure(`${label}: ingest`, unit, amount, ingestPath(source.path))
    ingested.set(label, result)
    yield* measure(`${label}: ingest again`, unit, amount, ingestPath(source.path))
    yield* measure(`${label}: NAR hash of the stored tree`, "MB", megabytes, calculate(result.node))
    yield* measure(`${label}: render a NAR and ingest that`, "MB", megabytes, ingestNar(render(result.node)))
    yield* measure(`${label}: check out`, unit, () => amount(result), checkouts.path(result.node))
  })

const ingested = new Map<string, { readonly narSize: number }>()

const round = (number: number, trees: ReadonlyArray<readonly [string, { readonly path: string; readonly files: number }]>) =>
  Effect.gen(function* () {
    const directory = join(root, `store-${number}`)
    yield* measure("open: a new store", "stores", () => 1, Effect.provide(Effect.void, layerLocal(directory)))
    yield* measure("open: a store that exists", "stores", () => 1, Effect.provide(Effect.void, layerLocal(directory)))
    yield* Effect.gen(function* () {
      for (const [label, source] of trees) yield* tree(label, source)
      yield* measure(
        "texts added at the same time",
        "paths",
        () => 2000,
        Effect.forEach(
          Array.from({ length: 2000 }, (_, i) => i),
          (i) => addText(`text-${i}`, new TextEncoder().encode(`text ${i}`)),
          { concurrency: 100 }
        )
      )
      yield* measure(
        "texts added one after another, each synced",
        "paths",
        () => 100,
        Effect.forEach(
          Array.from({ length: 100 }, (_, i) => i),
          (i) => addText(`single-${i}`, new TextEncoder().encode(`single ${i}`))
        )
      )
    }).pipe(Effect.provide(layerLocal(directory)))
    removeTree(directory)
  })

try {
  const trees: Array<readonly [string, { readonly path: string; readonly files: number }]> =
    values.path === undefined
      ? [
          ["10 000 small files", smallFiles()],
          ["200 MB in ten files", largeFiles()]
        ]
      : [[values.path, { path: values.path, files: 1 }]]
  for (let number = 0; number < Number(values.rounds); number++) await Effect.runPromise(round(number, trees))
  console.log(`${"".padEnd(46)}${"ms".padStart(9)}${"CPU ms".padStart(9)}${"a second".padStart(18)}`)
  for (const [name, { milliseconds, cpu, amount, unit }] of best) {
    const rate = `${Math.round((amount / milliseconds) * 1000).toLocaleString("en")} ${unit}`
    console.log(`${name.padEnd(46)}${milliseconds.toFixed(1).padStart(9)}${cpu.toFixed(0).padStart(9)}${rate.padStart(18)}`)
  }
} finally {
  removeTree(root)
}
