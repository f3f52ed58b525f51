/**
 * Where the lines of `yix repl` come from. At a terminal `node:readline` edits them; else they are read as they are, without prompt.
 */
import * as readline from "node:readline"
import type { Completions } from "./Completion.ts"
import type { History } from "./History.ts"
import { GatedInput } from "./GatedInput.ts"

export type Read =
  /** `more`: further input is there already, as in a text that was pasted. */
  | { readonly _tag: "Line"; readonly text: string; readonly more: boolean }
  /** Ctrl-C: what was typed is gone. */
  | { readonly _tag: "Cleared" }
  | { readonly _tag: "End" }

export interface Reader {
  /** Somebody sits in front of it. */
  readonly interactive: boolean
  readonly next: (prompt: string) => Promise<Read>
  /** Until the returned function is called, Ctrl-C calls `interrupt`, and other keys wait. */
  readonly busy: (interrupt: () => void) => () => void
  /** Leaves the terminal to somebody else until `use` is done. */
  readonly lend: <A>(use: () => Promise<A>) => Promise<A>
  readonly close: () => void
}

export interface ReaderOptions {
  readonly history: History
  readonly complete: (line: string) => Promise<Completions>
}

/** Milliseconds between two pieces of a pasted text, at most. */
const pieces = 40

/** A reader at a terminal: keys from standard input, all else to `output`. */
export const terminalReader = (output: NodeJS.WriteStream, { history, complete }: ReaderOptions): Reader => {
  const input = new GatedInput(process.stdin)
  const editor = readline.createInterface({
    input,
    output,
    terminal: true,
    history: [...history.lines],
    historySize: 2000,
    removeHistoryDuplicates: true,
    completer: (line: string, done: (error: Error | null, result: [Array<string>, string]) => void) => {
      complete(line)
        .then(
          ([words, replaced]) => done(null, [[...words], replaced]),
          () => done(null, [[], line])
        )
        // After the editor has put it into the line.
        .finally(() => setImmediate(input.completed))
    }
  })
  let take: ((read: Read) => void) | undefined
  let ended = false
  const early: Array<Read> = []
  const give = (read: Read): void => {
    const taker = take
    take = undefined
    if (taker === undefined) early.push(read)
    else taker(read)
  }
  editor.on("line", (text) => {
    history.add(text)
    const line = (): void => give({ _tag: "Line", text, more: input.waits })
    // A pasted text may come in pieces.
    if (text.trim() === "" && input.pasted && !input.waits) setTimeout(line, pieces)
    else line()
  })
  editor.on("SIGINT", () => {
    // In place: the line is emptied first, and stays as the mark of what was given up.
    editor.write(null, { ctrl: true, name: "e" })
    editor.write(null, { ctrl: true, name: "u" })
    output.write("^C\n")
    give({ _tag: "Cleared" })
  })
  // The editor has paused itself after Ctrl-Z.
  editor.on("SIGCONT", () => editor.prompt(true))
  editor.on("close", () => {
    if (!ended) output.write("\n")
    ended = true
    give({ _tag: "End" })
  })
  return {
    interactive: true,
    next: (prompt) =>
      new Promise((resolve) => {
        const read = early.shift()
        if (read !== undefined) return resolve(read)
        if (ended) return resolve({ _tag: "End" })
        take = resolve
        editor.setPrompt(prompt)
        editor.prompt()
        input.open()
      }),
    busy: (interrupt) => {
      input.onInterrupt = interrupt
      return () => {
        input.onInterrupt = undefined
      }
    },
    lend: async (use) => {
      input.lend()
      try {
        return await use()
      } finally {
        input.takeBack()
      }
    },
    close: () => {
      ended = true
      editor.close()
      input.end()
    }
  }
}

/** A reader of lines that nobody edits. */
export const plainReader = (): Reader => {
  const lines = readline.createInterface({ input: process.stdin, crlfDelay: Infinity })[Symbol.asyncIterator]()
  return {
    interactive: false,
    next: async () => {
      const { done, value } = await lines.next()
      return done === true ? { _tag: "End" } : { _tag: "Line", text: value, more: true }
    },
    busy: () => () => {},
    lend: (use) => use(),
    close: () => {
      void lines.return?.()
      process.stdin.destroy()
    }
  }
}
