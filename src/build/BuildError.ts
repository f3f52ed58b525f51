/**
 * What can go wrong in a build. Every error says what happened, where, and what to do, and gives the exit code that a command should end with
 * (`exitCode`: 100 build failed, 101 timed out, 1 the build could not be tried).
 */
import * as Schema from "effect/Schema"

const lastLinesText = (lines: ReadonlyArray<string>): string =>
  lines.length === 0 ? "" : `; last ${lines.length} log lines:\n${lines.map((line) => `> ${line}`).join("\n")}`

const causeText = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The builder ran and ended with something other than success. */
export class BuilderFailed extends Schema.TaggedError<BuilderFailed>()("BuilderFailed", {
  /** Undefined where a signal ended it. */
  status: Schema.UndefinedOr(Schema.Finite),
  /** Name of the signal, such as `SIGKILL`. */
  signal: Schema.UndefinedOr(Schema.String),
  /** The end of the log. */
  lastLines: Schema.Array(Schema.String)
}) {
  readonly exitCode = 100
  override get message(): string {
    const how = this.signal === undefined ? `failed with exit code ${this.status}` : `was killed by signal ${this.signal}`
    return `builder ${how}${lastLinesText(this.lastLines)}`
  }
}

/** The program that the derivation names as builder could not be executed in the sandbox. */
export class BuilderNotExecutable extends Schema.TaggedError<BuilderNotExecutable>()("BuilderNotExecutable", {
  /** As seen inside. */
  path: Schema.String,
  /** Such as `ENOENT`. */
  reason: Schema.String
}) {
  readonly exitCode = 100
  override get message(): string {
    return `builder '${this.path}' cannot be executed in the sandbox (${this.reason}): only the derivation's inputs and /bin/sh are there, so is the program, or the interpreter that it names, an input?`
  }
}

/** The builder took too long, or said nothing for too long, and was killed with all of its processes. */
export class BuildTimedOut extends Schema.TaggedError<BuildTimedOut>()("BuildTimedOut", {
  kind: Schema.Literals(["timeout", "silence"]),
  seconds: Schema.Finite,
  lastLines: Schema.Array(Schema.String)
}) {
  readonly exitCode = 101
  override get message(): string {
    const what = this.kind === "timeout" ? `took longer than ${this.seconds} seconds` : `said nothing for ${this.seconds} seconds`
    const option = this.kind === "timeout" ? "--timeout" : "--max-silent-time"
    return `builder ${what} and was stopped; raise ${option} if it needs more${lastLinesText(this.lastLines)}`
  }
}

/** The builder wrote more log than is allowed, and was killed. */
export class LogTooLarge extends Schema.TaggedError<LogTooLarge>()("LogTooLarge", {
  /** Bytes. */
  limit: Schema.Finite,
  lastLines: Schema.Array(Schema.String)
}) {
  readonly exitCode = 100
  override get message(): string {
    return `builder wrote more than ${this.limit} bytes of log and was stopped; raise 'max_log_size' if that is right${lastLinesText(this.lastLines)}`
  }
}

/** The builder succeeded without making an output that it should have. */
export class OutputMissing extends Schema.TaggedError<OutputMissing>()("OutputMissing", {
  path: Schema.String,
  lastLines: Schema.Array(Schema.String)
}) {
  readonly exitCode = 100
  override get message(): string {
    return `builder succeeded but made no output '${this.path}'; it must create every path that the variables of its outputs name${lastLinesText(this.lastLines)}`
  }
}

/** An output holds something that a store cannot hold. */
export class OutputRejected extends Schema.TaggedError<OutputRejected>()("OutputRejected", {
  /** Path of the output. */
  output: Schema.String,
  /** Path of the file, inside of the output or the output itself. */
  path: Schema.String,
  kind: Schema.Literals([
    "socket",
    "fifo",
    "device",
    "unknown-type",
    "setuid",
    "setgid",
    "world-writable",
    "foreign-owner",
    "too-deep",
    "changed"
  ])
}) {
  readonly exitCode = 100
  override get message(): string {
    return `output '${this.output}' is rejected: '${this.path}' ${rejection[this.kind]}`
  }
}

const only = "; a store holds regular files, directories and symbolic links only"
const rejection = {
  socket: `is a socket${only}`,
  fifo: `is a named pipe${only}`,
  device: `is a device${only}`,
  "unknown-type": `is no regular file, directory or symbolic link${only}`,
  setuid: "has the setuid bit set, which no store path may have; let the builder remove it (chmod u-s)",
  setgid: "has the setgid bit set, which no store path may have; let the builder remove it (chmod g-s)",
  "world-writable": "can be written by others, who may have changed it during the build; let the builder remove that (chmod go-w)",
  "foreign-owner": "does not belong to the build user; the builder may not link to files that it does not own",
  "too-deep": "lies in more than 63 directories, the most that a NAR may have",
  changed: "changed while it was read, although every process of the build is dead; is something else writing there?"
}

/** No way to build in isolation works on this machine. */
export class SandboxUnavailable extends Schema.TaggedError<SandboxUnavailable>()("SandboxUnavailable", {
  /** What was tried, and why it does not work. */
  attempts: Schema.Array(Schema.Struct({ driver: Schema.String, reason: Schema.String })),
  /** What could be done, one sentence each. */
  advice: Schema.Array(Schema.String)
}) {
  readonly exitCode = 1
  override get message(): string {
    const tried = this.attempts.map(({ driver, reason }) => `\n  ${driver}: ${reason}`).join("")
    const advice = this.advice.map((sentence) => `\n  - ${sentence}`).join("")
    return `cannot build in a sandbox on this machine:${tried}\nWhat to do:${advice}`
  }
}

/** Setting up the sandbox of one build failed, although the machine can do it in principle. */
export class SandboxFailed extends Schema.TaggedError<SandboxFailed>()("SandboxFailed", {
  driver: Schema.String,
  /** What was being done. */
  step: Schema.String,
  reason: Schema.String
}) {
  readonly exitCode = 1
  override get message(): string {
    return `the sandbox (${this.driver}) could not be set up: ${this.step} failed: ${this.reason}`
  }
}

/** The scratch directory cannot be used. */
export class ScratchUnavailable extends Schema.TaggedError<ScratchUnavailable>()("ScratchUnavailable", {
  path: Schema.String,
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  readonly exitCode = 1
  override get message(): string {
    return `cannot ${this.operation} scratch directory '${this.path}': ${causeText(this.cause)}; set another one by 'scratch' of the builder or free space`
  }
}

/** The derivation is for another kind of machine. */
export class UnsupportedSystem extends Schema.TaggedError<UnsupportedSystem>()("UnsupportedSystem", {
  system: Schema.String,
  supported: Schema.Array(Schema.String)
}) {
  readonly exitCode = 1
  override get message(): string {
    return this.system === "builtin"
      ? "a 'builtin' derivation is not run by a builder; only 'builtin:fetchurl' is known, and the fetchers do that"
      : `a '${this.system}' machine is required to build this, this one builds ${this.supported.map((s) => `'${s}'`).join(", ")}; configure a remote builder for '${this.system}'`
  }
}

/** The derivation requires features that this builder does not have. */
export class UnsupportedFeatures extends Schema.TaggedError<UnsupportedFeatures>()("UnsupportedFeatures", {
  features: Schema.Array(Schema.String),
  supported: Schema.Array(Schema.String)
}) {
  readonly exitCode = 1
  override get message(): string {
    return `requiredSystemFeatures asks for ${this.features.map((f) => `'${f}'`).join(", ")}, which this builder does not have (it has ${this.supported.join(", ") || "none"}); add it to 'system_features' of the builder if the machine has it`
  }
}

/** A request that breaks the rules of build requests. */
export class InvalidBuildRequest extends Schema.TaggedError<InvalidBuildRequest>()("InvalidBuildRequest", {
  problem: Schema.String
}) {
  readonly exitCode = 1
  override get message(): string {
    return `invalid build request: ${this.problem}`
  }
}

/** A derivation that cannot be turned into a build request. */
export class InvalidDerivation extends Schema.TaggedError<InvalidDerivation>()("InvalidDerivation", {
  name: Schema.String,
  /** Attribute of the derivation that is wrong. */
  attribute: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = 1
  override get message(): string {
    return `derivation '${this.name}': attribute '${this.attribute}' ${this.problem}`
  }
}

/** An input could not be brought onto this machine's disk. */
export class InputUnavailable extends Schema.TaggedError<InputUnavailable>()("InputUnavailable", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  readonly exitCode = 1
  override get message(): string {
    return `input '${this.path}' cannot be made available to the builder: ${causeText(this.cause)}`
  }
}

/** An output was made but could not be put into the castore. */
export class OutputNotStored extends Schema.TaggedError<OutputNotStored>()("OutputNotStored", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  readonly exitCode = 1
  override get message(): string {
    return `output '${this.path}' was built but cannot be stored: ${causeText(this.cause)}`
  }
}

/** A builder elsewhere cannot be used: it was not reached, went away, refused, or answered what makes no sense. */
export class BuilderUnavailable extends Schema.TaggedError<BuilderUnavailable>()("BuilderUnavailable", {
  /** Its address. */
  builder: Schema.String,
  detail: Schema.String
}) {
  readonly exitCode = 1
  override get message(): string {
    return `the builder at '${this.builder}' cannot be used: ${this.detail}`
  }
}

/** A builder elsewhere says that the build failed, and not in terms that are known here. */
export class FailedElsewhere extends Schema.TaggedError<FailedElsewhere>()("FailedElsewhere", {
  /** Its address. */
  builder: Schema.String,
  detail: Schema.String,
  lastLines: Schema.Array(Schema.String)
}) {
  readonly exitCode = 100
  override get message(): string {
    return `the builder at '${this.builder}' failed: ${this.detail}${lastLinesText(this.lastLines)}`
  }
}

export type BuildError =
  | BuilderFailed
  | BuilderNotExecutable
  | BuildTimedOut
  | LogTooLarge
  | OutputMissing
  | OutputRejected
  | SandboxUnavailable
  | SandboxFailed
  | ScratchUnavailable
  | UnsupportedSystem
  | UnsupportedFeatures
  | InvalidBuildRequest
  | InvalidDerivation
  | InputUnavailable
  | OutputNotStored
  | BuilderUnavailable
  | FailedElsewhere
