/**
 * What evaluation throws.
 *
 * `NixError` is an error of the program, data for a renderer: a kind, a message, a place and a trace of what was going on. `Suspend` is no
 * error: it says that something far is not there yet (see `Suspension.ts`). Neither extends Error: capturing a JavaScript stack costs more
 * than the evaluation between two of them.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Position } from "./Positions.ts"

export type NixErrorKind =
  | "throw"
  | "assert"
  | "abort"
  | "type"
  | "missing-attribute"
  | "missing-argument"
  | "undefined-variable"
  | "infinite-recursion"
  | "stack-overflow"
  | "parse"
  | "io"
  | "restricted"
  | "eval"

export interface TraceFrame {
  readonly text: ByteString
  readonly position: Position
  /** Shown however short the trace is cut: somebody wrote it for the reader. */
  readonly always?: boolean
}

/** Frames kept: more than calls can nest by default, since the outermost, which come last, are the user's own. */
const traceLimit = 200_000

export class NixError {
  readonly kind: NixErrorKind
  readonly message: ByteString
  position: Position
  /** Innermost first. */
  readonly trace: Array<TraceFrame> = []
  /** Did you mean …? */
  suggestions: ReadonlyArray<ByteString> = []
  /** The exit code that a failed build or fetch asks for. */
  exitCode: number | undefined = undefined
  /** The thunk whose evaluation needed itself. */
  cycle: object | undefined = undefined
  /** How long the trace was when a binding's own frame was added last: whoever forces the binding need not say it again. */
  #named = 0
  /** A diagnostic of the parser, already placed. */
  diagnostic: unknown = undefined

  constructor(kind: NixErrorKind, message: ByteString, position: Position = 0) {
    this.kind = kind
    this.message = message
    this.position = position
  }

  /** Adds a frame on the way out; gives itself back for `throw`. */
  during(text: ByteString, position: Position): this {
    if (this.trace.length < traceLimit) this.trace.push({ text, position })
    return this
  }

  /** A frame that is never cut off. */
  always(text: ByteString, position: Position): this {
    if (this.trace.length < traceLimit) this.trace.push({ text, position, always: true })
    return this
  }

  /** The frame of a binding, added by the binding itself. */
  ofBinding(text: ByteString, position: Position): this {
    this.during(text, position)
    this.#named = this.trace.length
    return this
  }

  /** The same frame, added by what goes through the parts of a value; not twice. */
  ofPart(text: ByteString, position: Position): this {
    return this.#named === this.trace.length && this.trace.at(-1)?.text === text ? this : this.during(text, position)
  }

  /** `builtins.tryEval` catches `throw` and failed assertions, nothing else. */
  get catchable(): boolean {
    return this.kind === "throw" || this.kind === "assert"
  }
}

/** The evaluation was interrupted (Ctrl-C). */
export class Interrupted {
  readonly interrupted = true
}
