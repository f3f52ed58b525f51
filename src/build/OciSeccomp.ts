/**
 * The system calls that a builder in a container is refused, as `linux.seccomp` of the OCI runtime specification: those whose traces a store cannot hold.
 *
 * As in Nix: `chmod` to setuid or setgid fails with EPERM, extended attributes and access control lists cannot be set (ENOTSUP, which `cp -a` and `tar` take calmly). Everything
 * else is allowed: the filter keeps outputs clean, the namespaces keep the host safe. What gets by (a mode given to open(2), say) is refused when outputs are inspected.
 * Names that the runtime's libseccomp does not know are left out by it.
 */

export interface SeccompArgument {
  readonly index: number
  readonly value: number
  readonly valueTwo?: number
  readonly op: "SCMP_CMP_MASKED_EQ"
}

export interface SeccompRule {
  readonly names: ReadonlyArray<string>
  readonly action: "SCMP_ACT_ERRNO"
  readonly errnoRet: number
  readonly args?: ReadonlyArray<SeccompArgument>
}

export interface Seccomp {
  readonly defaultAction: "SCMP_ACT_ALLOW"
  readonly architectures: ReadonlyArray<string>
  readonly syscalls: ReadonlyArray<SeccompRule>
}

const notPermitted = 1
const notSupported = 95
const modesRefused = [0o4000, 0o2000]

/** Calls that change modes, and where they have the mode among their arguments. */
const modeCalls: ReadonlyArray<readonly [names: ReadonlyArray<string>, argument: number]> = [
  [["chmod", "fchmod"], 1],
  [["fchmodat", "fchmodat2"], 2]
]

/** A processor's own calls and those of the programs that it runs besides. */
const architectures: Readonly<Record<string, ReadonlyArray<string>>> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
}

/** The filter for a processor, by Node's name of it. */
export const seccompFor = (architecture: string): Seccomp => ({
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: architectures[architecture] ?? [],
  syscalls: [
    ...modeCalls.flatMap(([names, index]) =>
      modesRefused.map((mode): SeccompRule => ({
        names,
        action: "SCMP_ACT_ERRNO",
        errnoRet: notPermitted,
        args: [{ index, value: mode, valueTwo: mode, op: "SCMP_CMP_MASKED_EQ" }]
      }))
    ),
    { names: ["setxattr", "lsetxattr", "fsetxattr", "setxattrat"], action: "SCMP_ACT_ERRNO", errnoRet: notSupported }
  ]
})
