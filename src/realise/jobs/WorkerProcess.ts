/**
 * A worker process as its parent has it: started within a scope, asked for one attribute after the other, gone when the scope ends. What it cannot answer itself it
 * asks here, where all workers share one realiser and its stores.
 */
import { type ChildProcess, fork } from "node:child_process"
import { getCompileCacheDir } from "node:module"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { toUnicode } from "../../nix/Bytes.ts"
import { EventSink } from "../../wire/Events.ts"
import { isTraced } from "../../wire/TracePropagation.ts"
import type { FromEvaluator } from "../EvaluatorProtocol.ts"
import { makeQuestions, type OpenWorld } from "../Questions.ts"
import { BuildNothing } from "../Realiser.ts"
import type { AttributeReply, AttributeRequest, AttributeSettings, FromProcess, ToProcess } from "./AttributeJob.ts"

/** Milliseconds that a process may take to end by itself once it is told to. */
const endingPatience = 5000

/** Characters of what a process said last on its standard error that are kept: V8 says there why it gives up. */
const lastWords = 4096

/** An attribute failed, by the language or by what it needed. */
export class AttributeFailed extends Schema.TaggedError<AttributeFailed>()("AttributeFailed", {
  /** Plain words with their label, or the JSON that was asked for. */
  rendered: Schema.String
}) {
  override get message(): string {
    return this.rendered
  }
}

/** The process is gone, and with it whatever it would have said. */
export class WorkerDied extends Schema.TaggedError<WorkerDied>()("WorkerDied", { reason: Schema.String }) {
  override get message(): string {
    return `the worker died: ${this.reason}`
  }
}

export interface WorkerProcess {
  readonly ask: (request: AttributeRequest) => Effect.Effect<AttributeReply, AttributeFailed | WorkerDied>
  /** Whether it may be asked again: it lives, its stack is whole, and it is within its memory. */
  readonly usable: () => boolean
}

export interface WorkerOptions {
  readonly settings: AttributeSettings
  /** Bytes of memory beyond which a process is not asked again. */
  readonly memory: number
}

/** MiB that V8 lets the heap of a process grow to: an attribute that needs more than its share by itself still comes to an end. */
const heapLimit = (memory: number): number => Math.max(1024, Math.ceil((memory / 2 ** 20) * 2))

const outOfMemory = "it ran out of memory; a greater --max-memory-size gives it more, and so may fewer --workers"

const start = (memory: number): ChildProcess => {
  const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js"
  const cache = getCompileCacheDir()
  return fork(fileURLToPath(new URL(`./EvaluatorProcess.${suffix}`, import.meta.url)), [], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    // No more of what nobody needs stays than a process of so little memory has room for.
    execArgv: [
      ...process.execArgv,
      `--max-old-space-size=${heapLimit(memory)}`,
      `--initial-old-space-size=${Math.min(512, Math.ceil(memory / 2 ** 21))}`
    ],
    env: cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) }
  })
}

const endedBy = (code: number | null, signal: string | null, words: string): string => {
  const told = /FATAL ERROR: (.*)/.exec(words)?.[1]
  if (told?.includes("out of memory") === true) return outOfMemory
  const how = signal === null ? `it ended with ${code}` : `it was ended by ${signal}`
  return told === undefined ? how : `${how} (${told})`
}

/** A process that is started now and ended with the scope. */
export const startWorker = Effect.fnUntraced(function* (
  options: WorkerOptions,
  world: OpenWorld
): Effect.fn.Return<WorkerProcess, never, Scope.Scope> {
  const child = start(options.memory)
  let words = ""
  let resident = 0
  let whole = true
  /** Why it is gone; `undefined` while it is not. */
  let gone: string | undefined
  let onMessage: (message: FromEvaluator) => void = () => {}
  let onGone: (reason: string) => void = () => {}

  const lost = (reason: string): void => {
    gone ??= reason
    onGone(gone)
  }
  child.stderr?.on("data", (bytes: Buffer) => {
    words = (words + bytes.toString("latin1")).slice(-lastWords)
  })
  child.on("error", (error) => lost(`it cannot be started or spoken to: ${error.message}`))
  const exited = new Promise<void>((resolve) => {
    child.on("error", () => child.pid === undefined && resolve())
    // When its last words are there, too.
    child.on("close", (code, signal) => {
      lost(endedBy(code, signal, words))
      resolve()
    })
  })
  child.on("message", (message: FromProcess) => {
    if (message._tag === "Ended") return lost(message.reason.startsWith("out of memory") ? outOfMemory : message.reason)
    resident = message.resident ?? resident
    onMessage(message)
  })

  /** One that is gone meanwhile says so itself. */
  const send = (message: ToProcess): void => {
    if (child.connected) child.send(message, () => {})
  }
  send({ _tag: "Settings", settings: options.settings })

  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => {
      if (gone === undefined && whole) send({ _tag: "Stop" })
      else child.kill("SIGKILL")
      const timer = setTimeout(() => child.kill("SIGKILL"), endingPatience)
      await exited
      clearTimeout(timer)
    })
  )

  const ask = Effect.fnUntraced(
    function* (request: AttributeRequest) {
      const sink = yield* EventSink
      const timed = yield* isTraced
      const questions = makeQuestions(yield* Effect.context<never>(), world, sink, (id, answer, stamps) =>
        send({ _tag: "Answer", id, answer, stamps })
      )
      const asked = Effect.callback<AttributeReply, AttributeFailed | WorkerDied>((resume) => {
        const done = (end: Effect.Effect<AttributeReply, AttributeFailed | WorkerDied>): void => {
          onMessage = () => {}
          onGone = () => {}
          resume(end)
        }
        onGone = (reason) => done(Effect.fail(new WorkerDied({ reason })))
        onMessage = (message) => {
          const end = questions.take(message)
          switch (end?._tag) {
            case "Attribute":
              return done(Effect.succeed(end.reply))
            case "Failed":
              if (end.unusable) whole = false
              return done(Effect.fail(new AttributeFailed({ rendered: toUnicode(end.rendered) })))
          }
        }
        if (gone !== undefined) return onGone(gone)
        send({ _tag: "Attribute", request, timed })
        return Effect.sync(() => {
          // Who asked does not want to know any more, and there is no way to call it back.
          whole = false
        })
      })
      const reply = yield* Effect.ensuring(asked, questions.close)
      // Texts of derivations are for the realiser to know, where they were told.
      yield* Effect.mapError(questions.flush, (error) => new AttributeFailed({ rendered: `error: ${error.message}` }))
      return reply
    },
    Effect.provideService(BuildNothing, options.settings.readOnly)
  )
  return { ask, usable: () => gone === undefined && whole && resident <= options.memory }
})
