/**
 * The folder for what can be made again: `$XDG_CACHE_HOME`, or else `~/.cache`. No home is made for it (`/homeless-shelter` must not exist): then nothing is
 * kept. `bin/yix.js` keeps V8's compiled code by the same rule.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

/** Where syntax trees are kept from run to run; `undefined` where there is no place for them. */
export const syntaxCacheFolder = (): string | undefined => {
  const named = process.env["XDG_CACHE_HOME"]
  if (named !== undefined && path.isAbsolute(named)) return path.join(named, "yix", "syntax")
  const home = os.homedir()
  return fs.existsSync(home) ? path.join(home, ".cache", "yix", "syntax") : undefined
}
