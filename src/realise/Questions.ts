/**
 * The answering side of an evaluation: each question becomes a fiber that asks the `Realiser` or reads the stores; a released question's fiber is
 * interrupted, down to the builder where nobody else waits for it.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { BlobService } from "../castore/blob/BlobService.ts"
import type { CastoreError } from "../castore/CastoreError.ts"
import type { DirectoryService } from "../castore/directory/DirectoryService.ts"
import type { IoAnswer } from "../eval/IoRequest.ts"
import type { ByteString } from "../nix/Bytes.ts"
import { toUnicode } from "../nix/Bytes.ts"
import { printUrl } from "../nix/FlakeRef.ts"
import { baseName, isInStore } from "../nix/StorePath.ts"
import type { PathInfo } from "../store/PathInfo.ts"
import type { PathInfoService } from "../store/PathInfoService.ts"
import { stampOf } from "../store/Stamp.ts"
import type { Event } from "../wire/Events.ts"
import { shownUrl } from "../wire/HttpError.ts"
import { CurrentWork } from "./Announce.ts"
import { absent, type StoreStamp } from "./Dependencies.ts"
import type { FromEvaluator, Question, Stamps } from "./EvaluatorProtocol.ts"
import { spansOf } from "./FileSpans.ts"
import { Realiser } from "./Realiser.ts"
import type { RealiseError } from "./RealiseError.ts"
import { toIoFailure } from "./RealiseError.ts"
import { hashStored, readStore, visitSource, type Visited } from "./StoreFiles.ts"

/** The messages that end an evaluation. */
type Ending = Extract<FromEvaluator, { readonly _tag: "Result" | "Reply" | "Attribute" | "Failed" | "Interrupted" }>

/** What answers need. */
export type World = Realiser | BlobService | DirectoryService | PathInfoService

const failureOf = (error: RealiseError | CastoreError): IoAnswer => ({
  ok: false,
  failure: "exitCode" in error ? toIoFailure(error) : { kind: error._tag, message: error.message, exitCode: undefined }
})

/** Answers a question. `visited` hears of the store paths whose content the answer depends on. */
const answer = (question: Question, visited: Visited): Effect.Effect<IoAnswer, never, World> =>
  (question._tag === "StoreRead"
    ? readStore(question.request, visited)
    : question._tag === "StoreHash"
      ? hashStored(question.request, visited)
      : Effect.flatMap(Realiser, (realiser) => realiser.answer(question)).pipe(
          Effect.map((value): IoAnswer => ({ ok: true, value })),
          Effect.tap(() => (question._tag === "AddSource" && isInStore(question.path) ? visitSource(question.path, visited) : Effect.void))
        )
  ).pipe(Effect.catch((error) => Effect.succeed(failureOf(error))))

/** What a store says of a path that it has. */
export const stampOfInfo = (info: PathInfo): StoreStamp => stampOf(info.narHash, info.references.map(baseName))

/** What a question is about, for traces. */
const subjectOf = (question: Question): Record<string, unknown> => {
  switch (question._tag) {
    case "StoreRead":
    case "StoreHash":
      return { path: question.path, request: question.request._tag }
    case "EnsurePath":
    case "AddSource":
      return { path: question.path }
    case "AddText":
      return { name: question.name }
    case "Fetch":
      return { url: shownUrl(toUnicode(question.url)) }
    case "FetchTree":
      return { input: toUnicode(printUrl(new Map(question.input))) }
    case "FetchClosure":
      return { url: shownUrl(toUnicode(question.cache)), path: question.path }
    case "Realise":
      return {
        count: question.elements.length,
        first: question.elements.slice(0, 8).map((element) => (element._tag === "Path" ? element.path : element.drvPath))
      }
  }
}

/** The paths that an evaluation does not go on without. */
const awaitedBy = (question: Question): ReadonlyArray<string> =>
  question._tag !== "Realise"
    ? []
    : question.elements.flatMap((element) =>
        element._tag === "AllOutputs" ? [] : [element._tag === "Path" ? element.path : element.drvPath]
      )

/** The world, opened when the first question comes: an evaluation that asks for nothing far opens nothing. */
export type OpenWorld = Effect.Effect<Context.Context<World>, { readonly message: string }>

const unopened = (error: { readonly message: string }): IoAnswer => ({
  ok: false,
  failure: { kind: "world", message: error.message, exitCode: undefined }
})

/**
 * The questions of one evaluation, answered in the services of `context` and of the world. `reply` is called once for each that was not released.
 */
export const makeQuestions = (
  context: Context.Context<never>,
  world: OpenWorld,
  sink: (event: Event) => void,
  reply: (id: number, answer: IoAnswer, stamps: Stamps) => void
) => {
  const fork = Effect.runForkWith(context)
  /** The evaluation's span. Said to each question, since the world brings along the span that it was opened in. */
  const under = Option.match(Context.getOption(context, Tracer.ParentSpan), { onNone: () => ({}), onSome: (parent) => ({ parent }) })
  const evaluation = Context.get(context, CurrentWork)
  const asked = new Map<number, Fiber.Fiber<IoAnswer>>()
  /** What the realiser has not been told yet, because nothing was asked of it. */
  let untold: Array<(realiser: Realiser["Service"]) => void> = []

  const inWorld = <A>(body: Effect.Effect<A, never, World>): Effect.Effect<A, { readonly message: string }> =>
    Effect.flatMap(world, (services) => {
      const realiser = Context.get(services, Realiser)
      const tell = untold
      untold = []
      for (const each of tell) each(realiser)
      // What belongs to this evaluation, such as where its events go, and not to the one that opened the world.
      return Effect.provideContext(body, Context.merge(services, context))
    })

  const ask = (id: number, question: Question, file: ByteString | undefined): void => {
    const attributes = file === undefined ? subjectOf(question) : { ...subjectOf(question), "code.file.path": toUnicode(file) }
    const stamps: Array<Stamps[number]> = []
    const visited: Visited = (path, info) => stamps.push([path, Option.isSome(info) ? stampOfInfo(info.value) : absent])
    const answered = Effect.withSpan(answer(question, visited), `Question.${question._tag}`, { attributes, ...under })
    const awaited = evaluation === undefined ? [] : awaitedBy(question)
    const tell = (_tag: "Awaits" | "Resumed") => awaited.length > 0 && sink({ _tag, id: evaluation!, paths: awaited })
    tell("Awaits")
    const fiber = fork(Effect.catch(inWorld(answered), (error) => Effect.succeed(unopened(error))))
    asked.set(id, fiber)
    fiber.addObserver((exit) => {
      asked.delete(id)
      tell("Resumed")
      if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return
      reply(
        id,
        Exit.isSuccess(exit)
          ? exit.value
          : { ok: false, failure: { kind: "defect", message: Cause.pretty(exit.cause), exitCode: undefined } },
        stamps
      )
    })
  }

  return {
    /** Deals with a message that does not end the evaluation; gives back one that does. */
    take: (message: FromEvaluator): Ending | undefined => {
      switch (message._tag) {
        case "Ask":
          ask(message.id, message.question, message.file)
          return undefined
        case "Release": {
          const fiber = asked.get(message.id)
          if (fiber !== undefined) fork(Fiber.interrupt(fiber))
          return undefined
        }
        case "Print":
          sink(lineEvent(message.line))
          return undefined
        case "Files":
          spansOf(context, message.list)
          return undefined
        case "Derivations":
          untold.push((realiser) => realiser.addDerivations(message.list))
          return undefined
        case "Fetches":
          untold.push((realiser) => realiser.addFetches(message.list))
          return undefined
        default:
          return message
      }
    },
    /** Opens the world where something was told and nothing asked: the caller is about to use what it told. */
    flush: Effect.suspend(() => (untold.length === 0 ? Effect.void : inWorld(Effect.void))),
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
