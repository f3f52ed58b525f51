/**
 * The programs that `yix compat` knows; each is loaded when it is asked for.
 */
import type * as Effect from "effect/Effect"
import type { commonFlags } from "../CommonFlags.ts"

/** A program: takes the words after its name. */
export type Program = (
  words: ReadonlyArray<string>
) => Effect.Effect<unknown, { readonly message: string }, (typeof commonFlags)[number]["Identifier"]>

export const programs: Readonly<Record<string, () => Promise<Program>>> = {
  "nix-instantiate": async () => (await import("./NixInstantiate.ts")).nixInstantiate,
  "nix-build": async () => (await import("./NixBuild.ts")).nixBuild,
  "nix-store": async () => (await import("./NixStore.ts")).nixStore,
  "nix-hash": async () => (await import("./NixHash.ts")).nixHash,
  nix: async () => (await import("./Nix.ts")).nix
}
