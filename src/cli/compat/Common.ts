/**
 * What all of Nix's programs have in common: flags, the store that they work on, how they say what is wrong.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { nixVersion } from "../../eval/NixVersion.ts"
import type { RealiseOptions } from "../../realise/Realiser.ts"
import { LogFormat, Offline, Quiet, StoreDirectory, Verbose } from "../CommonFlags.ts"
import { printTextLine } from "../Output.ts"
import { defaultRealiseInput, realiseOptionsOf } from "../RealiseFlags.ts"
import { tell } from "../StandardStreams.ts"
import { StoreInMemory } from "../World.ts"
import { BadUsage, type CommandLine, type FlagTable, helpLines, parseWords } from "./Flags.ts"
import { settingFlag, Settings } from "./Settings.ts"

/** Something that Nix's program can do and yix cannot, or that makes no sense here. */
export class NotThere extends Schema.TaggedError<NotThere>()("NotThere", { what: Schema.String, instead: Schema.optional(Schema.String) }) {
  override get message(): string {
    return `${this.what} is not there in yix${this.instead === undefined ? "" : `: ${this.instead}`}`
  }
}

/** Something went wrong that Nix's programs tell in the same words. */
export class CompatError extends Schema.TaggedError<CompatError>()("CompatError", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

export const commonTable = {
  help: ["--help", "", "Show this"],
  version: ["--version", "", "Show the version of Nix that this behaves as"],
  verbose: ["--verbose -v", "", "Say more; may be repeated"],
  quiet: ["--quiet", "", "Say less"],
  debug: ["--debug", "", "Say much more"],
  option: ["--option", "NAME VALUE", "Set one of Nix's settings; each is a flag, too: --NAME VALUE, or --NAME and --no-NAME"],
  logFormat: ["--log-format", "FORMAT", "raw, bar, bar-with-logs, multiline or multiline-with-logs"],
  noOutput: ["--no-build-output -Q", "", "Changes nothing: logs are shown where a build fails, and by yix log"],
  printLogs: ["--print-build-logs -L", "", "Show what builders write"],
  maxJobs: ["-j", "N", "As --max-jobs"],
  keepGoing: ["-k", "", "As --keep-going"],
  keepFailed: ["-K", "", "As --keep-failed"],
  refresh: ["--refresh", "", "Changes nothing: what can change is asked for in each run"],
  offline: ["--offline", "", "Do not use the network"]
} as const satisfies FlagTable

export type CommonKey = keyof typeof commonTable

/** Parses the words of a program with its own flags and the common ones. `untilWord` as in `parseWords`. */
export const parseProgram = <K extends string>(program: string, table: FlagTable<K>, words: ReadonlyArray<string>, untilWord = false) =>
  Effect.suspend(() => {
    try {
      const all = { ...commonTable, ...table } as unknown as FlagTable<K | CommonKey>
      return Effect.succeed(parseWords(all, words, { program, setting: settingFlag, untilWord }))
    } catch (error) {
      return error instanceof BadUsage ? Effect.fail(error) : Effect.die(error)
    }
  })

/** Answers `--version` and `--help`; true where one of them was asked for. */
export const answered = Effect.fnUntraced(function* (program: string, about: string, line: CommandLine<CommonKey>, table: FlagTable) {
  if (line.has("version")) {
    yield* printTextLine(`${program} (Nix) ${nixVersion}`)
    return true
  }
  if (!line.has("help")) return false
  yield* printTextLine([`yix compat ${program} ${about}`, "", ...helpLines({ ...table, ...commonTable })].join("\n"))
  return true
})

/** All settings of a command line. Tells those that are not followed. */
export const settingsIn = (line: CommandLine<CommonKey>): Settings => {
  const settings = new Settings(process.env["NIX_CONFIG"] ?? "", [
    ...line.settings,
    ...line.all("option").map(([name, value]) => [name, value] as [string, string]),
    ...(line.has("maxJobs") ? [["max-jobs", line.last("maxJobs")!] as const] : []),
    ...(line.has("keepGoing") ? [["keep-going", "true"] as const] : []),
    ...(line.has("keepFailed") ? [["keep-failed", "true"] as const] : [])
  ])
  if (!line.has("quiet")) for (const warning of settings.warnings) tell(`warning: ${warning}`)
  return settings
}

/** Where a store is: in memory and empty, in a directory, or the user's own. */
export type StorePlace =
  | { readonly _tag: "Memory" }
  | { readonly _tag: "Directory"; readonly directory: string }
  | { readonly _tag: "Own" }
  /** A binary cache. */
  | { readonly _tag: "Cache"; readonly url: string }

/** What a store of Nix stands for here: `dummy://`, `local?root=DIR` and directories, `auto`, `daemon` and `local`, caches. `undefined` for others. */
export const storePlace = (url: string): StorePlace | undefined => {
  const [base, query = ""] = url.split("?", 2) as [string, string?]
  const root = new URLSearchParams(query).get("root")
  if (base === "dummy://" || base === "dummy") return { _tag: "Memory" }
  if (/^(?:https?|file):\/\//.test(base)) return { _tag: "Cache", url }
  if (["", "auto", "daemon", "local", "local://"].includes(base)) {
    return root === null ? { _tag: "Own" } : { _tag: "Directory", directory: path.resolve(root, "nix/var/yix") }
  }
  const directory = base.startsWith("local://") ? base.slice("local://".length) : base
  return /^\.{0,2}\//.test(directory) ? { _tag: "Directory", directory: path.resolve(directory, "nix/var/yix") } : undefined
}

/** The store that a command line, or else `NIX_REMOTE`, names. */
export const placeOf = (settings: Settings) => {
  const url = settings.text("store") ?? process.env["NIX_REMOTE"] ?? ""
  const place = storePlace(url)
  return place === undefined
    ? Effect.fail(new NotThere({ what: `the store '${url}'`, instead: "name dummy://, local?root=DIR, a directory, or auto" }))
    : Effect.succeed(place)
}

const logFormats = { raw: "plain", bar: "auto", "bar-with-logs": "auto", multiline: "auto", "multiline-with-logs": "auto" } as const

/** Runs `use` as the common flags say: on which store, and how talkative. */
export const withCommon = Effect.fnUntraced(function* <A, E, R>(
  line: CommandLine<CommonKey>,
  settings: Settings,
  use: Effect.Effect<A, E, R>,
  /** `use` knows what to do with a cache. */
  ofCaches = false
) {
  const place = yield* placeOf(settings)
  if (place._tag === "Cache" && !ofCaches) {
    return yield* new NotThere({
      what: `working on the cache '${place.url}' as a store`,
      instead: "'nix path-info' can, 'nix copy' moves paths"
    })
  }
  let run: Effect.Effect<A, E, R> = use
  if (place._tag === "Memory") run = Effect.provideService(run, StoreInMemory, true)
  if (place._tag === "Directory" && Option.isNone(yield* StoreDirectory)) {
    run = Effect.provideService(run, StoreDirectory, Option.some(place.directory)) as typeof run
  }
  const format = line.last("logFormat")
  if (format !== undefined) {
    if (!Object.hasOwn(logFormats, format)) {
      return yield* new NotThere({ what: `--log-format ${format}`, instead: "'yix --log-format json compat …' prints events of its own" })
    }
    run = Effect.provideService(run, LogFormat, logFormats[format as keyof typeof logFormats]) as typeof run
  }
  const more = line.count("verbose") + (line.has("debug") ? 3 : 0) + (line.has("printLogs") ? 1 : 0)
  if (more > 0) {
    const before = yield* Verbose
    run = Effect.provideService(run, Verbose, [...before, ...Array.from({ length: more }, () => true)]) as typeof run
  }
  if (line.has("quiet")) run = Effect.provideService(run, Quiet, true) as typeof run
  if (line.has("offline")) run = Effect.provideService(run, Offline, true) as typeof run
  return yield* run
})

const number = Effect.fnUntraced(function* (settings: Settings, name: string) {
  const text = settings.text(name)
  if (text === undefined) return undefined
  return /^\d+$/.test(text) ? Number(text) : yield* new CompatError({ detail: `setting '${name}' has invalid value '${text}'` })
})

/** How things are to be realised. `max-jobs = auto` and `0` are what yix does by itself; building here cannot be switched off. */
export const realiseOptionsIn = Effect.fnUntraced(function* (settings: Settings, check: boolean) {
  const own = defaultRealiseInput()
  const jobs = settings.text("max-jobs") === "auto" ? undefined : yield* number(settings, "max-jobs")
  if (jobs === 0) return yield* new NotThere({ what: "max-jobs = 0 (building elsewhere only)", instead: "compose a builder in yix.toml" })
  return (yield* realiseOptionsOf(
    {
      keepGoing: settings.bool("keep-going", own.keepGoing),
      maxJobs: jobs ?? own.maxJobs,
      timeout: (yield* number(settings, "timeout")) ?? own.timeout,
      maxSilent: (yield* number(settings, "max-silent-time")) ?? own.maxSilent
    },
    check
  )) satisfies RealiseOptions
})
