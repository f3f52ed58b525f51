/**
 * The evaluator's thread, and a head start for it: a program that knows that it will evaluate begins with `startEarly`, or with `startAhead` where it knows what, so that
 * the thread boots on another core, and works, while the rest of the program is still being loaded. Loads nothing of ours but the protocol, since it comes before everything.
 */
import { getCompileCacheDir } from "node:module"
import type { MessagePort, Worker } from "node:worker_threads"
import type { EvaluationJob } from "./Evaluation.ts"
import { Flag } from "./EvaluatorProtocol.ts"
import type { FromEvaluator, ToEvaluator } from "./EvaluatorProtocol.ts"
import type { ThreadData } from "./EvaluatorWorker.ts"

/**
 * Deep recursion needs stack, allocation needs a young generation that it does not fill at once (measurements part II §3, §6). Twice as large a one takes 30 MiB more and
 * spares no time; of 24, a NixOS system and many small sets take a twentieth longer.
 */
const limits = { stackSizeMb: 256, maxYoungGenerationSizeMb: 36 }

/** Milliseconds that the end of a program waits for a thread to write what the next run may use. */
const savingPatience = 3000

type Task = Extract<ToEvaluator, { readonly _tag: "Run" | "Session" }>

/** Whether the process is yix itself, and not another program that evaluates. */
let ours = false

/** Says that the process is there to run yix: threads that start from now on may change settings of the engine that all its threads share (`EngineSettings.ts`). */
export const ownProcess = (): void => {
  ours = true
}

/** Who is told what a thread says. */
export interface Listener {
  readonly received: (message: FromEvaluator) => void
  /** The thread ended by itself; nothing comes any more. */
  readonly ended: (reason: string) => void
}

/** A thread takes one task after the other. What it says while nobody listens is kept for the next who does. */
export class Thread {
  /** The task that it was given before anybody asked for it. */
  ahead: Task | undefined
  /** Lines that it will print first, and that the user has seen already. */
  seen = 0
  readonly worker: Worker
  readonly port: MessagePort
  readonly flags: Int32Array
  #kept: Array<FromEvaluator> = []
  #listener: Listener | undefined
  #end: string | undefined
  /** Before, the port keeps what comes. */
  #listening = false

  constructor() {
    // Not for programs that come to their end without a thread.
    const { MessageChannel, Worker } = process.getBuiltinModule("node:worker_threads")
    const source = import.meta.url.endsWith(".ts") ? "./EvaluatorBoot.ts" : "./EvaluatorBoot.js"
    const channel = new MessageChannel()
    this.flags = new Int32Array(new SharedArrayBuffer(16))
    this.port = channel.port1
    this.worker = new Worker(new URL(source, import.meta.url), {
      workerData: { port: channel.port2, flags: this.flags, ours, code: getCompileCacheDir() } satisfies ThreadData,
      transferList: [channel.port2],
      resourceLimits: limits,
      // Else Node joins them to its own streams, and loads all of its terminals and sockets.
      stdin: ours,
      stdout: ours,
      stderr: ours
    })
    // Nothing of ours; remarks of Node. To listen to them keeps a process from its end: no matter for one that ends by itself.
    if (ours) this.worker.stderr.on("data", (bytes: Uint8Array) => process.stderr.write(bytes))
    this.worker.once("error", (error: Error & { code?: string }) =>
      this.#ended(
        error.code === "ERR_WORKER_OUT_OF_MEMORY"
          ? "out of memory; give it more with NODE_OPTIONS=--max-old-space-size=8192 (MiB)"
          : error.message
      )
    )
    this.worker.once("exit", (code) => this.#ended(`exit code ${code}`))
    this.worker.unref()
    this.port.unref()
  }

  readonly #receive = (message: FromEvaluator): void => {
    if (message._tag === "Print" && this.seen > 0) this.seen--
    else if (this.#listener === undefined) this.#kept.push(message)
    else this.#listener.received(message)
  }

  #ended(reason: string): void {
    if (this.#end !== undefined) return
    this.#end = reason
    this.#listener?.ended(reason)
  }

  /** Begins a task. */
  begin(task: Exclude<ToEvaluator, { readonly _tag: "Answer" }>): void {
    Atomics.store(this.flags, Flag.Interrupt, 0)
    this.port.postMessage(task)
    this.worker.postMessage("run")
  }

  /** Sends an answer. */
  answer(message: Extract<ToEvaluator, { readonly _tag: "Answer" }>): void {
    this.port.postMessage(message)
    this.#signal()
  }

  /** Says whether this thread of the program does nothing but wait. */
  leaveAlone(alone: boolean): void {
    Atomics.store(this.flags, Flag.Alone, alone ? 1 : 0)
  }

  /** Tells the thread to end its evaluation; it says when it has. */
  interrupt(): void {
    Atomics.store(this.flags, Flag.Interrupt, 1)
    this.#signal()
  }

  #signal(): void {
    Atomics.add(this.flags, Flag.Signal, 1)
    Atomics.notify(this.flags, Flag.Signal)
  }

  /** From now on this one listens, first to what was kept, and the process does not end meanwhile; `undefined`: nobody does. */
  listen(listener: Listener | undefined): void {
    this.#listener = listener
    if (!this.#listening) {
      this.#listening = true
      this.port.on("message", this.#receive)
    }
    if (listener === undefined) return void this.port.unref()
    this.port.ref()
    // It may stop listening at any of them.
    while (this.#kept.length > 0 && this.#listener === listener) listener.received(this.#kept.shift()!)
    if (this.#end !== undefined && this.#listener === listener) listener.ended(this.#end)
  }

  /** Keeps messages for the next who listens, before those that come. */
  keep(messages: ReadonlyArray<FromEvaluator>): void {
    this.#kept = [...messages, ...this.#kept]
  }

  /** When the thread has written what the next run may use, or takes too long; `undefined` where it writes nothing. */
  saved(): Promise<unknown> | undefined {
    const waiting = Atomics.waitAsync(this.flags, Flag.Saving, 1, savingPatience)
    return waiting.async ? waiting.value : undefined
  }

  /** Ends it, whatever it does. */
  async terminate(): Promise<void> {
    await this.worker.terminate()
  }
}

let early: Thread | undefined

/** Starts a thread for the first who asks. */
export const startEarly = (): void => {
  early ??= new Thread()
}

/**
 * The same, and the thread begins with the job at once: whoever asks for a thread and then for this very job finds it under way. `seen`: lines of its that were printed
 * before.
 */
export const startAhead = (job: EvaluationJob, seen = 0): Thread => {
  early ??= new Thread()
  early.seen = seen
  early.ahead = { _tag: "Run", job, timed: false }
  early.begin(early.ahead)
  return early
}

/** A thread that nobody else uses: the one started early, or a new one. */
export const startThread = (): Thread => {
  const thread = early ?? new Thread()
  early = undefined
  return thread
}
