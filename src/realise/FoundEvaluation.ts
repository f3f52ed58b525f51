/**
 * The result of a past evaluation, looked for before anything is evaluated, and what has to hold for it to be used (`EvaluationCache.ts` keeps them).
 */
import type { StorePath } from "../nix/StorePath.ts"
import type { Dependencies } from "./Dependencies.ts"
import { hostHolds, storeHolds, type StoreView } from "./DependencyCheck.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import { fileName } from "./EvaluationCache.ts"
import { keyOf } from "./EvaluationKey.ts"
import { type EvaluationRecord, type Knowledge, recordPieces, StoredRecord } from "./EvaluationRecord.ts"
import { quietly, writeWhole } from "./KeptFiles.ts"

/** A kept result, everything of the host that it depends on being the same. The finder closes it. */
export class Found {
  readonly #stored: StoredRecord
  readonly #folder: string
  /** As they are noted anew. */
  readonly #dependencies: Dependencies
  #held: boolean | undefined

  constructor(stored: StoredRecord, folder: string, dependencies: Dependencies) {
    this.#stored = stored
    this.#folder = folder
    this.#dependencies = dependencies
  }

  get record(): EvaluationRecord {
    return this.#stored.record
  }

  /** The paths that a store must be asked for before the result may be used. */
  get asks(): ReadonlyArray<StorePath> {
    return this.#dependencies.stored.map(([path]) => path)
  }

  /** Whether the result may be used with this store. */
  holds(store: StoreView): boolean {
    return (this.#held = storeHolds(this.#dependencies, store))
  }

  /** The same, of the store that was looked at; `undefined` where none was. */
  get held(): boolean | undefined {
    return this.#held
  }

  /** What the realiser has to know of the result; `undefined` where it is damaged. */
  knowledge(): Knowledge | undefined {
    return this.#stored.knowledge()
  }

  /** Notes that the result was used, and how files are now. Never fails. To be called after the result was told. */
  used(): void {
    quietly(() => {
      this.#stored.touch()
      if (this.#dependencies === this.record.dependencies) return
      const rest = this.#stored.rest()
      if (rest === undefined) return
      const pieces = recordPieces({ ...this.record, dependencies: this.#dependencies }, rest)
      writeWhole(this.#folder, fileName(this.record.key), pieces)
    })
  }

  close(): void {
    this.#stored.close()
  }
}

let ahead: Found | undefined

/** `find` for who asks next in this process (`takeFound`), before that has been loaded. */
export const findAhead = async (job: EvaluationJob): Promise<Found | undefined> => (ahead = await find(job))

/** Whether something was found ahead. */
export const isFoundAhead = (): boolean => ahead !== undefined

/** What was found ahead is for nobody else. */
export const leaveFound = (): void => {
  ahead = undefined
}

/** What was found ahead for this job, or what is found now. */
export const takeFound = async (job: EvaluationJob): Promise<Found | undefined> => {
  const found = ahead
  leaveFound()
  if (found !== undefined && found.record.key === keyOf(job)) return found
  found?.close()
  return find(job)
}

/** The kept result of a job, if everything of the host that it depends on is the same; the store's part is for the caller to ask (`asks`, `holds`). Never fails. */
export const find = async (job: EvaluationJob): Promise<Found | undefined> => {
  const folder = job.evaluationCache?.folder
  if (folder === undefined) return undefined
  let stored: StoredRecord | undefined
  try {
    const key = keyOf(job)
    stored = StoredRecord.open(`${folder}/${fileName(key)}`, key)
    const dependencies = stored === undefined ? undefined : await hostHolds(stored.record.dependencies)
    if (dependencies !== undefined) return new Found(stored!, folder, dependencies)
  } catch {
    // What cannot be looked at is not the same.
  }
  stored?.close()
  return undefined
}
