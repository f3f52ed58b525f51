/**
 * The evaluator's thread, and a head start for it: a program that knows that it will evaluate begins with `startEarly`, so that the thread boots on another core
 * while the rest of the program is still being loaded. Imports nothing of ours, since it comes before everything.
 */
import { getCompileCacheDir } from "node:module"
import { dirname } from "node:path"
import { MessageChannel, Worker } from "node:worker_threads"
import type { MessagePort } from "node:worker_threads"

/** Deep recursion needs stack, allocation needs a young generation that it does not fill at once (measurements part II §3, §6). */
const limits = { stackSizeMb: 256, maxYoungGenerationSizeMb: 64 }

export interface Thread {
  readonly worker: Worker
  readonly port: MessagePort
  readonly flags: Int32Array
}

let early: Thread | undefined

const start = (): Thread => {
  const source = import.meta.url.endsWith(".ts") ? "./EvaluatorBoot.ts" : "./EvaluatorBoot.js"
  const cache = getCompileCacheDir()
  const channel = new MessageChannel()
  const flags = new Int32Array(new SharedArrayBuffer(12))
  const worker = new Worker(new URL(source, import.meta.url), {
    workerData: { port: channel.port2, flags, compileCache: cache === undefined ? undefined : dirname(cache) },
    transferList: [channel.port2],
    resourceLimits: limits
  })
  worker.unref()
  channel.port1.unref()
  return { worker, port: channel.port1, flags }
}

/** Starts a thread for the first who asks. */
export const startEarly = (): void => {
  early ??= start()
}

/** A thread that nobody else uses: the one started early, or a new one. */
export const startThread = (): Thread => {
  const thread = early ?? start()
  early = undefined
  return thread
}
