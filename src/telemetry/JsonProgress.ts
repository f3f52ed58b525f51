/**
 * Events as JSON, one object a line, for programs. Field names are those of `wire/Events.ts`; `event` is the tag in lower case, `time` milliseconds
 * since 1970.
 *
 *     {"event":"started","time":1790000000000,"id":1,"kind":"build","name":"hello","path":"/nix/store/….drv"}
 */
import type { Event } from "../wire/Events.ts"

/** A sink that writes lines. */
export const make =
  (write: (line: string) => void): ((event: Event) => void) =>
  (event) => {
    const { _tag, ...fields } = event
    write(JSON.stringify({ event: _tag.toLowerCase(), time: Date.now(), ...fields }))
  }
