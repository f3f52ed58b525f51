/** An event stream that is kept, for tests to look at. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Event, EventSink } from "./Events.ts"

/** What happened in the program around it. */
export class MemoryEvents extends Context.Service<
  MemoryEvents,
  {
    /** All events so far, in their order. */
    readonly all: Effect.Effect<ReadonlyArray<Event>>
    /** Those of a tag, in their order. */
    tagged<T extends Event["_tag"]>(tag: T): Effect.Effect<ReadonlyArray<Extract<Event, { readonly _tag: T }>>>
  }
>()("yix/wire/MemoryEvents") {}

/** Sets the sink of events and gives `MemoryEvents`, which begins empty with each build of the layer. */
export const layer: Layer.Layer<MemoryEvents> = Layer.effectContext(
  Effect.sync(() => {
    const events: Array<Event> = []
    return Context.make(EventSink, (event: Event) => void events.push(event)).pipe(
      Context.add(
        MemoryEvents,
        MemoryEvents.of({
          all: Effect.sync(() => [...events]),
          tagged: <T extends Event["_tag"]>(tag: T) =>
            Effect.sync(() => events.filter((event): event is Extract<Event, { readonly _tag: T }> => event._tag === tag))
        })
      )
    )
  })
)
