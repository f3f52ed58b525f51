/**
 * The answering side of an evaluation: each question becomes a fiber that asks the `Realiser` or reads the stores; a released question's fiber is
 * interrupted, down to the builder where nobody else waits for it.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { IoAnswer } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { toUnicode } from "../nix/Bytes.ts"
import type { PathInfoService } from "../store/PathInfoService.ts"
import type { Event } from "../wire/Events.ts"
import type { Question } from "./EvaluatorProtocol.ts"
import { Realiser } from "./Realiser.ts"
import type { RealiseError } from "./RealiseError.ts"
import { toIoFailure } from "./RealiseError.ts"
import { readStore } from "./StoreFiles.ts"

/** What answers need. */
export type World = Realiser | BlobService | DirectoryService | PathInfoService

const failureOf = (error: RealiseError | CastoreError): IoAnswer => ({
  ok: false,
  failure: "exitCode" in error ? toIoFailure(error) : { kind: error._tag, message: error.message, exitCode: undefined }
})

const answer = (question: Question): Effect.Effect<IoAnswer, never, World> =>
  (question._tag === "StoreRead"
    ? readStore(question.path, question.request)
    : Effect.flatMap(Realiser, (realiser) => Effect.map(realiser.answer(question), (value): IoAnswer => ({ ok: true, value })))
  ).pipe(Effect.catch((error) => Effect.succeed(failureOf(error))))

/** The questions of one evaluation. `reply` is called once for each that was not released. */
export const makeQuestions = (context: Context.Context<World>, reply: (id: number, answer: IoAnswer) => void) => {
  const fork = Effect.runForkWith(context)
  const asked = new Map<number, Fiber.Fiber<IoAnswer>>()
  return {
    ask: (id: number, question: Question): void => {
      const fiber = fork(answer(question))
      asked.set(id, fiber)
      fiber.addObserver((exit) => {
        asked.delete(id)
        if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return
        reply(
          id,
          Exit.isSuccess(exit)
            ? exit.value
            : { ok: false, failure: { kind: "defect", message: Cause.pretty(exit.cause), exitCode: undefined } }
        )
      })
    },
    release: (id: number): void => {
      const fiber = asked.get(id)
      if (fiber !== undefined) fork(Fiber.interrupt(fiber))
    },
    /** Interrupts what is still under way. */
    close: Effect.suspend(() => Fiber.interruptAll([...asked.values()]))
  }
}

/** A traced or warning line as an event. */
export const lineEvent = (line: ByteString): Event => ({
  _tag: "Message",
  level: line.startsWith("trace:") ? "trace" : "warning",
  text: toUnicode(line)
})

/** A rendered error without its leading `error:`, which whoever shows it puts there. */
export const withoutLabel = (rendered: ByteString): string =>
  toUnicode(rendered).replace(/^((?:\x1b\[[0-9;]*m)*)error:((?:\x1b\[[0-9;]*m)*) ?/, "")
