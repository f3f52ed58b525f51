/**
 * Experiments of Nix that can be switched on, by the names that Nix gives them.
 */
export const knownFeatures = [
  "pipe-operators",
  "parse-toml-timestamps",
  "ca-derivations",
  "impure-derivations",
  "dynamic-derivations",
  "blake3-hashes"
] as const

export type Feature = (typeof knownFeatures)[number]
