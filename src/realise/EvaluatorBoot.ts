/**
 * First file of the evaluator's thread.
 */
import { workerData } from "node:worker_threads"
import type { ThreadData } from "./EvaluatorWorker.ts"
import { loadEvaluator } from "./LoadEvaluator.ts"

const data = workerData as ThreadData
const { exports, keeping } = await loadEvaluator(data.code)
exports.serveThread(data, keeping)
