/**
 * The evaluator's thread: takes jobs from the main thread, one at a time, and runs them. Started by `EvaluatorThread.ts` with a large stack.
 */
import type { MessagePort } from "node:worker_threads"
import { installNode } from "../castore/crypto/Node.ts"
import { hashPath } from "../store/HashPath.ts"
import { DependencyRecorder } from "./DependencyRecorder.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import { keep } from "./EvaluationCache.ts"
import { prepare } from "./EvaluationRun.ts"
import type { RunResult } from "./EvaluationRun.ts"
import type { FromEvaluator, ToEvaluator } from "./EvaluatorProtocol.ts"
import { Flag } from "./EvaluatorProtocol.ts"
import { type AttributeRun, openAttributes } from "./jobs/AttributeRun.ts"
import { resume } from "./EngineSettings.ts"
import type { LoadedScript } from "./KeptCode.ts"
import { openSession, type SessionRun } from "./SessionRun.ts"
import { SyntaxCache } from "./SyntaxCache.ts"
import { WorkerHost } from "./WorkerHost.ts"

type Keeping = LoadedScript<unknown>["keeping"]

/** What a thread is given when it starts. */
export interface ThreadData {
  readonly port: MessagePort
  readonly flags: Int32Array
  /** The process is yix itself. */
  readonly ours: boolean
  /** Where the evaluator's code is kept. */
  readonly code: string | undefined
}

let port: MessagePort
let flags: Int32Array
let ours: boolean
/** What keeps the evaluator's code for the next run, given what this one did: the first evaluation of a thread tells it. */
let keeping: Keeping | undefined
/** Keeps it. */
let keepCode: (() => void) | undefined

const post = (reply: FromEvaluator): void => port.postMessage(reply)

/** The cache of the job or session that this thread has. */
let syntax: SyntaxCache | undefined

const openSyntax = (job: Pick<EvaluationJob, "syntaxCache">): SyntaxCache | undefined => {
  syntax?.close()
  syntax = job.syntaxCache === undefined ? undefined : new SyntaxCache(job.syntaxCache)
  return syntax
}

/** Keeps the result of the last job for the next run. */
let keepResult: (() => void) | undefined

const run = (message: ToEvaluator & { readonly _tag: "Run" }) => {
  const { job, timed } = message
  const recorder = job.evaluationCache === undefined ? undefined : new DependencyRecorder()
  const host = new WorkerHost(port, flags, job, {
    hash: job.readOnly ? hashPath : undefined,
    timed,
    syntax: openSyntax(job),
    recorder,
    ours
  })
  const { step } = prepare(job, host)
  return {
    host,
    step: () => {
      const result = step()
      if (result?._tag === "Result" && recorder?.isKeepable === true) keepResult = () => keep(job, result, recorder)
      return result
    }
  }
}

/** The session that this thread is for. */
let session: { readonly host: WorkerHost; readonly run: SessionRun } | undefined

const ask = (message: ToEvaluator & { readonly _tag: "Session" }) => {
  if (session === undefined) {
    const { settings, timed } = message
    const host = new WorkerHost(
      port,
      flags,
      { ...settings, readOnly: false },
      { hash: undefined, timed, syntax: openSyntax(settings), ours }
    )
    session = { host, run: openSession(settings, host) }
  }
  return { host: session.host, step: session.run.ask(message.request, message.view).step }
}

/** The root whose attributes this thread is for. */
let attributes: { readonly host: WorkerHost; readonly run: AttributeRun } | undefined

const askAttribute = (message: ToEvaluator & { readonly _tag: "Attribute" }) => {
  if (attributes === undefined) {
    const { settings, timed } = message
    const hash = settings.readOnly ? hashPath : undefined
    const host = new WorkerHost(port, flags, settings, { hash, timed, syntax: openSyntax(settings), ours })
    attributes = { host, run: openAttributes(settings, host) }
  }
  return { host: attributes.host, step: attributes.run.ask(message.request).step }
}

type Task = ToEvaluator & { readonly _tag: "Run" | "Session" | "Attribute" }

const begin = (message: Task) => {
  switch (message._tag) {
    case "Run":
      return run(message)
    case "Session":
      return ask(message)
    case "Attribute":
      return askAttribute(message)
  }
}

/** Keeps what was parsed, and the result, now that nobody waits for it. */
const save = (): void => {
  keepResult?.()
  keepResult = undefined
  syntax?.save()
  if (keepCode !== undefined) {
    if (ours) resume()
    keepCode()
    keepCode = undefined
  }
  Atomics.store(flags, Flag.Saving, 0)
  Atomics.notify(flags, Flag.Saving)
}

const evaluate = (message: Task): void => {
  let result: RunResult | undefined
  try {
    const { host, step } = begin(message)
    try {
      result = step()
    } finally {
      host.engine?.release()
    }
    host.tellFiles()
    if (keeping !== undefined) keepCode = keeping(host.sorts(syntax?.unsaved !== false))
    keeping = undefined
    if (syntax?.unsaved === true || (keepResult ?? keepCode) !== undefined) Atomics.store(flags, Flag.Saving, 1)
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
  if (result._tag === "Failed" || result._tag === "Interrupted") return post(result)
  const { derivations, ...end } = result
  if (derivations.length > 0) post({ _tag: "Derivations", list: derivations })
  post(end)
}

const serve = (message: Task): void => {
  evaluate(message)
  // One attribute is soon followed by the next.
  if (message._tag !== "Attribute") save()
}

/** Takes what the main thread sends, from now on. `keep`: what keeps the evaluator's code. */
export const serveThread = (data: ThreadData, keep: Keeping): void => {
  installNode()
  port = data.port
  flags = data.flags
  ours = data.ours
  keeping = keep
  // Not for those who load this script and are no thread.
  const { parentPort, receiveMessageOnPort } = process.getBuiltinModule("node:worker_threads")
  // Messages are taken by hand: while a job runs, `WorkerHost` takes the answers off the same port. One that came after the end of its job is nobody's.
  parentPort?.on("message", () => {
    for (;;) {
      const received = receiveMessageOnPort(port) as { readonly message: ToEvaluator } | undefined
      if (received === undefined) return
      const { message } = received
      if (message._tag === "Save") save()
      else if (message._tag !== "Answer") return serve(message)
    }
  })
}
