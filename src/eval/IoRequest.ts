/**
 * Everything an evaluation asks of the outside, as plain data, and the interface through which it asks.
 *
 * Near requests (local files, environment) are answered at once. Far ones (builds, fetches, copies into the store) start when asked and
 * may be `pending`; the evaluator then goes on with siblings that are needed anyway and waits when nothing else is left (design.md §2).
 * A host answers equal requests (same `requestKey`) with the same answer for the whole evaluation.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { Attribute } from "../nix/FlakeRef.ts"
import type { NixHash } from "../nix/Hash.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { SyntaxStore } from "./SyntaxStore.ts"

export type FileType = "regular" | "directory" | "symlink" | "unknown"

/** What a string context element asks for: a path as it is, one output of a derivation, or a derivation with all its outputs. */
export type ContextElement =
  | { readonly _tag: "Path"; readonly path: StorePath }
  | { readonly _tag: "Output"; readonly drvPath: StorePath; readonly output: ByteString }
  | { readonly _tag: "AllOutputs"; readonly drvPath: StorePath }

export type NearRequest =
  /** Answer: ByteString. */
  | { readonly _tag: "ReadFile"; readonly path: ByteString }
  /** Answer: array of [name, type], in any order. */
  | { readonly _tag: "ReadDirectory"; readonly path: ByteString }
  /** Answer: FileType, or undefined when nothing is there. Does not follow a last symlink unless `follow`. */
  | { readonly _tag: "PathType"; readonly path: ByteString; readonly follow: boolean }
  /** Answer: ByteString; the target of a symlink. */
  | { readonly _tag: "ReadLink"; readonly path: ByteString }
  /** Answer: array of StorePath: what the store path that `path` is or lies in refers to; empty where no store has it. */
  | { readonly _tag: "References"; readonly path: ByteString }
  /** Answer: ByteString; empty when unset. */
  | { readonly _tag: "Environment"; readonly name: ByteString }
  /** Answer: number, Unix seconds. */
  | { readonly _tag: "CurrentTime" }

export type FarRequest =
  /** Make these present. Answer: null. `derivations` holds the ATerm texts that the host may not have seen yet, inputs before users. */
  | {
      readonly _tag: "Realise"
      readonly elements: ReadonlyArray<ContextElement>
      readonly derivations: ReadonlyArray<readonly [StorePath, ByteString]>
    }
  /**
   * Copy a file or tree into the store. Answer: StorePath. `accepted`: paths relative to `path` that the filter let through, sorted, parents included
   * (undefined: everything). `recursive` false is a flat file hash. `expected`: refuse another hash.
   */
  | {
      readonly _tag: "AddSource"
      readonly name: ByteString
      readonly path: ByteString
      readonly accepted: ReadonlyArray<ByteString> | undefined
      readonly recursive: boolean
      readonly expected: NixHash | undefined
    }
  /** Store a text. Answer: StorePath. */
  | { readonly _tag: "AddText"; readonly name: ByteString; readonly contents: ByteString; readonly references: ReadonlyArray<StorePath> }
  /** Fetch now, because the content or an unknown path is needed. Answer: StorePath. `unpack`: a tarball. */
  | {
      readonly _tag: "Fetch"
      readonly url: ByteString
      readonly name: ByteString
      readonly hash: NixHash | undefined
      readonly unpack: boolean
    }
  /**
   * Fetch an input: its attributes, sorted by name (`nix/FlakeRef.ts`). Answer: `TreeAnswer`. `hash`: the NAR hash that it must have, where one is known.
   */
  | {
      readonly _tag: "FetchTree"
      readonly input: ReadonlyArray<readonly [ByteString, Attribute]>
      readonly name: ByteString
      readonly hash: NixHash | undefined
    }
  /**
   * Take a path with all that it refers to from one binary cache (`http:`, `https:`, `file:`). Answer: StorePath: `path`, which must be content-addressed or must not be, or
   * what it becomes when it is rewritten to be; that must be `rewritten`, where it is said.
   */
  | {
      readonly _tag: "FetchClosure"
      readonly cache: ByteString
      readonly path: StorePath
      readonly wanted: "content-addressed" | "input-addressed" | "rewritten"
      readonly rewritten: StorePath | undefined
    }
  /** Is this store path there, or obtainable? Answer: boolean. */
  | { readonly _tag: "EnsurePath"; readonly path: StorePath }

/** A fetched input: where it stands, the NAR hash as SRI, and what is known of it besides (`lastModified`, `rev`, `revCount`, `dirtyRev`, `dirtyShortRev`). */
export interface TreeAnswer {
  readonly path: StorePath
  readonly narHash: string
  readonly attributes: ReadonlyArray<readonly [ByteString, Attribute]>
}

export type IoRequest = NearRequest | FarRequest

/** An answer that is an error: it becomes a Nix evaluation error at the place that asked. */
export interface IoFailure {
  readonly message: string
  /** Such as "missing", "build", "hash-mismatch", "timeout"; decides exit codes and what `tryEval` may catch (nothing here). */
  readonly kind: string
  /** Exit code that this failure asks for (design.md §7), where it is not 1. */
  readonly exitCode: number | undefined
}

export type IoAnswer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly failure: IoFailure }

/** Hears of the evaluation of files, from reading one to its outermost value. Calls nest: what is entered in between is imported by it, and left first. */
export interface FileWatch {
  /** It begins, or begins again after a suspension. */
  enter(path: ByteString): void
  /** The one that was entered last is read, parsed and checked. */
  compiled(): void
  /** The one that was entered last ends. */
  leave(how: "done" | "failed" | "suspended"): void
}

export interface IoHost {
  /** The answer, or `undefined` while it is pending. Starts the work on the first call. */
  ask(request: IoRequest): IoAnswer | undefined
  /** Nobody needs this pending request any more. */
  release(request: FarRequest): void
  /**
   * Blocks until one of the pending requests is answered (true), or the time is over (false; `undefined`: no limit). Absent where blocking is
   * impossible; the evaluator then unwinds to its root and is run again.
   */
  readonly wait: ((requests: ReadonlyArray<FarRequest>, milliseconds: number | undefined) => boolean) | undefined
  /** Absent: nobody wants to know. */
  readonly files?: FileWatch | undefined
  /** Absent: every source is parsed. */
  readonly syntax?: SyntaxStore | undefined
  /** A line for the user: `trace: …`, `warning: …`. */
  print(line: ByteString): void
  /** Polled now and then: true when the evaluation should end (Ctrl-C). */
  interrupted(): boolean
  /** The stack was full: what fails for that would not on a larger one. Absent: there is none. */
  stackExhausted?(): void
}

const jsonOf = (request: IoRequest): string =>
  JSON.stringify(request, (_, value) => (value instanceof Uint8Array ? [...value] : (value as unknown)))

/** One text for equal requests. */
export const requestKey = (request: IoRequest): string => {
  switch (request._tag) {
    case "Realise":
      return `Realise ${request.elements
        .map((e) => (e._tag === "Path" ? e.path : e._tag === "Output" ? `!${e.output}!${e.drvPath}` : `=${e.drvPath}`))
        .join(" ")}`
    case "AddSource":
      // Most of all: each time that a path stands in a string. No path has a zero byte in it.
      if (request.accepted !== undefined || request.expected !== undefined) return jsonOf(request)
      return `AddSource ${request.recursive ? "recursive" : "flat"} ${request.path}\0${request.name}`
    default:
      return jsonOf(request)
  }
}
