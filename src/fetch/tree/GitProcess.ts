/**
 * Running `git`, which brings protocols, credentials and packs. Each call is one process (and its children) that is over, or killed with all of them, when the effect is.
 *
 * The environment is the user's, without what ties git to a repository that is not the one meant; nothing is asked at the terminal, no hook or file-system monitor of a
 * repository runs, nothing is fetched behind the scenes, and a directory that merely looks like a repository (one that a commit brought along, with a configuration of
 * its own) is none unless it was named.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { shownUrl } from "../../wire/HttpError.ts"

/** git is missing, or says no. */
export class GitFailed extends Schema.TaggedError<GitFailed>()("GitFailed", {
  /** The repository: an address or a path. */
  url: Schema.String,
  /** Such as `fetch`. */
  command: Schema.String,
  /** What git wrote, or what is wrong, in plain words. */
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot take '${shownUrl(this.url)}' with git: ${this.detail}`
  }
}

export interface GitOptions {
  /** Repository for messages. */
  readonly url: string
  /** `--git-dir`. */
  readonly gitDir?: string | undefined
  /** `-C`: a repository is looked for from here. */
  readonly directory?: string | undefined
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** Besides those of every call; `name=value`. */
  readonly settings?: ReadonlyArray<string> | undefined
  readonly input?: Uint8Array | undefined
  /** Hears how many bytes have come, of a command that is called with `--progress`. */
  readonly onReceived?: ((bytes: number) => void) | undefined
}

/** Hears how many bytes git has received for what the fiber fetches. */
export const GitProgress = Context.Reference<(bytes: number) => void>("yix/fetch/tree/GitProgress", { defaultValue: () => () => {} })

const units: Readonly<Record<string, number>> = { bytes: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** The bytes that the last line of progress in git's words tells of, such as `Receiving objects:  45% (45/100), 1.20 MiB | 1.00 MiB/s`. */
export const receivedIn = (words: string): number | undefined => {
  const last = [...words.matchAll(/(?:Receiv|Unpack)ing objects:[^,\r\n]*, ([0-9.]+) (bytes|KiB|MiB|GiB)/g)].at(-1)
  return last === undefined ? undefined : Math.round(Number(last[1]) * units[last[2]!]!)
}

/** Lines of progress, git's own and the server's. */
const isProgress = (said: string): boolean => /^(?:remote: )?(?:[A-Z][a-z]+ [a-z]+: +\d+%?|[A-Z][a-z]+ing objects: \d|Total \d)/.test(said)

/** What ties git to one repository (`git rev-parse --local-env-vars`). */
const local =
  /^GIT_(?:ALTERNATE_OBJECT_DIRECTORIES|CONFIG|CONFIG_PARAMETERS|CONFIG_COUNT|OBJECT_DIRECTORY|DIR|WORK_TREE|IMPLICIT_WORK_TREE|GRAFT_FILE|INDEX_FILE|NO_REPLACE_OBJECTS|REPLACE_REF_BASE|PREFIX|SHALLOW_FILE|COMMON_DIR)$/

const environmentOf = (more: Readonly<Record<string, string>> | undefined): Record<string, string | undefined> => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !local.test(name))),
  LC_ALL: "C",
  GIT_TERMINAL_PROMPT: "0",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_NO_LAZY_FETCH: "1",
  ...more
})

/** No code of the repository is run, and a connection that stands still ends. */
const settings = [
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "safe.bareRepository=explicit",
  "http.lowSpeedLimit=1",
  "http.lowSpeedTime=60",
  "gc.auto=0",
  "advice.detachedHead=false"
]

/** Milliseconds between asking git to end, so that it takes its lock files away, and killing it. */
const patience = 2000

/** Bytes of an answer that is kept in memory: the names of some millions of files. */
const answerLimit = 256 << 20

/** Starts git in a process group of its own. */
export const start = (args: ReadonlyArray<string>, options: GitOptions): ChildProcess =>
  spawn(
    "git",
    [
      ...(options.directory === undefined ? [] : ["-C", options.directory]),
      ...(options.gitDir === undefined ? [] : ["--git-dir", options.gitDir]),
      ...[...settings, ...(options.settings ?? [])].flatMap((setting) => ["-c", setting]),
      ...args
    ],
    { detached: true, stdio: ["pipe", "pipe", "pipe"], env: environmentOf(options.environment) }
  )

const signal = (child: ChildProcess, name: "SIGTERM" | "SIGKILL"): void => {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch {
    // It is over.
  }
}

/** Ends the process and its children; over when they are. */
export const stop = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    const timer = setTimeout(() => signal(child, "SIGKILL"), patience)
    child.once("exit", () => {
      clearTimeout(timer)
      resume(Effect.void)
    })
    signal(child, "SIGTERM")
  })

/** What went wrong, out of what git wrote: its own lines about that, else the last ones. */
const saidIn = (text: string): string => {
  const lines = text
    .split(/[\r\n]/)
    .map((each) => each.trim())
    .filter((each) => each !== "" && !/^(?:warning|hint): /.test(each) && !isProgress(each))
  const telling = lines.filter((each) => /^(?:fatal|error|remote): /.test(each) && !/Could not read from remote repository/.test(each))
  return (telling.length > 0 ? telling : lines).slice(-3).join("; ").replace(/\.$/, "")
}

/** The failure that a spawn error or git's last words amount to. */
export const failure = (args: ReadonlyArray<string>, options: GitOptions, error: NodeJS.ErrnoException | string): GitFailed => {
  const detail =
    typeof error !== "string"
      ? error.code === "ENOENT"
        ? "there is no program 'git' on this machine; install it"
        : error.message
      : saidIn(error) || "it failed without a word"
  return new GitFailed({ url: options.url, command: args[0] ?? "", detail })
}

/** Exit code, standard output and error of one git command. Fails where git cannot be started. */
export const attempt = (
  args: ReadonlyArray<string>,
  options: GitOptions
): Effect.Effect<{ readonly code: number; readonly stdout: Uint8Array; readonly stderr: string }, GitFailed> =>
  Effect.callback((resume) => {
    const child = start(args, options)
    const out: Array<Buffer> = []
    let size = 0
    let err = ""
    child.once("error", (error) => resume(Effect.fail(failure(args, options, error))))
    child.stdin!.on("error", () => {
      // It ended before it had read everything; its exit code says why.
    })
    child.stdout!.on("data", (piece: Buffer) => {
      size += piece.length
      if (size <= answerLimit) return void out.push(piece)
      signal(child, "SIGKILL")
      resume(Effect.fail(failure(args, options, `git ${args[0]} answers with more than ${answerLimit >> 20} MiB`)))
    })
    child.stderr!.setEncoding("latin1").on("data", (text: string) => {
      err = (err + text).slice(-8192)
      const received = options.onReceived === undefined ? undefined : receivedIn(text)
      if (received !== undefined) options.onReceived?.(received)
    })
    child.once("close", (code) => resume(Effect.succeed({ code: code ?? 255, stdout: Buffer.concat(out), stderr: err })))
    child.stdin!.end(options.input)
    return stop(child)
  })

/** Standard output of a git command that has to succeed. */
export const run = (args: ReadonlyArray<string>, options: GitOptions): Effect.Effect<Uint8Array, GitFailed> =>
  Effect.flatMap(attempt(args, options), ({ code, stdout, stderr }) =>
    code === 0 ? Effect.succeed(stdout) : Effect.fail(failure(args, options, stderr))
  )

/** Its standard output as one line of text. */
export const line = (args: ReadonlyArray<string>, options: GitOptions): Effect.Effect<string, GitFailed> =>
  Effect.map(run(args, options), (bytes) => Buffer.from(bytes).toString("latin1").trim())
