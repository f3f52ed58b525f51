/**
 * Messages with their places, as JSON for programs: one object on one line, the whole trace, nothing cut. Text in and out is byte strings. Pure.
 *
 *     { "level", "kind", "message", "position", "trace": [ { "message", "position" } ], "suggestions", "exitCode" }
 *
 * `position` is `{ "file", "line", "column" }`, counted from 1, columns in bytes, or null; `file` is a path or a name such as `«string»`. `trace` has the
 * outermost frame first. Members may be added.
 */
import type { ByteString } from "../nix/Bytes.ts"
import { fromUnicode, toUnicode } from "../nix/Bytes.ts"
import type { Diagnostic } from "./Diagnostics.ts"
import { formatOrigin, positionOf } from "./Position.ts"
import type { Span } from "./Syntax.ts"

const place = (span: Span | undefined) => (span === undefined ? null : { file: toUnicode(formatOrigin(span.origin)), ...positionOf(span) })

/** A diagnostic as one line. `kind`: the kind of error, such as `type` or `missing-attribute`; `exitCode`: what the program ends with. */
export const diagnosticJson = (diagnostic: Diagnostic, kind: string, exitCode: number): ByteString =>
  fromUnicode(
    JSON.stringify({
      level: diagnostic.level,
      kind,
      message: toUnicode(diagnostic.message),
      position: place(diagnostic.span),
      trace: (diagnostic.trace ?? []).map(({ message, span }) => ({ message: toUnicode(message), position: place(span) })),
      suggestions: (diagnostic.suggestions ?? []).map(toUnicode),
      exitCode
    })
  )
