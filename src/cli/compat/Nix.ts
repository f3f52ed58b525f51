/**
 * `nix`: its commands by their names. Flags may stand before and after them.
 */
import * as Effect from "effect/Effect"
import type { commonFlags } from "../CommonFlags.ts"
import { printTextLine } from "../Output.ts"
import { answered, type CommonKey, NotThere, parseProgram, settingsIn, withCommon } from "./Common.ts"
import { BadUsage, type CommandLine, type FlagTable } from "./Flags.ts"
import { listingTable } from "./Listings.ts"
import type { Settings } from "./Settings.ts"

const program = "nix"

type Run = Effect.Effect<unknown, { readonly message: string }, (typeof commonFlags)[number]["Identifier"]>

interface NixCommand {
  readonly about: string
  /** Flags of its own, and what it does. */
  readonly table: FlagTable
  readonly run: (line: CommandLine, settings: Settings) => Run
  /** Its store may be a cache. */
  readonly ofCaches?: boolean
}

const command = <T extends FlagTable>(
  about: string,
  table: T,
  run: (line: CommandLine<(keyof T & string) | CommonKey>, settings: Settings) => Run,
  ofCaches = false
): NixCommand => ({ about, table, run: run as NixCommand["run"], ofCaches })

const evaluating = <A>(use: (module: typeof import("./NixEvaluating.ts")) => A) => import("./NixEvaluating.ts").then(use)
const storing = <A>(use: (module: typeof import("./NixStoring.ts")) => A) => import("./NixStoring.ts").then(use)

type Line = CommandLine<CommonKey>

const converting = (to: "base16" | "nix32" | "base64" | "sri") => () =>
  storing((m) => command("HASH…", m.hashFormatTable, (line) => m.nixHashConvert(line, to)))

const commands: Readonly<Record<string, () => Promise<NixCommand>>> = {
  eval: () => evaluating((m) => command("[INSTALLABLE]", m.evalTable, m.nixEval)),
  build: () => evaluating((m) => command("[INSTALLABLE]…", m.buildTable, m.nixBuildCommand)),
  repl: () => evaluating((m) => command("[FILE]…", m.replTable, m.nixRepl)),
  "derivation show": () => evaluating((m) => command("[INSTALLABLE]…", m.showTable, m.nixDerivationShow)),
  "path-info": () => storing((m) => command("[INSTALLABLE]…", m.pathInfoTable, m.nixPathInfo, true)),
  copy: () => storing((m) => command("[INSTALLABLE]…", m.copyTable, m.nixCopy)),
  log: () => storing((m) => command("INSTALLABLE…", m.storedTable, m.nixLog)),
  "hash file": () => storing((m) => command("FILE…", m.hashFormatTable, (line) => m.nixHashPaths(line, true))),
  "hash path": () => storing((m) => command("PATH…", m.hashFormatTable, (line) => m.nixHashPaths(line, false))),
  "hash convert": () => storing((m) => command("HASH…", m.hashFormatTable, (line) => m.nixHashConvert(line))),
  "hash to-base16": converting("base16"),
  "hash to-base32": converting("nix32"),
  "hash to-base64": converting("base64"),
  "hash to-sri": converting("sri"),
  "nar ls": () => storing((m) => command("NAR PATH", listingTable, m.nixNarLs)),
  "nar cat": () => storing((m) => command("NAR PATH", {}, m.nixNarCat)),
  "nar pack": () => storing((m) => command("PATH", {}, m.nixNarPack)),
  "nar dump-path": () => storing((m) => command("PATH", {}, m.nixNarPack)),
  "store add": () => storing((m) => command("PATH", m.storeAddTable, (line) => m.nixStoreAdd(line, false))),
  "store add-path": () => storing((m) => command("PATH", m.storeAddTable, (line) => m.nixStoreAdd(line, false))),
  "store add-file": () => storing((m) => command("PATH", m.storeAddTable, (line) => m.nixStoreAdd(line, true))),
  "store cat": () => storing((m) => command("PATH…", {}, m.nixStoreCat)),
  "store ls": () => storing((m) => command("PATH", listingTable, m.nixStoreLs)),
  "store dump-path": () => storing((m) => command("PATH", {}, m.nixStoreDump)),
  "store path-from-hash-part": () => storing((m) => command("PART", {}, m.nixStoreFromPart)),
  "store verify": () => storing((m) => command("[PATH]…", m.verifyTable, m.nixStoreVerify)),
  "store optimise": async () => command("", {}, () => Effect.void)
}

/** Commands that Nix has besides, with what yix has in their place. */
const absent: Readonly<Record<string, string | undefined>> = {
  "store gc": "yix collects no garbage yet",
  "store delete": "yix collects no garbage yet",
  "store sign": "use 'yix store sign'",
  "store info": undefined,
  "store ping": undefined,
  "store prefetch-file": undefined,
  "store copy-log": undefined,
  "store copy-sigs": undefined,
  "store diff-closures": undefined,
  "store make-content-addressed": undefined,
  "store repair": "what 'yix store verify' finds damaged can be built or fetched again",
  "store roots-daemon": undefined,
  "derivation add": undefined,
  run: "use 'yix run'",
  shell: "'yix run' runs one program of a package",
  develop: undefined,
  "print-dev-env": undefined,
  flake: "builtins.getFlake reads flakes and their lock files",
  profile: undefined,
  env: undefined,
  search: undefined,
  "why-depends": "'nix-store --query --tree' shows what refers to what",
  daemon: undefined,
  registry: undefined,
  bundle: undefined,
  edit: "':e' of 'nix repl' opens what an expression was written in",
  key: "use 'yix store generate-key'",
  config: "use 'yix config show'",
  fmt: undefined,
  formatter: undefined,
  help: undefined,
  nario: undefined,
  ps: undefined,
  realisation: undefined,
  "upgrade-nix": undefined,
  "show-config": "use 'yix config show'"
}

/** Names that have commands below them. */
const groups: ReadonlySet<string> = new Set(
  Object.keys({ ...commands, ...absent }).flatMap((name) => (name.includes(" ") ? [name.split(" ")[0]!] : []))
)

const subcommands = (group: string): string =>
  Object.keys(commands)
    .filter((name) => name.startsWith(`${group} `))
    .map((name) => name.slice(group.length + 1))
    .join(", ")

export const nix = Effect.fn("yix compat nix")(function* (words: ReadonlyArray<string>) {
  let line: Line = yield* parseProgram(program, {}, words, true)
  let [name, ...rest] = line.rest
  if (name === undefined) {
    if (yield* answered(program, "COMMAND [FLAG]… [WORD]…", line, {})) {
      if (line.has("help")) yield* printTextLine(`\nCommands: ${Object.keys(commands).join(", ")}`)
      return
    }
    return yield* new BadUsage({ detail: "no subcommand specified", program })
  }
  if (groups.has(name)) {
    const inner: Line = yield* parseProgram(program, {}, rest, true)
    const [sub, ...others] = inner.rest
    if (sub === undefined) {
      return yield* new BadUsage({ detail: `nix ${name} requires a sub-command. Those that yix has: ${subcommands(name)}`, program })
    }
    line = line.with(inner)
    name = `${name} ${sub}`
    rest = others
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load === undefined) {
    if (Object.hasOwn(absent, name)) return yield* new NotThere({ what: `nix ${name}`, instead: absent[name] })
    return yield* new BadUsage({ detail: `'${name}' is not a recognised command`, program })
  }
  const { about, table, run, ofCaches } = yield* Effect.promise(load)
  const whole = line.with(yield* parseProgram(`nix ${name}`, table, rest))
  if (yield* answered(`nix ${name}`, about, whole, table)) return
  const settings = settingsIn(whole)
  return yield* withCommon(whole, settings, run(whole, settings), ofCaches)
})
