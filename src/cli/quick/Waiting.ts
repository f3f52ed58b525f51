/**
 * The quick door's wait for an evaluation that it has begun: prints what the evaluation prints, and at its end what came of it, as the commands do, and ends the process.
 *
 * All that needs more, such as a question to a store, or a display for whoever waits longer than a moment, is left to the rest of the program: it is loaded, and takes over
 * the thread with all that the thread said and nobody has dealt with. So nothing is evaluated twice, and nothing printed twice.
 */
import { toUnicode } from "../../nix/Bytes.ts"
import type { EvaluationJob } from "../../realise/Evaluation.ts"
import { endedText, type FromEvaluator } from "../../realise/EvaluatorProtocol.ts"
import type { Thread } from "../../realise/EvaluatorThread.ts"
import { resume } from "../../realise/EngineSettings.ts"
import { type EndingSignal, onSignals, sameSignal, signalStatuses } from "../Interrupts.ts"
import { harmless, tell } from "../StandardStreams.ts"
import { tellFailure, tellRendered, tellValues } from "./Ending.ts"
import { mayAsk } from "./Here.ts"
import type { Alone } from "./Words.ts"

/** Milliseconds of the thread's without a result after which the rest of the program is loaded: it will be asked, or show on a terminal what is under way. */
const moment = 100

/** The same where it would only tell from time to time that the evaluation goes on. */
const longWait = 5000

/** Milliseconds that an interrupted evaluation may take to notice. */
const patience = 300

/** The rest of the program. It calls the function that it is given when it takes over. */
type Rest = (taking: () => void) => Promise<void>

/** Waits on the job that the thread has begun. `loadRest` loads and does nothing. */
export const wait = (thread: Thread, job: EvaluationJob, alone: Alone, loadRest: () => Promise<Rest>): void => {
  const { color } = alone
  /** Not for us. */
  const kept: Array<FromEvaluator> = []
  let state: "alone" | "leaving" | "ending" = "alone"
  let received: EndingSignal | undefined
  let receivedAt = 0

  const end = async (status: number): Promise<void> => {
    state = "ending"
    thread.listen(undefined)
    const saved = thread.saved()
    if (saved !== undefined) await saved
    process.exit(received === undefined ? status : signalStatuses[received])
  }
  const leave = (message?: FromEvaluator): void => {
    state = "leaving"
    if (message !== undefined) kept.push(message)
    void load()
  }
  const result = (message: Extract<FromEvaluator, { readonly _tag: "Result" }>): void => {
    const status = message.result._tag === "Values" ? tellValues(message.result.texts, alone) : undefined
    if (status === undefined) leave(message)
    else void end(status)
  }
  const receive = (message: FromEvaluator): void => {
    if (received !== undefined) {
      if (message._tag === "Interrupted" || message._tag === "Result" || message._tag === "Failed") void end(signalStatuses[received])
      return
    }
    if (state === "leaving") return void kept.push(message)
    switch (message._tag) {
      case "Print":
        return tell(harmless(toUnicode(message.line), color))
      case "Result":
        return result(message)
      case "Failed":
        return void end(tellRendered(message, alone))
      case "Ask":
        return leave(message)
      default:
        // For the store, once there is one.
        kept.push(message)
    }
  }

  const taking = (): void => {
    // Then the process ends in a moment.
    if (received !== undefined) return
    clearTimeout(timer)
    clearInterval(alive)
    release()
    thread.listen(undefined)
    thread.keep(kept)
  }
  let loading = false
  const load = async (): Promise<void> => {
    if (loading) return
    loading = true
    if (patient) {
      thread.leaveAlone(false)
      resume()
    }
    const rest = await loadRest()
    // The result may have come meanwhile.
    await new Promise(setImmediate)
    if (state === "ending" || received !== undefined) return
    state = "leaving"
    await rest(taking)
  }
  const release = onSignals((signal) => {
    if (received === undefined) {
      received = signal
      receivedAt = Date.now()
      setTimeout(() => void end(signalStatuses[signal]), patience)
      thread.interrupt()
    } else if (Date.now() - receivedAt > sameSignal) process.exit(signalStatuses[signal])
  })
  const patient = alone.signs !== "live" && !mayAsk(job)
  thread.leaveAlone(patient)
  let timer: NodeJS.Timeout | undefined
  // A machine that is busy starts no thread in a moment.
  thread.worker.once("online", () => (timer = setTimeout(() => void load(), patient ? longWait : moment)))
  // Keeps the process until the end, whatever it waits for.
  const alive = setInterval(() => {}, 0x7fffffff)
  thread.listen({
    received: receive,
    ended: (reason) => {
      if (state !== "leaving") void end(tellFailure(endedText(reason), 1, alone))
    }
  })
}
