/**
 * Becoming another program that sees a closure at `/nix/store`, in a mount namespace of its own: for `yix run`.
 *
 * The rest of the file system, the working directory, the environment, the terminal and the process id stay; so does the user. Not a sandbox: the program may do
 * what the user may. By bubblewrap where it works, else by util-linux, as root or with user namespaces.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import { type StorePath, storeDir } from "../nix/StorePath.ts"

/** A member of the closure: a checkout on the host, or a symlink. */
export type Member =
  | { readonly _tag: "Checkout"; readonly path: StorePath; readonly host: string; readonly directory: boolean }
  | { readonly _tag: "Symlink"; readonly path: StorePath; readonly target: ByteString }

/** No namespace can be made on this machine. */
export class NamespaceUnavailable extends Schema.TaggedError<NamespaceUnavailable>()("NamespaceUnavailable", { detail: Schema.String }) {
  override get message(): string {
    return (
      `cannot make a mount namespace to run the program in: ${this.detail}; ` +
      "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces), or run as root"
    )
  }
}

/** What becomes of each entry of the host's root directory. */
type RootEntry =
  | { readonly name: string; readonly kind: "bind"; readonly directory: boolean }
  | { readonly name: string; readonly kind: "link"; readonly target: string }

const rootEntries = (): ReadonlyArray<RootEntry> =>
  fs.readdirSync("/", { withFileTypes: true }).flatMap((entry): ReadonlyArray<RootEntry> => {
    if (entry.name === "nix") return []
    if (entry.isSymbolicLink()) return [{ name: entry.name, kind: "link", target: fs.readlinkSync(`/${entry.name}`) }]
    return [{ name: entry.name, kind: "bind", directory: entry.isDirectory() }]
  })

/** Entries of the host's `/nix` that are not the store. */
const nixEntries = (): ReadonlyArray<string> => {
  try {
    return fs.readdirSync("/nix").filter((name) => name !== "store")
  } catch {
    return []
  }
}

const bubblewrapArguments = (members: ReadonlyArray<Member>): ReadonlyArray<string> => {
  const args = ["--die-with-parent"]
  for (const entry of rootEntries()) {
    if (entry.kind === "link") args.push("--symlink", entry.target, `/${entry.name}`)
    else args.push("--dev-bind", `/${entry.name}`, `/${entry.name}`)
  }
  for (const name of nixEntries()) args.push("--dev-bind", `/nix/${name}`, `/nix/${name}`)
  args.push("--tmpfs", storeDir)
  for (const member of members) {
    if (member._tag === "Symlink") args.push("--symlink", toUnicode(member.target), member.path)
    else args.push("--ro-bind", member.host, member.path)
  }
  args.push("--remount-ro", storeDir, "--chdir", process.cwd())
  return args
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** Programs of util-linux, by absolute paths: they are started after the root directory has changed, and the user's PATH need not have /sbin. */
const tools = ["unshare", "mount", "umount", "pivot_root", "setpriv"] as const
type Tools = { readonly [tool in (typeof tools)[number]]: string }

/**
 * The same with mount(8), as a script: a tmpfs becomes the root directory. Whatever it is mounted over is seen again once it is the root, as in bubblewrap; so
 * what lies there, and the checkouts, which may lie there too, are bound after the change.
 */
const mountScript = (members: ReadonlyArray<Member>, { mount, umount, pivot_root }: Tools): string => {
  const lines = ["set -e"]
  const bind = (from: string, to: string, directory: boolean) => {
    lines.push(directory ? `mkdir -p ${quote(to)}` : `: > ${quote(to)}`, `${mount} --rbind ${quote(from)} ${quote(to)}`)
  }
  const entries = rootEntries()
  const places = entries.flatMap((entry) => (entry.kind === "bind" && entry.directory ? [entry.name] : []))
  const place = ["mnt", "tmp", "media", "srv"].find((name) => places.includes(name)) ?? places[0]!
  lines.push(`${mount} -t tmpfs -o mode=0755 yix-run ${quote(`/${place}`)}`, `cd ${quote(`/${place}`)}`, "mkdir .yix-old")
  for (const entry of entries) {
    if (entry.kind === "link") lines.push(`ln -s ${quote(entry.target)} ${quote(entry.name)}`)
    else if (entry.name !== place) bind(`/${entry.name}`, entry.name, entry.directory)
  }
  lines.push(`${pivot_root} . .yix-old`, "cd /")
  bind(`/.yix-old/${place}`, `/${place}`, true)
  for (const name of nixEntries()) {
    lines.push("mkdir -p /nix")
    bind(`/.yix-old/nix/${name}`, `/nix/${name}`, fs.statSync(`/nix/${name}`).isDirectory())
  }
  lines.push(`mkdir -p ${storeDir}`)
  for (const member of members) {
    if (member._tag === "Symlink") lines.push(`ln -s ${quote(toUnicode(member.target))} ${member.path}`)
    else {
      bind(`/.yix-old${member.host}`, member.path, member.directory)
      // Refused to ordinary users where the file system has other flags; its files are read-only anyway.
      lines.push(`${mount} -o remount,bind,ro ${member.path} 2> /dev/null || :`)
    }
  }
  lines.push(`${umount} -l /.yix-old`, "rmdir /.yix-old", `${mount} -o remount,ro / 2> /dev/null || :`)
  return lines.join("\n")
}

const onPath = (program: string): string | undefined => {
  for (const directory of [...(process.env["PATH"] ?? "").split(":"), "/usr/bin", "/bin", "/usr/sbin", "/sbin"]) {
    if (directory === "") continue
    const candidate = path.join(directory, program)
    try {
      fs.accessSync(candidate, fs.constants.X_OK)
      return candidate
    } catch {
      // Not there.
    }
  }
  return undefined
}

/** Whether a program succeeds; what it says when not. */
const tries = (file: string, args: ReadonlyArray<string>): string | undefined => {
  const { status, stderr, error } = spawnSync(file, args, { stdio: ["ignore", "ignore", "pipe"] })
  return status === 0 ? undefined : (error?.message ?? stderr.toString()).trim()
}

/** How a program is started here: file and arguments up to its own path. Which way: the first of `drivers` that works. */
const launcher = (members: ReadonlyArray<Member>, drivers: ReadonlyArray<"bubblewrap" | "util-linux">) => {
  const reasons: Array<string> = []
  for (const driver of drivers) {
    if (driver === "bubblewrap") {
      const bwrap = onPath("bwrap")
      const reason = bwrap === undefined ? "bwrap is not installed" : tries(bwrap, ["--dev-bind", "/", "/", "true"])
      if (reason === undefined) return { file: bwrap!, args: [...bubblewrapArguments(members), "--"] }
      reasons.push(`bubblewrap: ${reason}`)
    } else {
      const found = Object.fromEntries(tools.map((tool) => [tool, onPath(tool)]))
      const missing = tools.filter((tool) => found[tool] === undefined)
      const root = process.getuid?.() === 0
      const flags = root ? ["-m", "--propagation", "slave"] : ["-U", "-m", "--map-current-user", "--keep-caps", "--propagation", "slave"]
      const reason = missing.length > 0 ? `${missing.join(", ")} of util-linux not installed` : tries(found["unshare"]!, [...flags, "true"])
      if (reason === undefined) {
        const known = found as Tools
        const drop = root ? "" : `${known.setpriv} --ambient-caps -all --inh-caps -all `
        const script = `${mountScript(members, known)}\nexec ${drop}/bin/sh -c 'cd "$0" && exec "$@"' "$@"`
        return { file: known.unshare, args: [...flags, "/bin/sh", "-c", script, "sh", process.cwd()] }
      }
      reasons.push(`unshare: ${reason}`)
    }
  }
  return new NamespaceUnavailable({ detail: reasons.join("; ") })
}

/** Replaces this process by the program. Succeeds never. */
export const become = (
  program: string,
  args: ReadonlyArray<string>,
  members: ReadonlyArray<Member>,
  drivers: ReadonlyArray<"bubblewrap" | "util-linux"> = ["bubblewrap", "util-linux"]
): Effect.Effect<never, NamespaceUnavailable> =>
  Effect.suspend(() => {
    const start = launcher(members, drivers)
    if (start instanceof NamespaceUnavailable) return Effect.fail(start)
    process.execve!(start.file, [start.file, ...start.args, program, ...args], process.env as Record<string, string>)
    return Effect.never
  })
