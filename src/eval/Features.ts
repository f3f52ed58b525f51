/**
 * Whether an experiment of Nix is on; all are off unless asked for (`FeatureNames.ts`).
 */
import type { Feature } from "./FeatureNames.ts"
import { machine } from "./Machine.ts"
import { NixError } from "./NixError.ts"

export const isOn = (feature: Feature): boolean => machine.settings.features.has(feature)

/** Refuses what needs a feature that is off, or one that cannot be switched on here. */
export const requireFeature = (feature: Feature | "git-hashing"): void => {
  if (machine.settings.features.has(feature)) return
  throw new NixError(
    "eval",
    `experimental Nix feature '${feature}' is disabled; add '--extra-experimental-features ${feature}' to enable it`
  )
}
