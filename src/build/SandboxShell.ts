/**
 * The shell that a builder finds at `/bin/sh`: the configured one, else a static busybox of the host, else the host's own `sh` with the libraries that it names.
 */
import { accessSync, constants, realpathSync, statSync } from "node:fs"
import { delimiter, join } from "node:path"
import { isStatic, runtimeFiles } from "./ElfFile.ts"

/** Files to show inside: path inside (absolute) and file on the host. */
export interface SandboxShell {
  readonly files: ReadonlyArray<{ readonly path: string; readonly file: string }>
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

const onPath = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const directories = ["/bin", "/usr/bin", "/usr/local/bin", ...(process.env["PATH"] ?? "").split(delimiter)].filter((d) =>
    d.startsWith("/")
  )
  return names.flatMap((name) => directories.map((directory) => join(directory, name))).filter(isExecutable)
}

const shellFrom = (program: string): SandboxShell | undefined => {
  const file = realpathSync(program)
  const needed = runtimeFiles(file)
  return needed === undefined ? undefined : { files: [{ path: "/bin/sh", file }, ...needed] }
}

/** Finds the shell. A configured one that cannot be used is an error (the text says why), not a reason to take another. */
export const findShell = (configured: string | undefined): SandboxShell | string => {
  if (configured !== undefined) {
    if (!isExecutable(configured)) return `the configured sandbox shell '${configured}' is not an executable file`
    return (
      shellFrom(configured) ??
      `the configured sandbox shell '${configured}' is no program that this machine can run, or a library of it is missing`
    )
  }
  const busybox = onPath(["busybox", "busybox-static"]).find((path) => isStatic(realpathSync(path)))
  if (busybox !== undefined) return { files: [{ path: "/bin/sh", file: realpathSync(busybox) }] }
  for (const candidate of onPath(["sh", "dash", "bash"])) {
    const shell = shellFrom(candidate)
    if (shell !== undefined) return shell
  }
  return "no shell for the sandbox was found on this machine; install busybox (a static one), or set 'sandbox_shell' to one"
}
