/**
 * Events as JSON, one object a line, for programs. Field names are those of `wire/Events.ts`; `event` is the tag in lower case, `time` milliseconds
 * since 1970. Within one `version` events and fields are only ever added: readers pass over those that they do not know.
 *
 *     {"event":"started","version":1,"time":1790000000000,"id":1,"kind":"build","name":"hello","path":"/nix/store/….drv"}
 */
import type { Event } from "../wire/Events.ts"

/** Of the lines' form. */
export const version = 1

/** A sink that writes lines. */
export const make =
  (write: (line: string) => void, now: () => number = Date.now): ((event: Event) => void) =>
  (event) => {
    const { _tag, ...fields } = event
    write(JSON.stringify({ event: _tag.toLowerCase(), version, time: now(), ...fields }))
  }
