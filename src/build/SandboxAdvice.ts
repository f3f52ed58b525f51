/**
 * What a user can do about a machine on which no sandbox works, from what the machine says of itself.
 */
import { readFileSync, realpathSync } from "node:fs"
import { fromUnicode } from "../nix/Bytes.ts"
import { flagsAt, noExec, readMountPoints } from "./MountFlags.ts"

const sysctl = (name: string): string | undefined => {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll(".", "/")}`, "latin1").trim()
  } catch {
    return undefined
  }
}

const isNoExec = (directory: string): boolean => {
  try {
    return (flagsAt(readMountPoints(), fromUnicode(realpathSync(directory))) & noExec) !== 0
  } catch {
    return false
  }
}

/** What to do about what is missing. */
const remedies = {
  bwrap: "install bubblewrap: apt-get install bubblewrap, dnf install bubblewrap, apk add bubblewrap …",
  unshare: "install util-linux, which has the program 'unshare'",
  runc: "install runc (apt-get install runc, dnf install runc, apk add runc …), or say where it is by 'runtime' of the builder",
  cgroups:
    "runc needs cgroups to be mounted, although it makes none: as root, mount -t cgroup2 none /sys/fs/cgroup; or set 'runtime' to crun"
}

/** One sentence for each thing that could be done. */
export const advise = (missing: ReadonlyArray<keyof typeof remedies>, scratchRoot: string): ReadonlyArray<string> => {
  const advice: Array<string> = []
  const isRoot = process.getuid!() === 0
  if (sysctl("kernel.unprivileged_userns_clone") === "0" && !isRoot) {
    advice.push(
      "user namespaces are off for ordinary users: as root, sysctl -w kernel.unprivileged_userns_clone=1 (and write it to /etc/sysctl.d)"
    )
  }
  if (sysctl("user.max_user_namespaces") === "0") {
    advice.push(
      "the number of user namespaces is limited to 0: as root, sysctl -w user.max_user_namespaces=15000 (and write it to /etc/sysctl.d)"
    )
  }
  if (sysctl("kernel.apparmor_restrict_unprivileged_userns") === "1" && !isRoot) {
    advice.push(
      "AppArmor restricts user namespaces: as root, sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give bwrap a profile that allows 'userns'"
    )
  }
  if (isNoExec(scratchRoot)) {
    advice.push(
      `'${scratchRoot}' lies on a file system mounted 'noexec', where nothing can be built: set 'scratch' of the builder to another directory`
    )
  }
  for (const what of missing) advice.push(remedies[what])
  advice.push(
    "in a container, allow user namespaces and mounts (Docker: --security-opt seccomp=unconfined --security-opt systempaths=unconfined)"
  )
  if (!isRoot) advice.push("or build as root, or on a remote builder")
  return advice
}
