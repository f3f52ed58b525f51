/**
 * Experiments of Nix that can be switched on, by the names that Nix gives them.
 */
export const knownFeatures = [
  "pipe-operators",
  "parse-toml-timestamps",
  "ca-derivations",
  "impure-derivations",
  "dynamic-derivations",
  "fetch-closure",
  "blake3-hashes"
] as const

/** Features that are always on here; naming them changes nothing. */
export const alwaysOn: ReadonlyArray<string> = ["nix-command", "flakes", "fetch-tree"]

export type Feature = (typeof knownFeatures)[number]
