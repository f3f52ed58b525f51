/**
 * The thread in which yix answers: it posts `[number, answer]` for each case it is given, in order, so that whoever waits sees at which one it hangs. Once
 * it is ready it posts `"ready"`.
 */
import { parentPort } from "node:worker_threads"
import { answerOf, type Case } from "./Cases.ts"

parentPort?.on("message", (cases: ReadonlyArray<Case>) => {
  cases.forEach((one, i) => parentPort?.postMessage([i, answerOf(one)]))
})
parentPort?.postMessage("ready")
