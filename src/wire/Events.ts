/**
 * What happens, as one stream of events: progress displays, JSON logs and traces read only this. Emitting never blocks and never fails.
 *
 * Pieces of work have numbers, which mean nothing outside of one process. `Started` is the first that is heard of a number, one of `Done`, `Failed` and `Cancelled` the
 * last. Derivations that will be built are announced by their paths before, with the edges of the graph: `Planned`; then they are `Started`, found to be there (`Reused`) or given up (`Dropped`).
 * What waits on what is told by `Planned` (a build on its inputs), `Awaits` (an evaluation on what it imports) and `Wanted` (which fetch or copy makes the output of which derivation).
 */
import * as Context from "effect/Context"

/** The kinds of work: those of the realise graph, and the evaluation that asks for it. */
export type WorkKind = "substitute" | "fetch" | "build" | "add-source" | "evaluate"

/** What goes with a line of the log. */
export interface LogContext {
  readonly annotations: Readonly<Record<string, unknown>>
  /** The span in which it was written. */
  readonly traceId?: string
  readonly spanId?: string
}

export type Event =
  | { readonly _tag: "Started"; readonly id: number; readonly kind: WorkKind; readonly name: string; readonly path: string | undefined }
  /** Bytes, or attributes of an evaluation attribute by attribute; `total` where known, or known so far. */
  | { readonly _tag: "Progress"; readonly id: number; readonly done: number; readonly total: number | undefined }
  /** One line of a builder's output, without its line end. */
  | { readonly _tag: "LogLine"; readonly id: number; readonly line: string }
  | { readonly _tag: "Done"; readonly id: number }
  | { readonly _tag: "Failed"; readonly id: number; readonly message: string }
  | { readonly _tag: "Cancelled"; readonly id: number }
  /** A derivation must be built (`path`: its `.drv`) once its inputs, derivations too, and its sources, paths that are no outputs of derivations, are there. */
  | {
      readonly _tag: "Planned"
      readonly path: string
      readonly name: string
      readonly inputs: ReadonlyArray<string>
      readonly sources: ReadonlyArray<string>
    }
  /** A planned derivation is given up: one of its inputs failed, or its own build did, or nobody needs it any more. */
  | { readonly _tag: "Dropped"; readonly path: string }
  /** Wanted outputs of a derivation (`path`) were in the store. Told each time that one asks, also of what was made a moment ago. */
  | { readonly _tag: "Reused"; readonly path: string; readonly outputs: ReadonlyArray<string> }
  /** Outputs of a derivation (`path`) are missing. What copies or fetches them has their path, what builds them that of the derivation. Told once for each derivation. */
  | { readonly _tag: "Wanted"; readonly path: string; readonly outputs: ReadonlyArray<string> }
  /** An evaluation (`id`) needs what is in these paths: derivations, whose outputs it means, or sources. It may go on with something else meanwhile. */
  | { readonly _tag: "Awaits"; readonly id: number; readonly paths: ReadonlyArray<string> }
  /** What an evaluation needed is there, could not be made, or is needed no longer. As often as `Awaits`, with the same paths. */
  | { readonly _tag: "Resumed"; readonly id: number; readonly paths: ReadonlyArray<string> }
  /** A remark for the user that belongs to no node: a trace line, a warning; or, with `log`, a line of the log. */
  | {
      readonly _tag: "Message"
      /** "trace" is a line of `builtins.trace`: what the user asked for. */
      readonly level: "info" | "warning" | "trace" | "debug" | "error"
      readonly text: string
      readonly log?: LogContext
    }

/** Where events go. The default drops them. */
export const EventSink = Context.Reference<(event: Event) => void>("yix/wire/EventSink", { defaultValue: () => () => {} })
