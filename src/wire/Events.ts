/**
 * What happens, as one stream of events: progress displays, JSON logs and traces read only this. Emitting never blocks and never fails.
 */
import * as Context from "effect/Context"

/** The kinds of work in the realise graph. */
export type WorkKind = "substitute" | "fetch" | "build" | "add-source"

export type Event =
  | { readonly _tag: "Started"; readonly id: number; readonly kind: WorkKind; readonly name: string; readonly path: string | undefined }
  /** Bytes; `total` where known. */
  | { readonly _tag: "Progress"; readonly id: number; readonly done: number; readonly total: number | undefined }
  /** One line of a builder's output, without its line end. */
  | { readonly _tag: "LogLine"; readonly id: number; readonly line: string }
  | { readonly _tag: "Done"; readonly id: number }
  | { readonly _tag: "Failed"; readonly id: number; readonly message: string }
  | { readonly _tag: "Cancelled"; readonly id: number }
  /** A remark for the user that belongs to no node: a trace line, a warning. */
  | { readonly _tag: "Message"; readonly level: "info" | "warning" | "trace" | "debug"; readonly text: string }

/** Where events go. The default drops them. */
export const EventSink = Context.Reference<(event: Event) => void>("yix/wire/EventSink", { defaultValue: () => () => {} })
