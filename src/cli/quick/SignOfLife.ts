/**
 * What shows that an evaluation goes on whose thread is the only one: it can show something only when the evaluation lets it. On a terminal that is the line that the tree
 * would show, from a second on; elsewhere the plain lines.
 */
import { treeLines } from "../../telemetry/ProgressTree.ts"
import * as PlainProgress from "../../telemetry/PlainProgress.ts"
import { initial, reduce } from "../../telemetry/ProgressModel.ts"
import type { Event } from "../../wire/Events.ts"
import { harmless, showsUnicode, tell, tellPart, terminalSize } from "../StandardStreams.ts"

/** "live": on a terminal that shows what is under way; "lines": now and then a line; "none": nothing. */
export type Signs = "live" | "lines" | "none"

export interface SignOfLife {
  /** To be called now and then. */
  readonly tick: () => void
  /** Prints a line that stays. */
  readonly print: (line: string) => void
  /** Leaves nothing of it on the terminal. */
  readonly end: () => void
}

/** Milliseconds until a terminal shows something, and between two pictures. */
const quick = 1000

const live = (started: Event, color: boolean): SignOfLife => {
  const model = reduce(initial(Date.now()), started, Date.now())
  let drawAt = Date.now() + quick
  let rows = 0
  // Not hidden, and below the picture, where a shell goes on when the program is interrupted.
  const wipe = (): string => (rows === 0 ? "" : `\x1b[${rows}A\r\x1b[J`)
  return {
    tick: () => {
      if (Date.now() < drawAt) return
      drawAt = Date.now() + quick
      const lines = treeLines(model, { ...terminalSize(), color, unicode: showsUnicode() }, Date.now())
      tellPart(`${wipe()}${lines.map((line) => `${line}\n`).join("")}`)
      rows = lines.length
    },
    print: (line) => {
      tellPart(`${wipe()}${line}\n`)
      rows = 0
    },
    end: () => {
      if (rows > 0) tellPart(wipe())
      rows = 0
    }
  }
}

const lines = (started: Event, color: boolean, verbosity: number): SignOfLife => {
  const safely = (text: string): string => harmless(text, color)
  const display = PlainProgress.make({ verbosity, color, write: tell, harmless: safely }, () => Date.now())
  display.emit(started)
  return {
    tick: display.tick,
    print: (text) => display.emit({ _tag: "Message", level: "trace", text }),
    end: () => {}
  }
}

/** `name`: what the evaluation is called. */
export const signOfLife = (name: string, signs: Signs, color: boolean): SignOfLife => {
  const started: Event = { _tag: "Started", id: 1, kind: "evaluate", name, path: undefined }
  return signs === "live" ? live(started, color) : lines(started, color, signs === "lines" ? 1 : 0)
}
