/**
 * Finds the configuration: the file that the user names, else `$YIX_CONFIG`, else `yix/yix.toml` in the user's configuration directory
 * (`$XDG_CONFIG_HOME`, or `~/.config`), else `/etc/yix/yix.toml`. This module loads nothing, since most runs have no configuration.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

export interface FoundConfig {
  readonly file: string
  /** What led to it, in words. */
  readonly origin: string
}

/** Absolute path of the configuration, or `undefined` when there is none. A file that was named is found whether it exists or not. */
export const findConfig = (
  given: string | undefined,
  environment: NodeJS.ProcessEnv,
  system: string = "/etc/yix/yix.toml"
): FoundConfig | undefined => {
  if (given !== undefined) return { file: path.resolve(given), origin: "--config" }
  const named = environment["YIX_CONFIG"]
  if (named !== undefined && named !== "") return { file: path.resolve(named), origin: "$YIX_CONFIG" }
  const config = environment["XDG_CONFIG_HOME"]
  const directory = config !== undefined && path.isAbsolute(config) ? config : path.join(environment["HOME"] || os.homedir(), ".config")
  const file = [path.join(directory, "yix", "yix.toml"), system].find((file) => fs.existsSync(file))
  return file === undefined ? undefined : { file, origin: "the configuration directory" }
}

/** Whether the configuration may have tracers. Most have none, and are not read further before a command needs them. */
export const configMayTrace = (found: FoundConfig | undefined): boolean => {
  if (found === undefined) return false
  try {
    return fs.readFileSync(found.file, "utf8").includes("tracers")
  } catch {
    // Whoever needs the file tells what is wrong with it.
    return false
  }
}
