/**
 * The lines of `--log-format json` as schemas, for programs that read them: docs/progress.md says what each means. A type of its own beside `wire/Events.ts`, whose events they are:
 * a field that changes its meaning there needs another `version` here.
 *
 *     const line = Schema.decodeUnknownSync(Schema.fromJsonString(ProgressLine))(text)
 *     if (line.event === "started" && line.kind === "build") …
 */
import * as Schema from "effect/Schema"
import type { Event } from "../wire/Events.ts"
import { version } from "./JsonProgress.ts"

const Paths = Schema.Array(Schema.String)

/** The fields of each event; those that may be undefined are left out then. */
const fields = {
  Started: {
    id: Schema.Int,
    kind: Schema.Literals(["substitute", "fetch", "build", "add-source", "evaluate"]),
    name: Schema.String,
    path: Schema.optionalKey(Schema.String)
  },
  Progress: { id: Schema.Int, done: Schema.Finite, total: Schema.optionalKey(Schema.Finite) },
  LogLine: { id: Schema.Int, line: Schema.String },
  Done: { id: Schema.Int },
  Failed: { id: Schema.Int, message: Schema.String },
  Cancelled: { id: Schema.Int },
  Planned: { path: Schema.String, name: Schema.String, inputs: Paths, sources: Paths },
  Dropped: { path: Schema.String },
  Reused: { path: Schema.String, outputs: Paths },
  Wanted: { path: Schema.String, outputs: Paths },
  Awaits: { id: Schema.Int, paths: Paths },
  Resumed: { id: Schema.Int, paths: Paths },
  Message: {
    level: Schema.Literals(["info", "warning", "trace", "debug", "error"]),
    text: Schema.String,
    log: Schema.optionalKey(
      Schema.Struct({
        annotations: Schema.Record(Schema.String, Schema.Unknown),
        traceId: Schema.optionalKey(Schema.String),
        spanId: Schema.optionalKey(Schema.String)
      })
    )
  }
} as const satisfies { readonly [tag in Event["_tag"]]: Schema.Struct.Fields }

/** What every line has: the event, the version of the lines' form, and milliseconds since 1970. */
const line = <const Name extends string, Fields extends Schema.Struct.Fields>(event: Name, own: Fields) =>
  Schema.Struct({ event: Schema.Literal(event), version: Schema.Literal(version), time: Schema.Finite, ...own })

/** One line. Readers pass over events and fields that they do not know: this schema lets fields be, and refuses unknown events. */
export const ProgressLine = Schema.Union([
  line("started", fields.Started),
  line("progress", fields.Progress),
  line("logline", fields.LogLine),
  line("done", fields.Done),
  line("failed", fields.Failed),
  line("cancelled", fields.Cancelled),
  line("planned", fields.Planned),
  line("dropped", fields.Dropped),
  line("reused", fields.Reused),
  line("wanted", fields.Wanted),
  line("awaits", fields.Awaits),
  line("resumed", fields.Resumed),
  line("message", fields.Message),
  // The last line of a command that failed.
  line("error", { message: Schema.String, exitCode: Schema.Int })
])
export type ProgressLine = typeof ProgressLine.Type
