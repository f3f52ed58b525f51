/**
 * Nodes as messages `snix.castore.v1.Entry`, where they are part of larger messages (path infos, build requests).
 */
import { create } from "@bufbuild/protobuf"
import { fromBytes, toBytes } from "../nix/Bytes.ts"
import { type Entry, EntrySchema } from "../wire/gen/snix/castore/v1/castore_pb.ts"
import { InvalidData } from "./CastoreError.ts"
import * as Digest from "./Digest.ts"
import { nameProblem, nodeProblem } from "./Directory.ts"
import type { DirectoryEntry, Node } from "./Node.ts"

/** The message; a root has the name "". */
export const toMessage = ({ name, node }: DirectoryEntry): Entry => {
  const named = toBytes(name)
  switch (node._tag) {
    case "Directory":
      return create(EntrySchema, {
        entry: { case: "directory", value: { name: named, digest: Digest.toBytes(node.digest), size: BigInt(node.size) } }
      })
    case "File":
      return create(EntrySchema, {
        entry: {
          case: "file",
          value: { name: named, digest: Digest.toBytes(node.digest), size: BigInt(node.size), executable: node.executable }
        }
      })
    case "Symlink":
      return create(EntrySchema, { entry: { case: "symlink", value: { name: named, target: toBytes(node.target) } } })
  }
}

const nodeOf = ({ entry }: Entry): Node | undefined => {
  switch (entry.case) {
    case "directory":
      return { _tag: "Directory", digest: Digest.fromBytes(entry.value.digest), size: Number(entry.value.size) }
    case "file":
      return {
        _tag: "File",
        digest: Digest.fromBytes(entry.value.digest),
        size: Number(entry.value.size),
        executable: entry.value.executable
      }
    case "symlink":
      return { _tag: "Symlink", target: fromBytes(entry.value.target) }
    case undefined:
      return undefined
  }
}

/** Reads a message. Throws `InvalidData` when it is no node or its name, unless empty, is none that a directory could hold. */
export const fromMessage = (message: Entry | undefined): DirectoryEntry => {
  const refuse = (detail: string): never => {
    throw new InvalidData({ what: "node", detail })
  }
  const node = message === undefined ? undefined : nodeOf(message)
  if (node === undefined || message?.entry.value === undefined) return refuse("is neither a directory nor a file nor a symlink")
  const name = fromBytes(message.entry.value.name)
  const problem = (name === "" ? undefined : nameProblem(name)) ?? nodeProblem(node)
  return problem === undefined ? { name, node } : refuse(`holds ${problem}`)
}
