/**
 * The evaluator's thread: takes jobs from the main thread, one at a time, and runs them. Started by `EvaluatorHost.ts` with a large stack.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import type { MessagePort } from "node:worker_threads"
import { installNode } from "../castore/crypto/Node.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import { prepare } from "./EvaluationRun.ts"
import type { RunResult } from "./EvaluationRun.ts"
import type { FromEvaluator, ToEvaluator } from "./EvaluatorProtocol.ts"
import { WorkerHost } from "./WorkerHost.ts"

installNode()

const { port, flags } = workerData as { readonly port: MessagePort; readonly flags: Int32Array }

/** Only a read-only job hashes sources here; what that needs is loaded for it alone. */
const sourceHasher = async (job: EvaluationJob) => (job.readOnly ? (await import("../store/HashPath.ts")).hashPath : undefined)

const run = async (message: ToEvaluator & { readonly _tag: "Run" }): Promise<void> => {
  const post = (reply: FromEvaluator): void => port.postMessage(reply)
  let result: RunResult | undefined
  try {
    const host = new WorkerHost(port, flags, message.job, await sourceHasher(message.job), message.timed)
    result = prepare(message.job, host).step()
    host.tellFiles()
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    post({ _tag: "Failed", rendered: `error: the evaluator failed, which is a defect of yix: ${text}`, exitCode: 1, unusable: true })
    return
  }
  if (result === undefined) {
    post({
      _tag: "Failed",
      rendered: "error: the evaluation was suspended where it can wait, which is a defect of yix",
      exitCode: 1,
      unusable: true
    })
    return
  }
  if (result._tag === "Result") {
    if (result.derivations.length > 0) post({ _tag: "Derivations", list: result.derivations })
    post({ _tag: "Result", result: result.result })
  } else post(result)
}

// Messages are taken by hand: while a job runs, `WorkerHost` takes the answers off the same port.
parentPort?.on("message", () => {
  const received = receiveMessageOnPort(port) as { readonly message: ToEvaluator } | undefined
  if (received?.message._tag === "Run") void run(received.message)
})
