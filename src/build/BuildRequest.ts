/**
 * What a builder is asked to do, complete and as data (snix.build.v1.BuildRequest: shared/reference/anchors.md §3.6).
 * Paths are relative to the sandbox root, without a leading slash, unless said.
 */
import type { DirectoryEntry } from "../castore/Node.ts"
import type { ByteString } from "../nix/Bytes.ts"

export interface BuildRequest {
  /** The closure of inputs, named by store path base name, strictly ascending. */
  readonly inputs: ReadonlyArray<DirectoryEntry>
  readonly commandArgs: ReadonlyArray<ByteString>
  /** Such as `build`. */
  readonly workingDir: ByteString
  /** Writable directories, sorted: `build`, `nix/store`. */
  readonly scratchPaths: ReadonlyArray<ByteString>
  /** Where the inputs appear: `nix/store`. */
  readonly inputsDir: ByteString
  /** Paths that must exist afterwards, sorted: `nix/store/…`. */
  readonly outputs: ReadonlyArray<ByteString>
  /** Sorted by key. */
  readonly environmentVars: ReadonlyArray<{ readonly key: ByteString; readonly value: ByteString }>
  readonly constraints: {
    readonly system: ByteString
    readonly minMemory: number
    /** Absolute host paths to show read-only, sorted. */
    readonly availableReadOnlyPaths: ReadonlyArray<ByteString>
    readonly networkAccess: boolean
    readonly provideBinSh: boolean
  }
  /** Files to put there first, sorted by path: `build/.attr-…`. */
  readonly additionalFiles: ReadonlyArray<{ readonly path: ByteString; readonly contents: Uint8Array }>
  /** Strings to look for in the outputs: hash parts of outputs and inputs. */
  readonly refscanNeedles: ReadonlyArray<ByteString>
}
