/**
 * Results of past evaluations, in a folder of the user's: where everything that one depended on is still the same, nothing is evaluated (`FoundEvaluation.ts`).
 *
 * One file for each thing that was asked (`EvaluationRecord.ts`), the last result of it (`KeptFiles.ts`). A folder that cannot be read or written is no cache, and nobody is
 * told.
 */
import type { DependencyRecorder } from "./DependencyRecorder.ts"
import type { EvaluationJob, EvaluationResult } from "./Evaluation.ts"
import { keyOf, nameOf } from "./EvaluationKey.ts"
import { type Knowledge, packKnowledge, recordPieces } from "./EvaluationRecord.ts"
import { type KeptLimits, quietly, tidy, writeWhole } from "./KeptFiles.ts"

/** How many there are is limited, too: looking through the folder takes time for each. */
export interface EvaluationCacheLimits extends KeptLimits {
  /** Bytes of one. */
  readonly record: number
}

const defaultLimits: EvaluationCacheLimits = { total: 256 * 2 ** 20, count: 4096, record: 64 * 2 ** 20 }

/** Bytes above which a record makes the folder be looked through; smaller ones do so now and then. */
const large = 2 ** 20

const suffix = ".result"

/** The name of the file for a key. */
export const fileName = (key: string): string => `${nameOf(key)}${suffix}`

/** What an evaluation gave. */
export interface Outcome {
  readonly result: EvaluationResult
  /** Those that the realiser was told at the end. */
  readonly derivations: Knowledge["derivations"]
}

/** Keeps what an evaluation gave. Never fails; nothing is kept where it cannot be. */
export const keep = (
  job: EvaluationJob,
  { result, derivations }: Outcome,
  recorder: DependencyRecorder,
  limits: EvaluationCacheLimits = defaultLimits
): void => {
  const folder = job.evaluationCache?.folder
  const { dependencies, lines } = recorder
  if (folder === undefined || dependencies === undefined) return
  if (result._tag === "Values" && result.texts.reduce((sum, { length }) => sum + length, 0) > limits.record) return
  quietly(() => {
    const key = keyOf(job)
    // Texts of values are told as they are: only who is given derivations builds them.
    const knowledge =
      result._tag === "Derivations"
        ? { derivations: [...recorder.derivations, ...derivations], fetches: recorder.fetches }
        : { derivations: [], fetches: [] }
    const pieces = recordPieces({ key, result, lines, dependencies }, packKnowledge(knowledge))
    const size = pieces.reduce((sum, { length }) => sum + length, 0)
    if (size > limits.record) return
    writeWhole(folder, fileName(key), pieces)
    if (size > large || Math.random() < 1 / 16) tidy(folder, suffix, limits)
  })
}
