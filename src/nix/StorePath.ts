/**
 * Store paths: `/nix/store/<32 nixbase32 characters>-<name>`, always held in that absolute form. (Contract; functions follow in this file.)
 */

export const storeDir = "/nix/store"

/** An absolute store path without anything after its name. */
export type StorePath = string & { readonly StorePath: unique symbol }
