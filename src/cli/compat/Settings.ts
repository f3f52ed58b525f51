/**
 * Nix's settings as its programs take them: by flags (`--max-jobs 4`, `--no-sandbox`), by `--option NAME VALUE`, and by the variable `NIX_CONFIG`. Files (`nix.conf`) are not
 * read: they configure another program.
 *
 * Each setting is used, or it cannot change a result here, or the table says why it is not followed; that is told when somebody sets it. Pure.
 */
import type { SettingFlag } from "./Flags.ts"

/** `used`: followed. `harmless`: cannot change what comes out. Else the reason why it is not followed. */
type Effect = "used" | "harmless" | string

type Kind = "bool" | "text" | "list"

const noHooks = "yix runs no hooks"
const sandboxed = "builds always run in yix's own sandbox"
const later = "yix collects no garbage yet"

const rows: ReadonlyArray<readonly [names: string, kind: Kind, effect: Effect]> = [
  ["abort-on-warn", "bool", "used"],
  ["allow-import-from-derivation", "bool", "used"],
  ["allowed-uris", "list", "used"],
  ["cores build-cores", "text", "harmless"],
  ["eval-cache", "bool", "used"],
  ["eval-system", "text", "used"],
  ["experimental-features", "list", "used"],
  ["fallback build-fallback", "bool", "harmless"],
  ["impure-env", "list", "builders see only what their derivation says"],
  ["keep-failed", "bool", "the directories of failed builds are not kept"],
  ["keep-going", "bool", "used"],
  ["lint-absolute-path-literals", "text", "used"],
  ["lint-short-path-literals", "text", "used"],
  ["lint-url-literals", "text", "used"],
  ["max-call-depth", "text", "used"],
  ["max-jobs build-max-jobs", "text", "used"],
  ["max-silent-time build-max-silent-time", "text", "used"],
  ["nix-path", "list", "used"],
  ["pure-eval", "bool", "used"],
  ["require-sigs", "bool", "used"],
  ["restrict-eval", "bool", "used"],
  ["show-trace", "bool", "used"],
  ["store", "text", "used"],
  ["substitute build-use-substitutes", "bool", "used"],
  ["substituters binary-caches", "list", "used"],
  ["system", "text", "used"],
  ["timeout build-timeout", "text", "used"],
  ["trace-verbose", "bool", "used"],
  ["trusted-public-keys binary-cache-public-keys", "list", "used"],
  ["builders", "text", "builders elsewhere are composed in yix.toml"],
  ["sandbox build-use-chroot build-use-sandbox", "bool", sandboxed],
  ["sandbox-fallback", "bool", sandboxed],
  ["sandbox-paths build-chroot-dirs build-sandbox-paths", "list", sandboxed],
  ["filter-syscalls", "bool", "harmless"],
  ["build-hook", "list", noHooks],
  ["diff-hook", "text", noHooks],
  ["run-diff-hook", "bool", noHooks],
  ["post-build-hook", "text", noHooks],
  ["pre-build-hook", "text", noHooks],
  ["plugin-files", "list", "yix has no plug-ins"],
  ["allow-unsafe-native-code-during-evaluation", "bool", "yix runs no native code during evaluation"],
  ["access-tokens", "list", "fetching with access tokens is not there"],
  ["netrc-file", "text", "fetching with credentials of a netrc file is not there"],
  ["secret-key-files", "list", "paths are signed by 'yix store sign', or as yix.toml says"],
  ["debugger-on-trace", "bool", "there is no debugger"],
  ["debugger-on-warn", "bool", "there is no debugger"],
  ["json-log-path", "text", "use 'yix --log-format json'"],
  ["max-build-log-size build-max-log-size", "text", "logs are not limited"],
  ["hashed-mirrors", "list", "hashed mirrors are not asked"],
  ["min-free", "text", later],
  ["max-free", "text", later],
  ...(
    "accept-flake-config allow-dirty allow-dirty-locks allow-new-privileges allow-symlinked-store always-allow-substitutes auto-allocate-uids auto-optimise-store " +
    "builders-use-substitutes compress-build-log,build-compress-log fsync-metadata fsync-store-paths http2 ignore-try " +
    "impersonate-linux-26,build-impersonate-linux-26 keep-build-log,build-keep-log keep-derivations,gc-keep-derivations keep-env-derivations,env-keep-derivations " +
    "keep-outputs,gc-keep-outputs nix-shell-always-looks-for-shell-nix nix-shell-shebang-arguments-relative-to-script preallocate-contents print-missing " +
    "require-drop-supplementary-groups sync-before-registering trace-function-calls trace-import-from-derivation trust-tarballs-from-git-forges use-case-hack use-cgroups " +
    "use-registries use-sqlite-wal use-xdg-base-directories warn-dirty warn-short-path-literals"
  )
    .split(" ")
    .map((names) => [names.replaceAll(",", " "), "bool", "harmless"] as const),
  ...(
    "allowed-impure-host-deps allowed-users bash-prompt bash-prompt-prefix bash-prompt-suffix build-dir build-poll-interval build-users-group commit-lock-file-summary " +
    "connect-timeout download-attempts download-buffer-size download-speed eval-profile-file eval-profiler eval-profiler-frequency external-builders extra-platforms " +
    "flake-registry gc-reserved-space http-connections,binary-caches-parallel-connections id-count ignored-acls log-lines max-substitution-jobs,substitution-max-jobs " +
    "min-free-check-interval nar-buffer-size narinfo-cache-meta-ttl narinfo-cache-negative-ttl narinfo-cache-positive-ttl sandbox-build-dir sandbox-dev-shm-size ssl-cert-file " +
    "stalled-download-timeout start-id system-features tarball-ttl trusted-substituters,trusted-binary-caches trusted-users upgrade-nix-store-path-url user-agent-suffix " +
    "warn-large-path-threshold"
  )
    .split(" ")
    .map((names) => [names.replaceAll(",", " "), "text", "harmless"] as const)
]

interface Row {
  readonly name: string
  readonly kind: Kind
  readonly effect: Effect
}

const byName = new Map<string, Row>(
  rows.flatMap(([names, kind, effect]) => {
    const [name] = names.split(" ") as [string]
    return names.split(" ").map((any) => [any, { name, kind, effect }] as const)
  })
)

/** The setting that a flag sets. `extra-NAME` adds to a list. */
export const settingFlag = (flag: string): SettingFlag | undefined => {
  const name = flag.slice(2)
  const row = byName.get(name)
  if (row !== undefined) return { name, value: row.kind === "bool" ? "true" : undefined }
  if (name.startsWith("no-") && byName.get(name.slice(3))?.kind === "bool") return { name: name.slice(3), value: "false" }
  return name.startsWith("extra-") && byName.has(name.slice(6)) ? { name, value: undefined } : undefined
}

/** What has been set, and what is to be said about it. */
export class Settings {
  readonly #values = new Map<string, string>()
  readonly warnings: Array<string> = []

  /** `config`: the text of `NIX_CONFIG`; what flags set counts more. */
  constructor(config: string, flags: ReadonlyArray<readonly [name: string, value: string]>) {
    for (const line of config.split("\n")) {
      const match = /^\s*([A-Za-z0-9-]+)\s*=\s*(.*?)\s*(?:#.*)?$/.exec(line)
      if (match !== null) this.#set(match[1] as string, match[2] as string)
    }
    for (const [name, value] of flags) this.#set(name, value)
  }

  #set(name: string, value: string): void {
    const extra = name.startsWith("extra-") && byName.has(name.slice(6))
    const row = byName.get(extra ? name.slice(6) : name)
    if (row === undefined) {
      this.warnings.push(`unknown setting '${name}'`)
      return
    }
    const inert = value === "" || (row.kind === "bool" && value === (row.name === "sandbox" ? "true" : "false"))
    if (row.effect !== "used" && row.effect !== "harmless" && !inert)
      this.warnings.push(`setting '${row.name}' is not followed: ${row.effect}`)
    const before = this.#values.get(row.name)
    this.#values.set(row.name, extra && before !== undefined ? `${before} ${value}` : value)
  }

  text(name: string): string | undefined {
    return this.#values.get(name)
  }

  bool(name: string, otherwise: boolean): boolean {
    const value = this.#values.get(name)
    return value === undefined ? otherwise : ["true", "yes", "1"].includes(value)
  }

  list(name: string): ReadonlyArray<string> {
    return (this.#values.get(name) ?? "").split(/\s+/).filter((word) => word !== "")
  }
}
