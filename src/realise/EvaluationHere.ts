/**
 * A job in the thread that wants it, for a program that does nothing else meanwhile: no thread to start, none to end, which small evaluations notice. It goes as far as
 * nobody else is needed. What asks for something far, needs a deeper stack than the main thread's or nearly all of its memory is left to the evaluator's thread, from the
 * beginning.
 */
import { installNode } from "../castore/crypto/Node.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { hashPath } from "../store/HashPath.ts"
import { Interrupted } from "../eval/NixError.ts"
import { DependencyRecorder } from "./DependencyRecorder.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import { keep } from "./EvaluationCache.ts"
import { EvaluationHost } from "./EvaluationHost.ts"
import { prepare, type RunResult } from "./EvaluationRun.ts"
import type { FromEvaluator } from "./EvaluatorProtocol.ts"
import { EngineSettings } from "./EngineSettings.ts"
import { SyntaxCache } from "./SyntaxCache.ts"

/** Milliseconds between two looks at the memory. */
const lookAfter = 200

/** Bytes that have to be left of it: more than an evaluation takes between two looks. Where there are none left, V8 ends the process, not just the thread. */
const spare = 512 * 2 ** 20

export interface Watcher {
  /** A line that the evaluation prints. */
  readonly print: (line: ByteString) => void
  /** Called now and then while it goes on. */
  readonly waiting: () => void
}

class Host extends EvaluationHost {
  readonly syntax: SyntaxCache | undefined
  override readonly engine = new EngineSettings(() => true)
  /** Nothing far is ever waited for. */
  override readonly wait = undefined
  /** The job is for the evaluator's thread. */
  elsewhere = false
  readonly #watcher: Watcher
  #lookAt = Date.now() + lookAfter

  constructor(job: EvaluationJob, syntax: SyntaxCache | undefined, recorder: DependencyRecorder | undefined, watcher: Watcher) {
    super(job, job.readOnly ? hashPath : undefined, false, recorder)
    this.syntax = syntax
    this.#watcher = watcher
  }

  protected override post(message: FromEvaluator): void {
    if (message._tag === "Print") return this.#watcher.print(message.line)
    if (message._tag !== "Ask") return
    this.elsewhere = true
    throw new Interrupted()
  }

  stackExhausted(): void {
    this.elsewhere = true
  }

  protected override stopped(): boolean {
    const now = Date.now()
    if (now >= this.#lookAt) {
      this.#lookAt = now + lookAfter
      const { used_heap_size: used, heap_size_limit: limit } = process.getBuiltinModule("node:v8").getHeapStatistics()
      if (limit - used < spare) this.elsewhere = true
      this.#watcher.waiting()
    }
    return this.elsewhere
  }
}

/** How a job ended that ran here. */
export interface EndedHere {
  readonly result: Exclude<RunResult, { readonly _tag: "Interrupted" }>
  /** Keeps what was parsed, and the result, for the next run. */
  readonly save: () => void
  /** What it did (`KeptCode.ts`). */
  readonly sorts: number
}

/** Runs the job; `undefined` where it has to be run elsewhere. What it printed until then is printed again there. */
export const evaluateHere = (job: EvaluationJob, watcher: Watcher): EndedHere | undefined => {
  installNode()
  const syntax = job.syntaxCache === undefined ? undefined : new SyntaxCache(job.syntaxCache)
  const recorder = job.evaluationCache === undefined ? undefined : new DependencyRecorder()
  const host = new Host(job, syntax, recorder, watcher)
  let result: RunResult | undefined
  try {
    result = prepare(job, host).step()
  } finally {
    host.engine.end()
  }
  if (result === undefined || result._tag === "Interrupted" || host.elsewhere) {
    syntax?.close()
    return undefined
  }
  return {
    result,
    sorts: host.sorts(syntax?.unsaved !== false),
    save: () => {
      if (result._tag === "Result" && recorder !== undefined) keep(job, result, recorder)
      syntax?.save()
    }
  }
}
