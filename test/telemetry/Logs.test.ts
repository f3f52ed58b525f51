/**
 * The log: lines as events, at the level that was asked for, in the form that is asked for.
 */
import * as fs from "node:fs"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { eventLogger } from "../../src/telemetry/EventLogger.ts"
import { isShown, messageText } from "../../src/telemetry/Messages.ts"
import { type Event, EventSink } from "../../src/wire/Events.ts"
import { Scratch } from "./collector.ts"

type Message = Extract<Event, { readonly _tag: "Message" }>

describe("a line of the log", () => {
  it.effect("is an event with its level, what goes with it and its span", () =>
    Effect.gen(function* () {
      const events: Array<Event> = []
      const span = yield* Effect.gen(function* () {
        yield* Effect.logWarning("careful")
        yield* Effect.logInfo("served", { bytes: 3 }).pipe(Effect.annotateLogs({ client: "::1" }))
        yield* Effect.logDebug("unseen")
        return yield* Effect.currentSpan
      }).pipe(
        Effect.withSpan("work"),
        Effect.provideService(EventSink, (event) => void events.push(event)),
        Effect.provide(Logger.layer([eventLogger]))
      )
      const { traceId, spanId } = span
      assert.deepStrictEqual(events, [
        { _tag: "Message", level: "warning", text: "careful", log: { annotations: {}, traceId, spanId } },
        { _tag: "Message", level: "info", text: 'served {"bytes":3}', log: { annotations: { client: "::1" }, traceId, spanId } }
      ])
    })
  )

  it("says what it is unless it merely tells, and is shown at any verbosity: it was sorted out before", () => {
    const line = (level: Message["level"], annotations = {}): Message => ({ _tag: "Message", level, text: "text", log: { annotations } })
    assert.deepStrictEqual(
      [line("info", { ms: 3, of: "a", list: [1] }), line("warning"), line("error"), line("debug", { ms: 3 })].map(messageText),
      ["text (ms=3, of=a, list=[1])", "warning: text", "error: text", "debug: text (ms=3)"]
    )
    assert.isTrue(isShown(line("debug"), 1))
    const remark: Message = { _tag: "Message", level: "debug", text: "text" }
    assert.deepStrictEqual(
      [0, 1, 2, 3].map((verbosity) => isShown(remark, verbosity)),
      [false, false, false, true]
    )
  })
})

describe("the log of a command", { timeout: 120_000 }, () => {
  const scratch = new Scratch()
  afterAll(() => scratch.remove())

  it("has what its level lets through, on standard error, as text or as JSON", async () => {
    fs.mkdirSync(scratch.file("empty"))
    scratch.file("empty/nix-cache-info", "StoreDir: /nix/store\n")
    const expression = (name: string) =>
      `derivation { name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }`
    const build = (name: string, ...more: ReadonlyArray<string>) =>
      scratch.yix(["build", "-E", expression(name), "--no-out-link", "--substituter", `file://${scratch.file("empty")}`, ...more])
    const miss = /'\/nix\/store\/[0-9a-z]{32}-(\w+)' is not taken from 'file:.*empty'/
    const [quiet, asText, asJson] = await Promise.all([
      build("plain"),
      build("text", "-vv"),
      build("json", "--log-level", "debug", "--log-format", "json")
    ])
    for (const run of [quiet, asText, asJson]) assert.strictEqual(run.code, 0, run.err)
    assert.notMatch(quiet.err, miss)
    assert.strictEqual(new RegExp(`^debug: ${miss.source}$`, "m").exec(asText.err)?.[1], "text", asText.err)
    const lines = asJson.err
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly event: string; readonly level?: string; readonly text?: string; readonly log?: object })
    const told = lines.find(({ event, level, text }) => event === "message" && level === "debug" && miss.test(text ?? ""))
    assert.hasAllKeys(told?.log, ["annotations", "traceId", "spanId"])
  })
})
