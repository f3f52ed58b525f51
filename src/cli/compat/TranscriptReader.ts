/**
 * Lines of a session that nobody types, shown as if somebody had: prompt and input are part of the output, and an empty line stands after what each input gives. So
 * `nix repl` prints where standard input is no terminal.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { printTextLine } from "../Output.ts"
import { plainReader, type Read, type Reader } from "../repl/Reader.ts"

/** Nothing but comments: for Nix an input that is still to come. */
const onlyComments = /^(?:\s|#[^\n]*(?:\n|$)|\/\*[^]*?\*\/)*$/

/** `prompts`: before an input, and before each further line of one. */
export const transcriptReader = ([firstPrompt, nextPrompt]: readonly [first: string, next: string]): Reader => {
  const lines = plainReader()
  let begun = false

  const show = (prompt: string, read: Read): boolean => {
    const gap = begun && prompt === firstPrompt ? "\n" : ""
    begun = true
    return Exit.isSuccess(Effect.runSyncExit(printTextLine(`${gap}${prompt}${read._tag === "Line" ? read.text : ""}`)))
  }

  return {
    ...lines,
    next: async (prompt) => {
      const first = await lines.next(prompt)
      if (!show(prompt, first)) return { _tag: "End" }
      if (first._tag !== "Line" || prompt !== firstPrompt) return first
      let { text } = first
      while (text.trim() !== "" && onlyComments.test(text)) {
        const more = await lines.next(nextPrompt)
        if (!show(nextPrompt, more) || more._tag !== "Line") return { _tag: "End" }
        text += `\n${more.text}`
      }
      return { ...first, text }
    }
  }
}
