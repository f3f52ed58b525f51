import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { type Display, withDisplay } from "../../src/telemetry/Display.ts"
import * as JsonProgress from "../../src/telemetry/JsonProgress.ts"
import * as LiveProgress from "../../src/telemetry/LiveProgress.ts"
import * as PlainProgress from "../../src/telemetry/PlainProgress.ts"
import { type Event, EventSink } from "../../src/wire/Events.ts"
import { VirtualTerminal } from "./VirtualTerminal.ts"

const started = (id: number, name: string): Event => ({ _tag: "Started", id, kind: "build", name, path: `${name}.drv` })
const line = (id: number, line: string): Event => ({ _tag: "LogLine", id, line })

/** A display under a clock of the test's own. `run` lets a command begin that ends as `end` says. */
const watched = (make: (now: () => number) => Display) =>
  Effect.gen(function* () {
    const ending = yield* Deferred.make<void, Error>()
    let emit: (event: Event) => void = () => {}
    const command = Effect.flatMap(EventSink, (sink) => {
      emit = sink
      return Deferred.await(ending)
    })
    const fiber = yield* Effect.forkChild(withDisplay(make, command), { startImmediately: true })
    return { emit: (event: Event) => emit(event), ending, fiber }
  })

const liveOn = (terminal: VirtualTerminal, verbosity = 1) => {
  const writes: Array<string> = []
  let events: LiveProgress.TerminalEvents | undefined
  const make = (now: () => number) =>
    LiveProgress.make(
      {
        verbosity,
        color: false,
        unicode: true,
        harmless: (text) => text,
        terminal: {
          size: () => ({ width: terminal.width, height: terminal.height }),
          write: (text) => {
            writes.push(text)
            terminal.write(text)
          },
          watch: (given) => {
            events = given
            return () => {
              events = undefined
            }
          }
        }
      },
      now
    )
  return { make, writes, events: () => events }
}

describe("progress on a terminal", () => {
  it.effect("is drawn at most ten times a second and leaves a summary and a cursor", () =>
    Effect.gen(function* () {
      const terminal = new VirtualTerminal(80, 24)
      const live = liveOn(terminal)
      const { emit, ending, fiber } = yield* watched(live.make)
      emit(started(1, "hello"))
      yield* TestClock.adjust(99)
      assert.deepStrictEqual(live.writes, [])
      for (let i = 0; i < 2000; i++) {
        emit(line(1, `line ${i}`))
        yield* TestClock.adjust(1)
      }
      assert.isAtMost(live.writes.length, 20)
      assert.isAtLeast(live.writes.length, 15)
      assert.isFalse(terminal.cursorShown)
      assert.match(terminal.rows[0]!, /^▸ hello {2}[12] s {2}line \d+$/)
      emit({ _tag: "Done", id: 1 })
      yield* Deferred.succeed(ending, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(terminal.rows, ["built 1, 2.1 s"])
      assert.deepStrictEqual(terminal.cursor, [1, 0])
      assert.isTrue(terminal.cursorShown)
      assert.isUndefined(live.events())
    })
  )

  it.effect("puts warnings and the logs of failed builds above the tree", () =>
    Effect.gen(function* () {
      const terminal = new VirtualTerminal(80, 24)
      const { make } = liveOn(terminal)
      const { emit, ending, fiber } = yield* watched(make)
      emit(started(1, "good"))
      emit(started(2, "bad"))
      emit(line(2, "one"))
      emit(line(2, "two"))
      yield* TestClock.adjust(100)
      emit({ _tag: "Message", level: "warning", text: "warning: old\nsecond line" })
      emit({ _tag: "Message", level: "debug", text: "not for everyone" })
      emit({ _tag: "Failed", id: 2, message: "it broke\nand more" })
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(terminal.rows.slice(0, 3), ["warning: old", "second line", "▸ good"])
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(terminal.rows, [
        "warning: old",
        "second line",
        "bad> one",
        "bad> two",
        "bad failed after 0.1 s",
        "▸ good  1 s",
        "✗ bad  it broke",
        "  > one",
        "  > two",
        "failed 1, built 0 of 1, 1 s"
      ])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(terminal.rows.slice(5), ["failed 1, 1.2 s"])
      assert.isTrue(terminal.cursorShown)
      yield* Deferred.succeed(ending, undefined)
    })
  )

  it.effect("leaves the reason of a failure to the command when that ends with it", () =>
    Effect.gen(function* () {
      const terminal = new VirtualTerminal(80, 24)
      const { make } = liveOn(terminal)
      const { emit, ending, fiber } = yield* watched(make)
      emit(started(1, "bad"))
      emit(started(2, "slow to end"))
      emit(line(1, "one"))
      yield* TestClock.adjust(100)
      emit({ _tag: "Message", level: "trace", text: "trace: kept" })
      emit({ _tag: "Failed", id: 1, message: "it broke" })
      yield* TestClock.adjust(400)
      emit({ _tag: "Cancelled", id: 2 })
      yield* Deferred.fail(ending, new Error("it broke"))
      yield* Fiber.await(fiber)
      assert.deepStrictEqual(terminal.rows, ["trace: kept", "failed 1, 0.5 s"])
    })
  )

  it.effect("follows the terminal's size, steps aside while the process is stopped, and tidies up when it ends at once", () =>
    Effect.gen(function* () {
      const terminal = new VirtualTerminal(80, 24)
      const live = liveOn(terminal)
      const { emit, fiber } = yield* watched(live.make)
      emit(started(1, "hello"))
      emit(line(1, "x".repeat(200)))
      yield* TestClock.adjust(100)
      assert.strictEqual(terminal.rows[0], `▸ hello  ${"x".repeat(69)}…`)
      terminal.resize(30, 24)
      live.events()!.resized()
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(terminal.rows, [`▸ hello  ${"x".repeat(19)}…`, "built 0 of 1, 0 s"])
      live.events()!.suspended()
      assert.deepStrictEqual([terminal.rows, terminal.cursorShown], [[], true])
      live.events()!.resumed()
      assert.deepStrictEqual([terminal.rows.length, terminal.cursorShown], [2, false])
      live.events()!.ending()
      assert.deepStrictEqual([terminal.rows, terminal.cursorShown], [[], true])
      const written = live.writes.length
      emit(line(1, "late"))
      yield* TestClock.adjust(1000)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(live.writes.length, written)
    })
  )

  it.effect("leaves the terminal to others while nothing is under way", () =>
    Effect.gen(function* () {
      const terminal = new VirtualTerminal(80, 24)
      const { make, writes } = liveOn(terminal)
      const { emit, fiber } = yield* watched(make)
      emit({ _tag: "Message", level: "trace", text: "trace: at once" })
      assert.deepStrictEqual(terminal.rows, ["trace: at once"])
      emit({ _tag: "Started", id: 1, kind: "evaluate", name: "x.nix", path: undefined })
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(terminal.rows.slice(1), ["▸ evaluating x.nix  1 s", "1 s"])
      emit({ _tag: "Planned", path: "a.drv", name: "a", inputs: [], sources: [] })
      emit({ _tag: "Done", id: 1 })
      assert.isFalse(terminal.cursorShown)
      emit({ _tag: "Dropped", path: "a.drv" })
      assert.deepStrictEqual([terminal.rows, terminal.cursorShown], [["trace: at once"], true])
      assert.deepStrictEqual(terminal.cursor, [1, 0])
      const written = writes.length
      yield* TestClock.adjust(10_000)
      assert.strictEqual(writes.length, written)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("writes nothing for a command that is quick and does nothing", () =>
    Effect.gen(function* () {
      const terminal = new VirtualTerminal(80, 24)
      const live = liveOn(terminal)
      const { emit, ending, fiber } = yield* watched(live.make)
      emit({ _tag: "Started", id: 1, kind: "evaluate", name: "x.nix", path: undefined })
      yield* TestClock.adjust(90)
      emit({ _tag: "Done", id: 1 })
      yield* Deferred.succeed(ending, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(live.writes, [])
    })
  )
})

describe("progress as plain lines", () => {
  const plain = (verbosity: number, lines: Array<string>) => (now: () => number) =>
    PlainProgress.make({ verbosity, color: false, write: (text) => lines.push(text), harmless: (text) => text }, now)

  it.effect("tells every ten silent seconds what goes on", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { emit, ending, fiber } = yield* watched(plain(1, lines))
      emit({ _tag: "Started", id: 1, kind: "evaluate", name: "x.nix", path: undefined })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(lines.splice(0), ["still evaluating x.nix (10 s)"])
      emit(started(2, "hello"))
      emit({ _tag: "Started", id: 3, kind: "fetch", name: "big.tar", path: undefined })
      emit({ _tag: "Progress", id: 3, done: 1024 ** 2, total: 4 * 1024 ** 2 })
      yield* TestClock.adjust("9 seconds")
      emit(line(2, "a line"))
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(lines.splice(0), ["building hello", "fetching big.tar", "hello> a line"])
      yield* TestClock.adjust("21 seconds")
      assert.deepStrictEqual(lines.splice(0), [
        "still building hello (19 s), fetching big.tar (1.0/4.0 MiB, 19 s)",
        "still building hello (29 s), fetching big.tar (1.0/4.0 MiB, 29 s)",
        "still building hello (39 s), fetching big.tar (1.0/4.0 MiB, 39 s)"
      ])
      emit({ _tag: "Done", id: 3 })
      emit({ _tag: "Done", id: 2 })
      yield* Deferred.succeed(ending, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(lines, ["built 1, fetched 1 (1.0 MiB, 26.3 KiB/s), 49 s"])
    })
  )

  it.effect("are warnings and traces only, when they shall be quiet", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const { emit, ending, fiber } = yield* watched(plain(0, lines))
      emit(started(1, "hello"))
      emit(line(1, "a line"))
      emit({ _tag: "Message", level: "info", text: "by the way" })
      emit({ _tag: "Message", level: "trace", text: "trace: x" })
      yield* TestClock.adjust("1 minute")
      emit({ _tag: "Done", id: 1 })
      yield* Deferred.succeed(ending, undefined)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(lines, ["trace: x"])
    })
  )
})

describe("progress as JSON", () => {
  it("is one object a line, with a version", () => {
    const lines: Array<string> = []
    const emit = JsonProgress.make(
      (text) => lines.push(text),
      () => 1_790_000_000_000
    )
    emit(started(1, "hé\nllo"))
    emit({ _tag: "Planned", path: "a.drv", name: "a", inputs: ["b.drv"], sources: [] })
    assert.deepStrictEqual(lines, [
      '{"event":"started","version":1,"time":1790000000000,"id":1,"kind":"build","name":"hé\\nllo","path":"hé\\nllo.drv"}',
      '{"event":"planned","version":1,"time":1790000000000,"path":"a.drv","name":"a","inputs":["b.drv"],"sources":[]}'
    ])
  })
})
