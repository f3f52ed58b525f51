/**
 * `yix eval-jobs`: evaluates all derivations in a set by several processes and prints a line of JSON for each as soon as it is there.
 */
import * as os from "node:os"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { parseAttributePath } from "../../eval/Roots.ts"
import { fromUnicode, toUnicode } from "../../nix/Bytes.ts"
import type { StorePath } from "../../nix/StorePath.ts"
import { attributeName, type AttributePath, type AttributeRequest, type AttributeSettings } from "../../realise/jobs/AttributeJob.ts"
import { type AttributeResult, evaluateAttributes } from "../../realise/jobs/AttributeJobs.ts"
import type { OpenWorld } from "../../realise/Questions.ts"
import { Realiser } from "../../realise/Realiser.ts"
import { withinRun } from "../../realise/Sharing.ts"
import { EventSink } from "../../wire/Events.ts"
import { substituterFlags, substitutersOf, withSubstituters, withTrust } from "../Caches.ts"
import { LogFormat, Switch } from "../CommonFlags.ts"
import { type PathStates, planOf } from "../compat/Plan.ts"
import { jsonLine } from "../ErrorLines.ts"
import { evaluationFlags, jobOf } from "../EvaluationFlags.ts"
import { here } from "../EvaluationInput.ts"
import { type CacheStatus, derivationLine, errorLine } from "../JobLines.ts"
import { openLines } from "../LineOutput.ts"
import { withProgress } from "../Progress.ts"
import { defaultRealiseInput, realiseOptionsOf } from "../RealiseFlags.ts"
import { isTerminal } from "../StandardStreams.ts"
import { UsageError } from "../Usage.ts"
import { type Within, withWorldOnDemand } from "../World.ts"

/** Some attributes could not be evaluated for reasons that are not theirs, or there was nothing to evaluate. Everything about them stands in their lines. */
class JobsFailed extends Schema.TaggedError<JobsFailed>()("JobsFailed", { roots: Schema.Int, fatal: Schema.Int }) {
  override get message(): string {
    const died = this.fatal === 1 ? "the workers of one attribute died" : `the workers of ${this.fatal} attributes died`
    const what = this.roots > 0 ? "what was to be evaluated failed itself" : died
    return `${what}; the lines with "error" say why`
  }
}

const mebibyte = 2 ** 20

/** MiB that workers may take together where the user says nothing: three quarters of what this process may have. */
const machineMemory = (): number => {
  const limit = process.constrainedMemory()
  return ((limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem()) * 0.75) / mebibyte
}

/** Workers where the user says nothing: one a core, as far as each has a GiB. */
const defaultWorkers = (): number => Math.max(1, Math.min(os.availableParallelism(), Math.floor(machineMemory() / 1024)))

/** MiB for each of so many workers where the user says nothing. */
const defaultMemory = (workers: number): number => Math.min(4096, Math.max(256, Math.floor(machineMemory() / workers)))

const code = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("EXPR"),
    Flag.withDescription(description),
    Flag.optional,
    Flag.map((text) => Option.getOrUndefined(Option.map(text, (text) => ({ text: fromUnicode(text), directory: here() }))))
  )

const flags = {
  ...evaluationFlags,
  ...substituterFlags,
  workers: Flag.Int("workers").pipe(
    Flag.withDefault(defaultWorkers()),
    Flag.withDescription("Processes that evaluate at the same time (default: one a core, as far as each has a GiB of memory)")
  ),
  maxMemory: Flag.Int("max-memory-size").pipe(
    Flag.withMetavar("MIB"),
    Flag.optional,
    Flag.withDescription(
      "A worker that has more memory after an attribute is replaced (default: its share of three quarters of the machine's, at most 4096)"
    )
  ),
  select: code("select", "A function that is called with the value; what it gives is what is evaluated"),
  apply: code("apply", `A function that is called with each derivation; what it gives is told as "extraValue"`),
  forceRecurse: Switch("force-recurse").pipe(Flag.withDescription("Go into all sets, not only those with recurseForDerivations = true")),
  meta: Switch("meta").pipe(Flag.withDescription(`Tell "meta"`)),
  inputDrvs: Switch("show-input-drvs").pipe(Flag.withDescription(`Tell the derivations that each needs: "inputDrvs"`)),
  cacheStatus: Switch("check-cache-status").pipe(
    Flag.withDescription(`Tell whether outputs are in the store or in a cache, and what would have to be built: "cacheStatus"`)
  ),
  write: Switch("write").pipe(Flag.withDescription("Write the derivations, and all that they need, to the store")),
  readOnly: Switch("read-only").pipe(
    Flag.withDescription("Copy nothing into the store and build nothing: only what was built before can be imported")
  )
}

const rootOf = (attr: string) =>
  Effect.try({
    try: (): AttributePath => parseAttributePath(fromUnicode(attr)),
    catch: (error) => new UsageError({ detail: error instanceof Error ? error.message : String(error) })
  })

/** The first line of an error, of which the line on standard output has all. */
const shortly = (error: string): string => {
  const message = error.startsWith("{") ? (JSON.parse(error) as { readonly message: string }).message : error
  return [...message.matchAll(/^ *error: (.+)$/gm)].at(-1)?.[1] ?? message.trim().split("\n", 1)[0]!
}

interface JobsInput {
  readonly workers: number
  readonly memory: number
  readonly roots: ReadonlyArray<AttributePath>
  readonly write: boolean
  readonly cacheStatus: boolean
}

const runJobs = Effect.fnUntraced(function* (settings: AttributeSettings, input: JobsInput, world: OpenWorld, within: Within) {
  const emit = yield* EventSink
  const print = yield* openLines
  const states: PathStates = new Map()
  const count = { derivations: 0, failed: 0, roots: 0, fatal: 0 }

  const statusOf = Effect.fnUntraced(function* (drvPath: StorePath) {
    const { built, fetched, unknown } = yield* planOf([{ _tag: "Derivation", drvPath, outputs: undefined }], states)
    return { builds: built, substitutes: fetched, unknown } satisfies CacheStatus
  })

  const failed = Effect.fnUntraced(function* ({ path, isRoot }: AttributeRequest, error: string, fatal: boolean) {
    count.failed++
    if (isRoot) count.roots++
    if (fatal) count.fatal++
    const name = path.length === 0 ? "" : `'${toUnicode(attributeName(path))}': `
    emit({ _tag: "Message", level: "error", text: `error: ${name}${shortly(error)}` })
    yield* print(errorLine(path, settings.errorFormat === "json" ? jsonLine(error, 1) : JSON.stringify(error), fatal))
  })

  const take = Effect.fnUntraced(function* (result: AttributeResult) {
    if (result._tag === "Failed") return yield* failed(result, result.rendered, result.fatal)
    const { path, derivation } = result
    if (input.write) yield* within(Effect.flatMap(Realiser, (realiser) => realiser.writeDerivation(derivation.drvPath)))
    const status = input.cacheStatus ? yield* within(statusOf(derivation.drvPath)) : undefined
    const line = yield* Effect.result(
      Effect.try({
        try: () => derivationLine(path, derivation, status),
        catch: (error) => (error instanceof Error ? error.message : String(error))
      })
    )
    if (line._tag === "Failure") return yield* failed(result, `error: ${line.failure}`, false)
    count.derivations++
    yield* print(line.success)
  })

  yield* evaluateAttributes({ settings, roots: input.roots, workers: input.workers, memory: input.memory * mebibyte, take }, world)
  const failures = count.failed === 0 ? "" : `, ${count.failed} attribute${count.failed === 1 ? "" : "s"} failed`
  emit({
    _tag: "Message",
    level: "info",
    text: `evaluated ${count.derivations} derivation${count.derivations === 1 ? "" : "s"}${failures}`
  })
  if (count.roots + count.fatal > 0) return yield* new JobsFailed(count)
}, Effect.scoped)

export const evalJobsCommand = Command.make(
  "eval-jobs",
  flags,
  Effect.fn("yix eval-jobs")(function* (input) {
    const { workers, write, readOnly, cacheStatus } = input
    const memory = Option.getOrElse(input.maxMemory, () => defaultMemory(workers))
    if (workers < 1) return yield* new UsageError({ detail: "--workers must be at least 1" })
    if (memory < 1) return yield* new UsageError({ detail: "--max-memory-size must be at least 1" })
    if (write && readOnly) return yield* new UsageError({ detail: "--write writes to the store, so it does not go with --read-only" })
    const options = yield* realiseOptionsOf(defaultRealiseInput(), false)
    const { attrPaths: _paths, mode: _mode, evaluationCache: _cache, ...job } = yield* jobOf(input, { kind: "derivations" }, { readOnly })
    const settings: AttributeSettings = {
      ...job,
      // Lines are for programs.
      color: false,
      select: input.select,
      apply: input.apply,
      forceRecurse: input.forceRecurse,
      meta: input.meta,
      inputs: input.inputDrvs,
      texts: write || cacheStatus
    }
    const roots = input.attrs.length === 0 ? [[]] : yield* Effect.forEach(input.attrs, rootOf)
    const run = withWorldOnDemand((world, within) => {
      const jobs = runJobs(settings, { workers, memory, roots, write, cacheStatus }, world, within)
      // What caches give goes into the store, which is otherwise opened only when something needs it.
      return substitutersOf(input).length === 0 ? withTrust(input, jobs) : within(withSubstituters(input, jobs))
    }, options)
    const shown = withProgress(withinRun(run))
    // A tree that is redrawn and lines that come meanwhile do not share a terminal.
    return yield* isTerminal(1) && ["auto", "tree"].includes(yield* LogFormat) ? Effect.provideService(shown, LogFormat, "plain") : shown
  })
).pipe(Command.withDescription("Evaluate the derivations of a set by several processes, and print a line of JSON for each"))
