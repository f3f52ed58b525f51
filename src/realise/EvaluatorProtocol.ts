/**
 * What main thread and evaluator thread say to each other. Both directions go through one message port; the flags stand in shared memory, so that the
 * evaluator can block on them and notice an interruption without reading messages.
 */
import type { FarRequest, IoAnswer, NearRequest } from "../eval/IoRequest.ts"
import type { Fetch } from "../fetch/Fetch.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import type { StoreStamp } from "./Dependencies.ts"
import type { EvaluationJob, EvaluationResult, EvaluationSource } from "./Evaluation.ts"
import type { FileTime } from "./FileTimes.ts"
import type { AttributeReply, AttributeRequest, AttributeSettings } from "./jobs/AttributeJob.ts"
import type { SessionReply, SessionRequest, SessionSettings, SessionView } from "./Session.ts"

/** The kind of failure that means: no store has the path, but the host's own /nix/store may. */
export const notInStore = "not-in-store"

/** Cells of the shared flags. */
export const Flag = {
  /** Counts answers and interruptions; the evaluator waits for it to change. */
  Signal: 0,
  /** 1: the evaluation should end. */
  Interrupt: 1,
  /** 1: the evaluation has ended, and its thread writes what the next run may use. */
  Saving: 2,
  /** 1: the main thread only waits, and loads nothing. */
  Alone: 3
} as const

/** Store paths, and what the store says of each. */
export type Stamps = ReadonlyArray<readonly [StorePath, StoreStamp]>

/** A question that the main thread answers. */
export type Question =
  | FarRequest
  /** A read of something in a store path. */
  | { readonly _tag: "StoreRead"; readonly path: StorePath; readonly request: Extract<NearRequest, { readonly path: ByteString }> }
  /** The path that a source would have which lies in a store path, in an evaluation that writes nothing. */
  | { readonly _tag: "StoreHash"; readonly path: StorePath; readonly request: Extract<FarRequest, { readonly _tag: "AddSource" }> }

export type ToEvaluator =
  /** `timed`: the times of evaluated files are wanted. */
  | { readonly _tag: "Run"; readonly job: EvaluationJob; readonly timed: boolean }
  /** A thread that was asked this is a session's until its end; the settings of the first request count. */
  | {
      readonly _tag: "Session"
      readonly settings: SessionSettings
      readonly request: SessionRequest
      readonly view: SessionView
      readonly timed: boolean
    }
  /** The same for evaluations attribute by attribute. What was parsed is kept for the next run only when that is said: `Save`. */
  | { readonly _tag: "Attribute"; readonly settings: AttributeSettings; readonly request: AttributeRequest; readonly timed: boolean }
  | { readonly _tag: "Save" }
  /** `stamps`: of the store paths that the answer was found in. */
  | { readonly _tag: "Answer"; readonly id: number; readonly answer: IoAnswer; readonly stamps: Stamps }

export type FromEvaluator =
  /** `file`: the one whose evaluation asks, where that is known. */
  | { readonly _tag: "Ask"; readonly id: number; readonly question: Question; readonly file: ByteString | undefined }
  | { readonly _tag: "Release"; readonly id: number }
  | { readonly _tag: "Print"; readonly line: ByteString }
  | { readonly _tag: "Derivations"; readonly list: ReadonlyArray<readonly [StorePath, ByteString]> }
  | { readonly _tag: "Fetches"; readonly list: ReadonlyArray<readonly [StorePath, Fetch]> }
  | { readonly _tag: "Files"; readonly list: ReadonlyArray<FileTime> }
  | { readonly _tag: "Result"; readonly result: EvaluationResult }
  | { readonly _tag: "Reply"; readonly reply: SessionReply }
  | { readonly _tag: "Attribute"; readonly reply: AttributeReply }
  | { readonly _tag: "Failed"; readonly rendered: ByteString; readonly exitCode: number; readonly unusable: boolean }
  | { readonly _tag: "Interrupted" }

/** What an evaluation is called: its file. */
export const evaluationName = (source: EvaluationSource): string => (source._tag === "File" ? toUnicode(source.path) : "an expression")

/** A rendered error without its leading `error:`, which whoever shows it puts there. */
export const withoutLabel = (rendered: ByteString): string =>
  toUnicode(rendered).replace(/^((?:\x1b\[[0-9;]*m)*)error:((?:\x1b\[[0-9;]*m)*) ?/, "")

/** What is said where the evaluator's thread ends without a word. */
export const endedText = (reason: string): string => `the evaluator's thread ended: ${reason}`
