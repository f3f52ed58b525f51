/**
 * What the tests of the documentation need of Markdown: fenced blocks with the marks before them, headings with the anchors that GitHub gives them, and links.
 */

/** A fenced block. */
export interface Block {
  /** Relative to the checkout. */
  readonly file: string
  /** Of the opening fence, counted from 1. */
  readonly line: number
  /** The first word after the fence: `sh`, `toml`, … or nothing. */
  readonly language: string
  readonly text: string
  /** The HTML comments directly before it, each `key` or `key: value`. */
  readonly marks: ReadonlyMap<string, string>
  /** The number of headings before it: what stands in one section belongs together. */
  readonly section: number
}

export interface Link {
  readonly line: number
  readonly target: string
}

export interface Document {
  readonly file: string
  readonly blocks: ReadonlyArray<Block>
  readonly links: ReadonlyArray<Link>
  readonly anchors: ReadonlySet<string>
  /** Lines outside of fenced blocks. */
  readonly prose: ReadonlyArray<string>
}

/** GitHub's: lower case, without punctuation, blanks as hyphens, numbered where it comes again. */
const anchorOf = (heading: string, taken: ReadonlySet<string>): string => {
  const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
  const plain = text.replace(/[^\p{L}\p{N}\p{M} _-]/gu, "").trim().replaceAll(" ", "-") // prettier-ignore
  for (let i = 0; ; i++) {
    const anchor = i === 0 ? plain : `${plain}-${i}`
    if (!taken.has(anchor)) return anchor
  }
}

export const parseDocument = (file: string, source: string): Document => {
  const blocks: Array<Block> = []
  const links: Array<Link> = []
  const anchors = new Set<string>()
  const prose: Array<string> = []
  const lines = source.split("\n")
  let marks = new Map<string, string>()
  let section = 0
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!
    const fence = /^( *)(`{3,}|~{3,})\s*([^\s`]*)/.exec(line)
    if (fence !== null) {
      const [, indent, mark, language] = fence as unknown as readonly [string, string, string, string]
      const first = at + 1
      while (++at < lines.length && lines[at]!.trim() !== mark);
      if (at >= lines.length) throw new Error(`${file}:${first}: this block is never closed`)
      const text = lines.slice(first, at).map((inner) => (inner.startsWith(indent) ? inner.slice(indent.length) : inner.trimStart())) // prettier-ignore
      blocks.push({ file, line: first, language, text: text.join("\n"), marks, section })
      marks = new Map()
      continue
    }
    const comment = /^\s*<!--\s*([^:]*?)(?::\s*(.*?))?\s*-->\s*$/.exec(line)
    if (comment !== null) {
      marks.set(comment[1]!, comment[2] ?? "")
      continue
    }
    if (line.trim() === "") continue
    marks = new Map()
    prose.push(line)
    const heading = /^#{1,6} (.*?)\s*#*$/.exec(line)
    if (heading !== null) {
      section++
      anchors.add(anchorOf(heading[1]!, anchors))
    }
    const spoken = line.replace(/`[^`]*`/g, "")
    for (const [, target] of spoken.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)) links.push({ line: at + 1, target: target! })
  }
  return { file, blocks, links, anchors, prose }
}

/** An expectation with `…` for anything within a line, a line of only `…` for any lines. Blanks at the ends of lines, and empty lines around all, do not count. */
export const matches = (actual: string, expected: string): boolean => {
  const tidy = (text: string) => text.replace(/[ \t\r]+$/gm, "").replace(/^\n+|\n+$/g, "")
  const line = (text: string) => text.split("…").map((piece) => piece.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("[^\\n]*") // prettier-ignore
  const pattern = tidy(expected)
    .split("\n")
    .map((text) => (text.trim() === "…" ? "(?:[^\\n]*\\n)*?" : `${line(text)}\\n`))
    .join("")
  return new RegExp(`^${pattern}$`, "u").test(`${tidy(actual)}\n`)
}
