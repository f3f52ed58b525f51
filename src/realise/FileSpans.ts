/** Evaluated files as spans, made after the fact from the times that the evaluator's thread noted. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { toUnicode } from "../nix/Bytes.ts"
import { type FileTime, monotonic } from "./FileTimes.ts"

/** What a file's span ends with where its evaluation failed; the evaluation itself tells why. */
class FileFailed extends Schema.TaggedError<FileFailed>()("FileFailed", {}) {
  override get message(): string {
    return "the evaluation of the file failed"
  }
}

const round = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1000

/** Gives the tracer of `context` a span for each file: below the one that imported it, else below the current span. */
export const spansOf = (context: Context.Context<never>, files: ReadonlyArray<FileTime>): void => {
  const parent = Context.getOption(context, Tracer.ParentSpan)
  if (Option.isNone(parent) || !parent.value.sampled) return
  const tracer = Context.get(context, Tracer.Tracer)
  const now = Context.get(context, Clock.Clock).currentTimeNanosUnsafe()
  const here = monotonic()
  const nanos = (time: number): bigint => now - BigInt(Math.round((here - time) * 1e6))
  const spans = new Map<number, Tracer.Span>()
  // Who imports begins before what it imports.
  for (const file of files.toSorted((a, b) => a.index - b.index)) {
    const span = tracer.span({
      name: "eval.file",
      parent: Option.some(spans.get(file.within) ?? parent.value),
      annotations: Context.empty(),
      links: [],
      startTime: nanos(file.begun),
      kind: "internal",
      root: false,
      sampled: true
    })
    spans.set(file.index, span)
    span.attribute("code.file.path", toUnicode(file.path))
    span.attribute("compiled_ms", round(file.compiled))
    span.attribute("busy_ms", round(file.busy))
    span.attribute("attempts", file.attempts)
  }
  for (const file of files) {
    spans.get(file.index)?.end(nanos(file.ended), file.failed ? Exit.fail(new FileFailed()) : Exit.void)
  }
}
