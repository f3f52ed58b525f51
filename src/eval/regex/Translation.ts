/**
 * The fast path: a JavaScript `RegExp` for the patterns on which it provably agrees with libstdc++, and cannot run away.
 *
 * They differ in captures of earlier iterations (JavaScript resets them), in empty iterations, and, when searching, in `|` (libstdc++ keeps
 * the longest). So: a repeated group must not be able to match nothing, must set every group in it on each turn, and holds no further repeat and
 * no `|`, which also keeps time within bounds; a search allows no `|` at all. Subjects are byte strings, so the `u` flag stays off. Pure.
 */
import type { Pattern } from "./Pattern.ts"

/** A pattern in JavaScript's syntax. */
export interface Translation {
  readonly source: string
  /** Whether it holds `|`: then only good for matching whole texts. */
  readonly alternates: boolean
  /** How many loops stand one after the other: matching takes at most the length to this power. */
  readonly loops: number
}

const byte = (code: number): string =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
    ? String.fromCharCode(code)
    : `\\x${code.toString(16).padStart(2, "0")}`

const set = (members: Uint8Array): string => {
  let text = ""
  for (let code = 0; code < 256; code++) {
    if (members[code] !== 1) continue
    let end = code
    while (end < 255 && members[end + 1] === 1) end++
    text += end === code ? byte(code) : `${byte(code)}-${byte(end)}`
    code = end
  }
  // An empty class matches nothing in JavaScript too.
  return `[${text}]`
}

/** Whether JavaScript and libstdc++ treat a repeat of this the same: see above. */
const repeatable = (pattern: Pattern): { readonly ok: boolean; readonly consumes: boolean } => {
  switch (pattern._tag) {
    case "Char":
    case "Set":
      return { ok: true, consumes: true }
    case "Group":
      return repeatable(pattern.body)
    case "Sequence": {
      let consumes = false
      for (const item of pattern.items) {
        const part = repeatable(item)
        if (!part.ok) return part
        consumes ||= part.consumes
      }
      return { ok: true, consumes }
    }
    case "Empty":
    case "Begin":
    case "End":
      return { ok: true, consumes: false }
    default:
      return { ok: false, consumes: false }
  }
}

/** The same pattern for JavaScript, or undefined where the two might differ. */
export const translate = (root: Pattern): Translation | undefined => {
  let alternates = false
  let loops = 0
  const go = (pattern: Pattern): string | undefined => {
    switch (pattern._tag) {
      case "Empty":
        return ""
      case "Char":
        return byte(pattern.code)
      case "Set":
        return set(pattern.members)
      case "Begin":
        return "^"
      case "End":
        return "$"
      case "Group": {
        const body = go(pattern.body)
        return body === undefined ? undefined : `(${body})`
      }
      case "Sequence": {
        let text = ""
        for (const item of pattern.items) {
          const part = go(item)
          if (part === undefined) return undefined
          text += part
        }
        return text
      }
      case "Alternation": {
        alternates = true
        const parts: Array<string> = []
        for (const branch of pattern.branches) {
          const part = go(branch)
          if (part === undefined) return undefined
          parts.push(part)
        }
        return `(?:${parts.join("|")})`
      }
      case "Repeat": {
        const body = repeatable(pattern.body)
        if (!body.ok || !body.consumes) return undefined
        // `a{0}` leaves its group unset, yet counts it; as JavaScript does.
        const text = go(pattern.body)
        if (text === undefined) return undefined
        if (pattern.max !== pattern.min) loops++
        const unit = pattern.body._tag === "Sequence" ? `(?:${text})` : text
        if (pattern.plus) return `${unit}+`
        if (pattern.max === Infinity) return pattern.min === 0 ? `${unit}*` : `${unit}{${pattern.min},}`
        if (pattern.min === 0 && pattern.max === 1) return `${unit}?`
        return pattern.min === pattern.max ? `${unit}{${pattern.min}}` : `${unit}{${pattern.min},${pattern.max}}`
      }
    }
  }
  const source = go(root)
  return source === undefined ? undefined : { source, alternates, loops }
}
