/**
 * The evaluator's host inside its own thread: questions go through the port to the main thread, and waiting is done on shared memory.
 */
import type { MessagePort } from "node:worker_threads"
import type { FarRequest } from "../eval/IoRequest.ts"
import type { hashPath } from "../store/HashPath.ts"
import type { SyntaxStore } from "../eval/SyntaxStore.ts"
import type { DependencyRecorder } from "./DependencyRecorder.ts"
import type { HostSettings } from "./EvaluationHost.ts"
import { EvaluationHost } from "./EvaluationHost.ts"
import type { FromEvaluator, ToEvaluator } from "./EvaluatorProtocol.ts"
import { Flag } from "./EvaluatorProtocol.ts"
import { EngineSettings } from "./EngineSettings.ts"

export class WorkerHost extends EvaluationHost {
  readonly #port: MessagePort
  readonly #flags: Int32Array
  readonly syntax: SyntaxStore | undefined
  override readonly engine: EngineSettings | undefined

  constructor(
    port: MessagePort,
    flags: Int32Array,
    job: HostSettings,
    options: {
      readonly hash: typeof hashPath | undefined
      readonly timed: boolean
      readonly syntax: SyntaxStore | undefined
      readonly recorder?: DependencyRecorder | undefined
      /** The process is yix itself. */
      readonly ours: boolean
    }
  ) {
    super(job, options.hash, options.timed, options.recorder)
    this.#port = port
    this.#flags = flags
    this.syntax = options.syntax
    this.engine = options.ours ? new EngineSettings(() => Atomics.load(flags, Flag.Alone) === 1) : undefined
  }

  protected override post(message: FromEvaluator): void {
    this.#port.postMessage(message)
  }

  /** Takes the answers that have arrived. */
  #drain(): void {
    for (;;) {
      const received = process.getBuiltinModule("node:worker_threads").receiveMessageOnPort(this.#port) as
        | { readonly message: ToEvaluator }
        | undefined
      if (received === undefined) return
      const message = received.message
      if (message._tag === "Answer") this.deliver(message.id, message.answer, message.stamps)
    }
  }

  override readonly wait = (requests: ReadonlyArray<FarRequest>, milliseconds: number | undefined): boolean => {
    const end = milliseconds === undefined ? Infinity : performance.now() + milliseconds
    for (;;) {
      const signal = Atomics.load(this.#flags, Flag.Signal)
      this.#drain()
      if (this.anyAnswered(requests) || this.interrupted()) return true
      const left = end - performance.now()
      if (left <= 0) return false
      Atomics.wait(this.#flags, Flag.Signal, signal, left === Infinity ? undefined : left)
    }
  }

  protected override stopped(): boolean {
    return Atomics.load(this.#flags, Flag.Interrupt) !== 0
  }
}
