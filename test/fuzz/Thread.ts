/**
 * yix in a thread of its own, with the stack that `yix` gives its evaluator. A case that gives no answer in time, or ends the thread, is a crash; the others go on in a new
 * thread.
 */
import { Worker } from "node:worker_threads"
import type { Answer } from "./Answers.ts"
import type { Case } from "./Cases.ts"

/** As in `EvaluatorThread.ts`. */
const limits = { stackSizeMb: 256, maxYoungGenerationSizeMb: 64 }

/** A worker that is ready: the time that starting it takes counts for no case. */
const started = (): Promise<Worker> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./Worker.ts", import.meta.url), { resourceLimits: limits })
    worker.once("message", () => resolve(worker))
    worker.once("error", reject)
  })

export class Thread {
  #worker: Worker | undefined
  readonly #patience: number

  /** `patience`: milliseconds for one case. */
  constructor({ patience = 20_000 }: { readonly patience?: number } = {}) {
    this.#patience = patience
  }

  /** The answers to all cases, in order. */
  async answers(cases: ReadonlyArray<Case>): Promise<ReadonlyArray<Answer>> {
    const answers: Array<Answer> = []
    while (answers.length < cases.length) {
      const why = await this.#some(cases.slice(answers.length), answers)
      if (why === undefined) break
      answers.push({ ok: false, message: why, place: "", crash: true })
      await this.stop()
    }
    return answers
  }

  /** Adds answers until all are there, or tells why the next one does not come. */
  async #some(cases: ReadonlyArray<Case>, answers: Array<Answer>): Promise<string | undefined> {
    const worker = (this.#worker ??= await started())
    return new Promise((resolve) => {
      const finish = (why: string | undefined): void => {
        clearTimeout(timer)
        worker.off("message", take).off("error", fail).off("exit", leave)
        resolve(why)
      }
      const late = (): void => finish(`no answer within ${this.#patience / 1000} s`)
      let timer = setTimeout(late, this.#patience)
      const take = ([index, answer]: readonly [number, Answer]): void => {
        answers.push(answer)
        if (index === cases.length - 1) return finish(undefined)
        clearTimeout(timer)
        timer = setTimeout(late, this.#patience)
      }
      const fail = (error: Error): void => finish(`the thread failed: ${error.message}`)
      const leave = (code: number): void => finish(`the thread ended with ${code}`)
      worker.on("message", take).on("error", fail).on("exit", leave)
      worker.postMessage(cases.map(({ tree: _, ...one }) => one))
    })
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }
}
