/**
 * What can be wrong with a configuration: the file, or what it says. Every problem names file, line, key and what to do.
 */
import * as Schema from "effect/Schema"

/** One thing that is wrong. */
export const ConfigProblem = Schema.Struct({
  /** From 1; 0 when the file as a whole is meant. */
  line: Schema.Finite,
  /** Dotted, as `blobservices.root.path`; empty for the file as a whole. */
  key: Schema.String,
  /** What is wrong. */
  detail: Schema.String,
  /** What to do about it. */
  fix: Schema.String
})
export type ConfigProblem = typeof ConfigProblem.Type

const shown = (file: string, { line, key, detail, fix }: ConfigProblem): string =>
  `${file}${line === 0 ? "" : `:${line}`}: ${key === "" ? "" : `${key}: `}${detail}; ${fix}`

/** The file says something that cannot be done. All problems that were found, in the order of their lines. */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", {
  file: Schema.String,
  problems: Schema.NonEmptyArray(ConfigProblem)
}) {
  override get message(): string {
    const lines = this.problems.map((problem) => shown(this.file, problem))
    return lines.length === 1 ? lines[0]! : `the configuration has ${lines.length} problems\n${lines.map((line) => `  ${line}`).join("\n")}`
  }
}

/** A configuration that was asked for cannot be read. */
export class ConfigUnreadable extends Schema.TaggedError<ConfigUnreadable>()("ConfigUnreadable", {
  file: Schema.String,
  /** How the file came to be looked for, as `--config`. */
  origin: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot read the configuration '${this.file}' (from ${this.origin}): ${this.detail}; name a file that can be read`
  }
}

/** A service of the composition could not be opened. */
export class InstanceNotOpened extends Schema.TaggedError<InstanceNotOpened>()("InstanceNotOpened", {
  /** As `blobservices.root`. */
  instance: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `${this.instance}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}
