/**
 * The directory of the store and of what lies beside it. Nothing is opened or made.
 */
import * as os from "node:os"
import * as path from "node:path"

const userFolder = (): string => {
  const data = process.env["XDG_DATA_HOME"]
  return path.join(data !== undefined && path.isAbsolute(data) ? data : path.join(os.homedir(), ".local", "share"), "yix")
}

/** What `--store` names, else the user's own. Absolute. */
export const stateFolder = (given: string | undefined): string => path.resolve(given ?? userFolder())
