/**
 * Flags that every command takes, before or after its name.
 */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"

/** A switch: absent is false. */
export const Switch = (name: string): Flag.Flag<boolean> => Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withoutNegation)

export const StoreDirectory = GlobalFlag.Setting("store")({
  flag: Flag.String("store").pipe(Flag.optional, Flag.withMetavar("DIR"), Flag.withDescription("Use the store in DIR"))
})

export const ConfigFlag = GlobalFlag.Setting("config")({
  flag: Flag.String("config").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("Compose services as FILE says (default: $YIX_CONFIG, ~/.config/yix/yix.toml, /etc/yix/yix.toml)")
  )
})

export const LogFormat = GlobalFlag.Setting("log-format")({
  flag: Flag.Literals("log-format", ["auto", "tree", "plain", "json"]).pipe(
    Flag.withDefault("auto"),
    Flag.withDescription("How progress is shown on standard error (auto: a tree on a terminal, else plain lines)")
  )
})

/** Named otherwise than `effect/cli`'s own flag, which means something else by absence. */
export const LogLevelFlag = GlobalFlag.Setting("least-log-level")({
  flag: Flag.ChoiceWithValue("log-level", [
    ["error", "Error"],
    ["warn", "Warn"],
    ["info", "Info"],
    ["debug", "Debug"],
    ["trace", "Trace"]
  ]).pipe(Flag.optional, Flag.withDescription("The least level of the log's lines (default: info; -vv: debug, -vvv: trace, --quiet: warn)"))
})

export const Color = GlobalFlag.Setting("color")({
  flag: Flag.Literals("color", ["auto", "always", "never"]).pipe(Flag.withDefault("auto"), Flag.withDescription("Use colours"))
})

export const Verbose = GlobalFlag.Setting("verbose")({
  flag: Flag.Boolean("verbose").pipe(
    Flag.withAlias("v"),
    Flag.withoutNegation,
    Flag.atLeast(0),
    Flag.withDescription("Say more; may be repeated")
  )
})

export const Quiet = GlobalFlag.Setting("quiet")({
  flag: Switch("quiet").pipe(Flag.withAlias("q"), Flag.withDescription("Say nothing but errors"))
})

export const Offline = GlobalFlag.Setting("offline")({
  flag: Switch("offline").pipe(Flag.withDescription("Do not use the network"))
})

export const Otlp = GlobalFlag.Setting("otlp")({
  flag: Flag.Boolean("otlp").pipe(
    Flag.optional,
    Flag.withoutNegation,
    Flag.withDescription(
      "Send traces to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, or to this machine's; --otlp=false: send none"
    )
  )
})

export const TraceOut = GlobalFlag.Setting("trace-out")({
  flag: Flag.String("trace-out").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("Write a trace to FILE, as JSON that ui.perfetto.dev opens")
  )
})

export const Debug = GlobalFlag.Setting("debug")({
  flag: Switch("debug").pipe(Flag.withDescription("Show JavaScript stacks of internal errors"))
})

export const commonFlags = [
  StoreDirectory,
  ConfigFlag,
  LogFormat,
  LogLevelFlag,
  Color,
  Verbose,
  Quiet,
  Offline,
  Otlp,
  TraceOut,
  Debug
] as const
