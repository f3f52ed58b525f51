/**
 * Differences from the oracles that are meant or are theirs, each with its reason. A difference that none of them explains fails the campaign.
 */
import type { Answer } from "./Answers.ts"
import type { Case } from "./Cases.ts"

export interface Skip {
  readonly reason: string
  readonly explains: (one: Case, ours: Answer, theirs: Answer) => boolean
}

/** Whether both are values that are equal once `change` was made to both. */
const equalAfter =
  (change: (text: string) => string): Skip["explains"] =>
  (_, ours, theirs) =>
    ours.ok && theirs.ok && change(ours.text) === change(theirs.text)

export const skips: ReadonlyArray<Skip> = [
  {
    reason: "the sign of a NaN: JavaScript does not keep it, and Nix shows the processor's own, which differs between x86 and ARM",
    explains: equalAfter((text) => text.replace(/-nan\b/g, "nan"))
  },
  {
    reason:
      "a NUL byte with a backslash before it, which Nix 2.34.8 lets into a string that cannot hold it; without the backslash it refuses it, too",
    explains: (one, ours, theirs) => one.text.includes("\\\0") && !ours.ok && ours.message.includes("null bytes") && theirs.ok
  }
]
