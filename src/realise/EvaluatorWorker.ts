/**
 * The evaluator's thread: takes jobs from the main thread, one at a time, and runs them. Started by `EvaluatorHost.ts` with a large stack.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import type { MessagePort } from "node:worker_threads"
import { installNode } from "../castore/crypto/Node.ts"
import { hashPath } from "../store/HashPath.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import { prepare } from "./EvaluationRun.ts"
import type { RunResult } from "./EvaluationRun.ts"
import type { FromEvaluator, ToEvaluator } from "./EvaluatorProtocol.ts"
import { Flag } from "./EvaluatorProtocol.ts"
import type { SessionRun } from "./SessionRun.ts"
import { SyntaxCache } from "./SyntaxCache.ts"
import { WorkerHost } from "./WorkerHost.ts"

installNode()

const { port, flags } = workerData as { readonly port: MessagePort; readonly flags: Int32Array }

const post = (reply: FromEvaluator): void => port.postMessage(reply)

/** The cache of the job or session that this thread has. */
let syntax: SyntaxCache | undefined

const openSyntax = (job: Pick<EvaluationJob, "syntaxCache">): SyntaxCache | undefined => {
  syntax?.close()
  syntax = job.syntaxCache === undefined ? undefined : new SyntaxCache(job.syntaxCache)
  return syntax
}

const run = (message: ToEvaluator & { readonly _tag: "Run" }) => {
  const { job, timed } = message
  const host = new WorkerHost(port, flags, job, { hash: job.readOnly ? hashPath : undefined, timed, syntax: openSyntax(job) })
  return { host, step: prepare(message.job, host).step }
}

/** The session that this thread is for. */
let session: { readonly host: WorkerHost; readonly run: SessionRun } | undefined

const ask = async (message: ToEvaluator & { readonly _tag: "Session" }) => {
  if (session === undefined) {
    const { openSession } = await import("./SessionRun.ts")
    const { settings, timed } = message
    const host = new WorkerHost(port, flags, { ...settings, readOnly: false }, { hash: undefined, timed, syntax: openSyntax(settings) })
    session = { host, run: openSession(settings, host) }
  }
  return { host: session.host, step: session.run.ask(message.request, message.view).step }
}

/** Keeps what was parsed, now that nobody waits for the result. */
const save = (): void => {
  syntax?.save()
  Atomics.store(flags, Flag.Saving, 0)
  Atomics.notify(flags, Flag.Saving)
}

const evaluate = async (message: ToEvaluator & { readonly _tag: "Run" | "Session" }): Promise<void> => {
  let result: RunResult | undefined
  try {
    const { host, step } = await (message._tag === "Run" ? run(message) : ask(message))
    result = step()
    host.tellFiles()
    if (syntax?.unsaved === true) Atomics.store(flags, Flag.Saving, 1)
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
  if (result._tag === "Result" || result._tag === "Reply") {
    if (result.derivations.length > 0) post({ _tag: "Derivations", list: result.derivations })
    post(result._tag === "Result" ? { _tag: "Result", result: result.result } : { _tag: "Reply", reply: result.reply })
  } else post(result)
}

const serve = async (message: ToEvaluator & { readonly _tag: "Run" | "Session" }): Promise<void> => {
  await evaluate(message)
  save()
}

// Messages are taken by hand: while a job runs, `WorkerHost` takes the answers off the same port. One that came after the end of its job is nobody's.
parentPort?.on("message", () => {
  for (;;) {
    const received = receiveMessageOnPort(port) as { readonly message: ToEvaluator } | undefined
    if (received === undefined) return
    if (received.message._tag !== "Answer") return void serve(received.message)
  }
})
