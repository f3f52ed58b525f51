/** What readers of archives throw, and what they all ask of a member's path. Pure. */
import type { ByteString } from "../../nix/Bytes.ts"

export const archiveProblems = [
  "not-archive",
  "checksum",
  "number",
  "record",
  "name",
  "type",
  "sparse",
  "truncated",
  /** The archive is well-formed but its members make no tree. */
  "tree"
] as const

export type ArchiveProblem = (typeof archiveProblems)[number]

/** Bytes are no archive, or one that cannot be taken. Callers add which archive it was. */
export class ArchiveFault extends Error {
  readonly problem: ArchiveProblem
  /** The member concerned, where its name was known. */
  readonly member: ByteString | undefined

  constructor(problem: ArchiveProblem, detail: string, member?: ByteString) {
    super(detail)
    this.problem = problem
    this.member = member
  }
}

/**
 * The names on a path, without `.`, empty ones and a leading slash. Throws `ArchiveFault` about `member` for `..` and names that no store can hold.
 */
export const memberNames = (
  path: ByteString,
  nameProblem: (name: ByteString) => string | undefined,
  member: ByteString = path
): ReadonlyArray<ByteString> => {
  const names = path.split("/").filter((name) => name !== "" && name !== ".")
  for (const name of names) {
    if (name === "..") throw new ArchiveFault("name", "its path or target leads out with '..'", member)
    const problem = nameProblem(name)
    if (problem !== undefined) throw new ArchiveFault("name", `it has ${problem}`, member)
  }
  return names
}
