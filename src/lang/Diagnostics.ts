/**
 * Messages with their places, as text for people.
 *
 * The layout is that of Nix 2.34: the message, `at file:line:column:`, an excerpt of up to three lines with a caret, everything after the
 * first line indented to the message; a trace before it, outermost frame first, cut after a few frames unless `showTrace`. Two things
 * are better than in Nix: the caret stays under its character after tabs and after non-ASCII text (columns still count bytes). Text in
 * and out is byte strings. Pure.
 */
import type { ByteString } from "../nix/Bytes.ts"
import type { ParseError } from "./ParseError.ts"
import { formatOrigin, lineStarts, positionOf } from "./Position.ts"
import { didYouMean } from "./Suggestions.ts"
import type { Span } from "./Syntax.ts"

/** What was going on when something went wrong. */
export interface Frame {
  readonly message: ByteString
  readonly span?: Span | undefined
  /** Shown even where the trace is cut. */
  readonly always?: boolean
}

/** One message for people. */
export interface Diagnostic {
  readonly level: "error" | "warning" | "note"
  readonly message: ByteString
  readonly span?: Span | undefined
  /** Outermost first. */
  readonly trace?: ReadonlyArray<Frame>
  /** Names for "Did you mean …?", best first. */
  readonly suggestions?: ReadonlyArray<ByteString>
  /** Further lines: what to do about it. */
  readonly hints?: ReadonlyArray<ByteString>
}

export interface RenderOptions {
  /** ANSI colours. Default false. */
  readonly colour?: boolean
  /** Show all of the trace. Default false. */
  readonly showTrace?: boolean
}

interface Palette {
  readonly red: string
  readonly magenta: string
  readonly blue: string
  readonly normal: string
}

const colours: Palette = { red: "\x1b[31;1m", magenta: "\x1b[35;1m", blue: "\x1b[34;1m", normal: "\x1b[0m" }
const plain: Palette = { red: "", magenta: "", blue: "", normal: "" }

const ellipsis = "\xe2\x80\xa6"
/** The trace is cut once more than this many points are shown: a frame is one, its place another. */
const shortTrace = 3
/** Repeated frames up to this many are shown all the same. */
const fewRepeats = 5
/** Bytes of a source line shown at most. */
const longestLine = 1000

const lineAt = (span: Span, line: number): ByteString | undefined => {
  const starts = lineStarts(span.origin, span.source)
  const start = starts[line - 1]
  if (start === undefined) return undefined
  const text = span.source.slice(start, Math.min(starts[line] ?? span.source.length, start + longestLine))
  return text.replace(/[\r\n]+$/, "")
}

/** Blanks as wide as the bytes of a line before the caret: tabs stay tabs, UTF-8 continuation bytes have no width. */
const blanks = (line: ByteString, column: number): string => {
  let text = ""
  for (let i = 0; i < column - 1; i++) {
    const c = line.charCodeAt(i)
    if (c === 9) text += "\t"
    else if (!(c >= 0x80 && c < 0xc0)) text += " "
  }
  return text
}

/** Control characters of a source must not reach a terminal. */
const harmless = (line: ByteString): ByteString => line.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "")

/** A text without the escape sequences that programs put into their messages for terminals. */
export const withoutColours = (text: ByteString): ByteString =>
  text.includes("\x1b") ? text.replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])/g, "") : text

const numbered = (line: number, text: ByteString): string => ` ${String(line).padStart(5)}| ${harmless(text)}`.trimEnd()

const excerptLines = (span: Span, palette: Palette): Array<string> => {
  const { line, column } = positionOf(span)
  const lines: Array<string> = []
  if (span.source === "") return lines
  const before = line > 1 ? lineAt(span, line - 1) : undefined
  const here = lineAt(span, line) ?? ""
  const after = lineAt(span, line + 1)
  if (before !== undefined) lines.push(numbered(line - 1, before))
  lines.push(numbered(line, here))
  if (column <= longestLine) lines.push(`      | ${blanks(here, column)}${palette.red}^${palette.normal}`)
  if (after !== undefined) lines.push(numbered(line + 1, after))
  return lines
}

const placeLines = (span: Span, indent: string, palette: Palette): Array<string> => {
  const { line, column } = positionOf(span)
  const place = `${formatOrigin(span.origin)}:${line}:${column}`
  return [`${indent}${palette.blue}at ${palette.magenta}${place}${palette.normal}:`, ...excerptLines(span, palette)]
}

/** The source around a span: the line before, the line with a caret below, the line after. */
export const excerpt = (span: Span, options: RenderOptions = {}): ByteString =>
  excerptLines(span, options.colour === true ? colours : plain).join("\n")

const frameKey = (frame: Frame): string => {
  if (frame.span === undefined) return frame.message
  const { line, column } = positionOf(frame.span)
  return `${formatOrigin(frame.span.origin)}:${line}:${column} ${frame.message}`
}

const traceLines = (trace: ReadonlyArray<Frame>, showTrace: boolean, palette: Palette): Array<string> => {
  const lines: Array<string> = []
  const seen = new Set<string>()
  let repeats: Array<Frame> = []
  let shown = 0
  const show = (frame: Frame): void => {
    lines.push("", `${ellipsis} ${frame.message}`)
    if (frame.span !== undefined) {
      shown++
      lines.push(...placeLines(frame.span, "  ", palette))
    }
  }
  const showRepeats = (): void => {
    if (repeats.length > fewRepeats) {
      lines.push("", `${palette.magenta}(${repeats.length} duplicate frames omitted)${palette.normal}`)
      seen.clear()
    } else {
      repeats.forEach(show)
    }
    repeats = []
  }
  let cut = false
  for (const frame of trace) {
    if (frame.message === "") continue
    if (!showTrace && shown > shortTrace) {
      cut = true
      if (frame.always !== true) continue
    }
    const key = frameKey(frame)
    if (seen.has(key)) {
      repeats.push(frame)
      continue
    }
    showRepeats()
    seen.add(key)
    shown++
    show(frame)
  }
  showRepeats()
  if (cut) {
    lines.push("", `${palette.magenta}(stack trace truncated; use '--show-trace' to show the full, detailed trace)${palette.normal}`)
  }
  return lines
}

/** A diagnostic as text: several lines, no newline at the end. */
export const render = (diagnostic: Diagnostic, options: RenderOptions = {}): ByteString => {
  const palette = options.colour === true ? colours : plain
  const label = `${diagnostic.level}: `
  const colouredLabel = `${diagnostic.level === "error" ? palette.red : palette.magenta}${diagnostic.level}:${palette.normal} `
  const [first = "", ...rest] = diagnostic.message.split("\n")
  const lines: Array<string> = []
  const trace = traceLines(diagnostic.trace ?? [], options.showTrace === true, palette)
  if (trace.length > 0) {
    lines.push(colouredLabel.trimEnd(), ...trace.slice(1), "", `${colouredLabel}${first}`)
  } else {
    lines.push(`${colouredLabel}${first}`)
  }
  lines.push(...rest)
  if (diagnostic.span !== undefined) lines.push(...placeLines(diagnostic.span, "", palette))
  const guess = didYouMean(diagnostic.suggestions ?? [], (name) => `${palette.magenta}${name}${palette.normal}`)
  if (guess !== "") lines.push(guess)
  lines.push(...(diagnostic.hints ?? []))
  const indent = " ".repeat(label.length)
  const text = lines.map((line, i) => (i === 0 ? line.trimEnd() : `${indent}${line}`.trimEnd())).join("\n")
  return options.colour === true ? text : withoutColours(text)
}

/** The diagnostic of a parse error. */
export const diagnose = (error: ParseError): Diagnostic => ({
  level: "error",
  message: error.message,
  span: error.span,
  suggestions: error.reason._tag === "UndefinedVariable" ? error.reason.suggestions : []
})
