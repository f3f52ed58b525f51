/**
 * What standard error is and how it may be written to.
 */
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import { Color } from "./CommonFlags.ts"

/** Whether standard error shows colours: as `--color` says, else on a terminal that is not dumb, unless `NO_COLOR` is set. */
export const colorWanted: Effect.Effect<boolean, never, typeof Color.Identifier> = Effect.map(Color, (choice) => {
  if (choice !== "auto") return choice === "always"
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  if ((NO_COLOR ?? "") !== "") return false
  if ((FORCE_COLOR ?? "") !== "" && FORCE_COLOR !== "0") return true
  return isatty(2) && TERM !== "dumb"
})
