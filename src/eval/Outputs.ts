/**
 * Strings for outputs of derivations: the path, or where only building tells it (floating content-addressed and impure outputs, and what depends on one) a
 * placeholder, which the builder of whatever uses it finds replaced by the path.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { unknownOutputPlaceholder } from "../nix/StorePath.ts"
import { ContextString } from "./Value.ts"

/** The string for an output, which refers to it; `path` is empty where it is not known. */
export const outputString = (drvPath: StorePath, path: StorePath | "", output: ByteString): ContextString => {
  const context = new Set<string>().add(`!${output}!${drvPath}`)
  return new ContextString(path === "" ? unknownOutputPlaceholder(drvPath, output) : path, context)
}
