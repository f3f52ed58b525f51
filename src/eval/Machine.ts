/**
 * The state of one evaluation: its host, its limits, its position table and what suspension needs to know.
 *
 * One evaluation runs at a time in a thread, to its end or to a suspension at its root; so the running machine is a module variable, and
 * `force` needs no argument to find it. `enter` makes a machine the running one.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Lints } from "../lang/Lints.ts"
import { noLints } from "../lang/Lints.ts"
import { withoutColours } from "../lang/Diagnostics.ts"
import type { FarRequest, IoHost } from "./IoRequest.ts"
import { DerivationRegistry } from "./DerivationRegistry.ts"
import { PositionTable } from "./Positions.ts"
import type { SymbolId } from "./Symbols.ts"
import type { Value } from "./Value.ts"

export interface SearchPathEntry {
  /** Empty for an entry without `=`. */
  readonly prefix: ByteString
  /** A path or a URL. */
  readonly path: ByteString
}

export interface Settings {
  /** Calls nested deeper than this end with Nix's stack overflow error. */
  readonly maxCallDepth: number
  readonly currentSystem: ByteString
  readonly searchPath: ReadonlyArray<SearchPathEntry>
  /** No environment, no current system, no unlocked fetches. */
  readonly pure: boolean
  readonly homeDirectory: ByteString
  /** Where relative entries of the search path start. */
  readonly workingDirectory: ByteString
  readonly traceVerbose: boolean
  /** `builtins.warn` ends the evaluation. */
  readonly abortOnWarn: boolean
  /** Traces and warnings keep the colours that programs give them. */
  readonly color: boolean
  /** What is said about literals that parse. */
  readonly lints: Lints
  /** Experiments of Nix that are on (`FeatureNames.ts`). */
  readonly features: ReadonlySet<string>
  readonly allowImportFromDerivation: boolean
  /** Nothing is built or written: store paths are computed only. */
  readonly readOnly: boolean
}

export const defaultSettings: Settings = {
  maxCallDepth: 10_000,
  currentSystem: "x86_64-linux",
  searchPath: [],
  pure: false,
  homeDirectory: "/homeless-shelter",
  workingDirectory: "/",
  traceVerbose: false,
  abortOnWarn: false,
  color: false,
  lints: noLints,
  features: new Set(),
  allowImportFromDerivation: true,
  readOnly: false
}

/** A line that the user has seen. `made`: the attempt that is under way has come past it. */
export interface ShownLine {
  readonly line: ByteString
  made: boolean
}

export class Machine {
  readonly host: IoHost
  readonly settings: Settings
  readonly positions = new PositionTable()
  readonly derivations = new DerivationRegistry()
  /** Values of imported files by resolved path, perhaps still thunks. */
  readonly files = new Map<ByteString, Value>()
  /** The names that every program sees. Filled by `Globals.ts`. */
  globals: ReadonlyMap<SymbolId, Value> = new Map()

  /** Depth of calls in progress. Whoever catches restores it. */
  depth = 0
  readonly maxDepth: number
  /** Calls made, for polling the interrupt flag. */
  calls = 0

  /** Enclosing batch points that still have a sibling which could make progress. While positive, a pending request suspends instead of blocking. */
  openBatches = 0
  /** What the last thrown suspension waits for. */
  blockedOn: ReadonlyArray<FarRequest> = []
  /** Lines shown so far, in the order in which the evaluation made them; a line made again on a second run is here again. */
  readonly shown: Array<ShownLine> = []
  /** Lines that the running frames have shown in an earlier attempt: made again, they are not shown again. */
  repeats: ReadonlyArray<ShownLine> | null = null

  constructor(host: IoHost, settings: Settings) {
    this.host = host
    this.settings = settings
    this.maxDepth = settings.maxCallDepth
  }

  /** Shows a line to the user, once however often the code around it is run. */
  print(coloured: ByteString): void {
    const line = this.settings.color ? coloured : withoutColours(coloured)
    const before = this.repeats?.find((shown) => !shown.made && shown.line === line)
    if (before !== undefined) {
      before.made = true
      this.shown.push(before)
      return
    }
    this.shown.push({ line, made: true })
    this.host.print(line)
  }
}

/** The running machine. */
export let machine: Machine = undefined as unknown as Machine

/** Runs `body` on `next`; the machine that ran before runs again afterwards. */
export const enter = <A>(next: Machine, body: () => A): A => {
  const previous = machine
  machine = next
  try {
    return body()
  } finally {
    machine = previous
  }
}
