/**
 * What a progress display knows: a state, and what each event makes of it. The time comes in with the event, in milliseconds of any clock that does not go back. States are values but for
 * their graph, which is one for all states of a run.
 */
import type { Event, WorkKind } from "../wire/Events.ts"
import { oneLine } from "./DisplayWidth.ts"
import { ProgressGraph } from "./ProgressGraph.ts"

/** Lines of a running build that are kept for the case that it fails. */
const keptLines = 25

/** Transfer rates are those of the last so many milliseconds, seen at this many milliseconds' distance. */
const rateWindow = 3000
const rateStep = 250

interface Sample {
  readonly at: number
  readonly done: number
}

/** A piece of work that is under way. */
export interface Work {
  readonly id: number
  readonly kind: WorkKind
  /** What others know its result by: a derivation, also of one whose output is fetched or copied, or a path. */
  readonly path: string | undefined
  /** Its place among plans and works: earlier ones have smaller numbers. */
  readonly order: number
  /** One line, harmless. */
  readonly name: string
  readonly since: number
  /** Bytes. */
  readonly done: number
  readonly total: number | undefined
  /** Oldest first, never empty. */
  readonly samples: ReadonlyArray<Sample>
  /** What the builder wrote last, as it wrote it, without empty lines at the end. */
  readonly log: ReadonlyArray<string>
}

export interface Failure {
  readonly kind: WorkKind
  readonly name: string
  readonly path: string | undefined
  readonly order: number
  /** The first line of the message. */
  readonly message: string
  /** As that of `Work`. */
  readonly log: ReadonlyArray<string>
}

export interface Model {
  readonly since: number
  /** By number, in the order in which they started. */
  readonly running: ReadonlyMap<number, Work>
  readonly failures: ReadonlyArray<Failure>
  readonly built: number
  readonly fetched: number
  readonly copied: number
  readonly added: number
  readonly evaluated: number
  /** Derivations whose outputs were there before. */
  readonly reused: number
  /** Derivations that will be built and have not begun. */
  readonly waiting: number
  /** Work that failed; a failed evaluation does not count. */
  readonly failed: number
  /** Bytes that came by fetches and copies that ended, and the milliseconds in which one at least was under way, without the current stretch. */
  readonly transferred: number
  readonly transferTime: number
  readonly transferSince: number | undefined
  readonly graph: ProgressGraph
  /** The next `order`. */
  readonly sequence: number
}

export const initial = (now: number): Model => ({
  since: now,
  running: new Map(),
  failures: [],
  built: 0,
  fetched: 0,
  copied: 0,
  added: 0,
  evaluated: 0,
  reused: 0,
  waiting: 0,
  failed: 0,
  transferred: 0,
  transferTime: 0,
  transferSince: undefined,
  graph: new ProgressGraph(),
  sequence: 0
})

const transfers = (kind: WorkKind): boolean => kind === "fetch" || kind === "substitute"

/** Nothing is under way, and nothing waits to be. */
export const isIdle = (model: Model): boolean => model.running.size === 0 && model.waiting === 0

/** The state after an event. Events of unknown numbers change nothing. */
export const reduce = (model: Model, event: Event, now: number): Model => {
  switch (event._tag) {
    case "Started":
      return started(model, event, now)
    case "Progress":
      return changed(model, event.id, (work) => ({
        ...work,
        done: event.done,
        total: event.total ?? work.total,
        samples: sampled(work.samples, { at: now, done: event.done })
      }))
    case "LogLine":
      return changed(model, event.id, (work) => ({ ...work, log: [...work.log.slice(1 - keptLines), event.line] }))
    case "Done":
    case "Failed":
    case "Cancelled":
      return ended(model, event, now)
    case "Planned":
      model.graph.add(event.path, oneLine(event.name), model.sequence, [...event.inputs, ...event.sources])
      return { ...model, waiting: model.graph.waiting, sequence: model.sequence + 1 }
    case "Dropped":
      if (model.graph.fate(event.path) === "waiting") model.graph.settle(event.path, undefined)
      return { ...model, waiting: model.graph.waiting }
    case "Reused":
      return reused(model, event)
    case "Wanted":
      model.graph.makes(event.path, event.outputs)
      return model
    case "Awaits":
      model.graph.await(event.id, event.paths)
      return model
    case "Resumed":
      model.graph.resume(event.id, event.paths)
      return model
    case "Message":
      return model
  }
}

const started = (model: Model, event: Extract<Event, { readonly _tag: "Started" }>, now: number): Model => {
  const path = event.path === undefined ? undefined : (model.graph.maker(event.path) ?? event.path)
  const work: Work = {
    id: event.id,
    kind: event.kind,
    path,
    order: (path === undefined ? undefined : model.graph.plan(path)?.order) ?? model.sequence,
    name: oneLine(event.name),
    since: now,
    done: 0,
    total: undefined,
    samples: [{ at: now, done: 0 }],
    log: []
  }
  if (event.path !== undefined) model.graph.settle(event.path, "begun")
  return {
    ...model,
    running: new Map(model.running).set(event.id, work),
    waiting: model.graph.waiting,
    transferSince: transfers(event.kind) ? (model.transferSince ?? now) : model.transferSince,
    sequence: model.sequence + 1
  }
}

const changed = (model: Model, id: number, change: (work: Work) => Work): Model => {
  const work = model.running.get(id)
  return work === undefined ? model : { ...model, running: new Map(model.running).set(id, change(work)) }
}

/** Keeps what the window needs: one sample from before it, those in it at a distance, and always the newest. */
const sampled = (samples: ReadonlyArray<Sample>, sample: Sample): ReadonlyArray<Sample> => {
  // Another attempt begins from nothing.
  if (sample.done < samples.at(-1)!.done) return [sample]
  const current = samples.filter((_, i) => i === samples.length - 1 || samples[i + 1]!.at > sample.at - rateWindow)
  const close = current.length > 1 && current.at(-1)!.at - current.at(-2)!.at < rateStep
  return [...(close ? current.slice(0, -1) : current), sample]
}

const ended = (model: Model, event: Extract<Event, { readonly _tag: "Done" | "Failed" | "Cancelled" }>, now: number): Model => {
  const work = model.running.get(event.id)
  if (work === undefined) return model
  const running = new Map(model.running)
  running.delete(event.id)
  const stretchEnds = transfers(work.kind) && ![...running.values()].some((other) => transfers(other.kind))
  const rest: Model = {
    ...model,
    running,
    transferred: model.transferred + (transfers(work.kind) ? work.done : 0),
    transferTime: model.transferTime + (stretchEnds ? now - model.transferSince! : 0),
    transferSince: stretchEnds ? undefined : model.transferSince
  }
  if (event._tag === "Cancelled") return rest
  if (event._tag === "Failed") {
    // The command tells why an evaluation failed, with all its lines.
    if (work.kind === "evaluate") return rest
    const first = event.message.split("\n").find((line) => line.trim() !== "") ?? ""
    // The name stands before it already.
    const message = oneLine(first.replace(/^cannot build '[^']*': /, ""))
    const { kind, name, path, order, log } = work
    return { ...rest, failed: rest.failed + 1, failures: [...rest.failures, { kind, name, path, order, message, log }] }
  }
  switch (work.kind) {
    case "build":
      return { ...rest, built: rest.built + 1 }
    case "fetch":
      return { ...rest, fetched: rest.fetched + 1 }
    case "substitute":
      return { ...rest, copied: rest.copied + 1 }
    case "add-source":
      return { ...rest, added: rest.added + 1 }
    case "evaluate":
      return { ...rest, evaluated: rest.evaluated + 1 }
  }
}

const reused = (model: Model, event: Extract<Event, { readonly _tag: "Reused" }>): Model => {
  const { graph } = model
  const fate = graph.fate(event.path)
  // What was made in this run is asked for again by each of its dependents.
  if (fate === "begun" || fate === "reused" || event.outputs.some((path) => graph.fate(path) === "begun")) return model
  graph.settle(event.path, "reused")
  return { ...model, reused: model.reused + 1, waiting: graph.waiting }
}

/** Bytes a second of a transfer, lately. */
export const rateOf = (work: Work, now: number): number => {
  const first = work.samples.findLast((sample) => sample.at <= now - rateWindow) ?? work.samples[0]!
  return now <= first.at ? 0 : (Math.max(0, work.done - first.done) / (now - first.at)) * 1000
}

/** Bytes that came so far, those of transfers under way too. */
export const transferredOf = (model: Model): number => {
  let bytes = model.transferred
  for (const work of model.running.values()) if (transfers(work.kind)) bytes += work.done
  return bytes
}

/** Bytes a second over the whole run, counting the time in which something was transferred. */
export const meanRateOf = (model: Model, now: number): number => {
  const time = model.transferTime + (model.transferSince === undefined ? 0 : now - model.transferSince)
  return time <= 0 ? 0 : (transferredOf(model) / time) * 1000
}
