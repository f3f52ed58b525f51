/**
 * Pictures of a composition: a tree in text, and boxes and arrows in SVG. An instance that several others refer to is drawn once.
 */
import { type Composition, idOf, type InstanceId } from "./Composition.ts"
import type { Instance } from "./Driver.ts"
import { rootName } from "./Kinds.ts"

/** A user name and password in an address are nobody else's business; nor are the values of tables, which may be keys of services. */
const withoutSecrets = (text: string): string => text.replace(/(:\/\/)[^/@\s]*@/g, "$1…@")

const valueText = (value: unknown): string =>
  withoutSecrets(
    Array.isArray(value)
      ? value.map((item) => String(item)).join(", ")
      : typeof value === "object"
        ? Object.keys(value as object).join(", ")
        : String(value)
  )

/** The keys that are not references, as `key=value`. */
const keysOf = ({ keys, references }: Instance): ReadonlyArray<string> => {
  const referring = new Set(references.map(({ key }) => key))
  return Object.entries(keys).flatMap(([key, value]) => (referring.has(key) || value === undefined ? [] : [`${key}=${valueText(value)}`]))
}

/** Where trees begin: the roots, and what no other instance refers to. */
const beginnings = ({ instances }: Composition): ReadonlyArray<InstanceId> => {
  const inner = new Set([...instances.values()].flatMap(({ references }) => references.map(({ kind, name }) => idOf(kind, name))))
  return [...instances.keys()].filter((id) => !inner.has(id) || id.endsWith(`.${rootName}`))
}

/** A tree for each instance that nothing refers to. Lines without an end. */
export const drawText = (composition: Composition): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const drawn = new Set<InstanceId>()
  const draw = (id: InstanceId, first: string, rest: string): void => {
    const instance = composition.instances.get(id)!
    const again = drawn.has(id) && instance.references.length > 0
    lines.push(
      `${first}${id} (${instance.type})${
        again
          ? " …"
          : keysOf(instance)
              .map((key) => ` ${key}`)
              .join("")
      }`
    )
    if (again) return
    drawn.add(id)
    instance.references.forEach(({ key, kind, name }, index) => {
      const last = index === instance.references.length - 1
      draw(idOf(kind, name), `${rest}${last ? "└─" : "├─"} ${key}: `, `${rest}${last ? "   " : "│  "}`)
    })
  }
  for (const id of beginnings(composition)) draw(id, "", "")
  return lines
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

/** Pixels. A letter of the fixed-width font is `letter` wide at most, one beside an arrow `small`. */
const size = { letter: 8, small: 7, line: 18, margin: 12, between: 96, below: 16, widest: 60 }

const clipped = (text: string): string => (text.length > size.widest ? `${text.slice(0, size.widest - 1)}…` : text)

/** Each instance stands one column right of the farthest that refers to it. */
const columnsOf = ({ instances }: Composition): ReadonlyMap<InstanceId, number> => {
  const columns = new Map<InstanceId, number>()
  const place = (id: InstanceId, column: number): void => {
    if ((columns.get(id) ?? -1) >= column) return
    columns.set(id, column)
    for (const { kind, name } of instances.get(id)!.references) place(idOf(kind, name), column + 1)
  }
  for (const id of instances.keys()) place(id, 0)
  return columns
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly lines: ReadonlyArray<string>
}

/** How far down those stand that refer to an instance, on average, among what has its place. */
const heightsOfReferrers = ({ instances }: Composition, boxes: ReadonlyMap<InstanceId, Box>): ReadonlyMap<InstanceId, number> => {
  const found = new Map<InstanceId, Array<number>>()
  for (const [id, { references }] of instances) {
    const box = boxes.get(id)
    if (box === undefined) continue
    references.forEach(({ kind, name }, index) => {
      const target = idOf(kind, name)
      found.set(target, [...(found.get(target) ?? []), arrowStart(box, index, references.length)])
    })
  }
  return new Map([...found].map(([id, heights]) => [id, heights.reduce((sum, height) => sum + height, 0) / heights.length]))
}

/** How far down the side of a box the arrow of a reference begins. */
const arrowStart = ({ y, height }: Box, index: number, count: number): number => y + ((index + 1) * height) / (count + 1)

/** An SVG document, its text selectable, with the reader's own colours where it is shown in a page. */
export const drawSvg = (composition: Composition): string => {
  const columns = columnsOf(composition)
  const boxes = new Map<InstanceId, Box>()
  let x = size.margin
  let bottom = 0
  let widest = 0
  for (let column = 0; [...columns.values()].includes(column); column++) {
    const here = [...composition.instances].filter(([id]) => columns.get(id) === column)
    const linesOf = new Map(here.map(([id, instance]) => [id, [id, instance.type, ...keysOf(instance)].map(clipped)]))
    // All boxes of a column are as wide, so that arrows run between columns and not through boxes.
    const width = Math.max(...[...linesOf.values()].flat().map((line) => line.length)) * size.letter + 2 * size.margin
    const labels = here.flatMap(([, { references }]) => references.map(({ key }) => key.length * size.small))
    const heights = heightsOfReferrers(composition, boxes)
    let y = size.margin
    for (const [id] of here.toSorted(([a], [b]) => (heights.get(a) ?? 0) - (heights.get(b) ?? 0))) {
      const lines = linesOf.get(id)!
      const height = lines.length * size.line + size.margin
      boxes.set(id, { x, y, width, height, lines })
      y += height + size.below
    }
    bottom = Math.max(bottom, y)
    widest = x + width
    x = widest + Math.max(size.between, ...labels.map((label) => label + 2 * size.margin))
  }
  const parts: Array<string> = []
  for (const [id, { references }] of composition.instances) {
    const from = boxes.get(id)!
    references.forEach(({ key, kind, name }, index) => {
      const to = boxes.get(idOf(kind, name))!
      const [x1, y1, x2, y2] = [from.x + from.width, arrowStart(from, index, references.length), to.x, to.y + to.height / 2]
      parts.push(
        `<line x1="${x1}" y1="${Math.round(y1)}" x2="${x2}" y2="${Math.round(y2)}" marker-end="url(#tip)"/>`,
        `<text class="key" x="${x1 + 6}" y="${Math.round(y1) - 4}">${escaped(key)}</text>`
      )
    })
  }
  for (const { x, y, width, height, lines } of boxes.values()) {
    parts.push(`<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`)
    lines.forEach((line, index) => {
      const style = index === 0 ? ' class="name"' : ""
      parts.push(`<text${style} x="${x + size.margin}" y="${y + (index + 1) * size.line}">${escaped(line)}</text>`)
    })
  }
  const width = widest + size.margin
  const height = bottom - size.below + size.margin
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Composition">`,
    "<style>text{font:13px ui-monospace,monospace;fill:currentColor}.name{font-weight:bold}.key{font-size:11px;opacity:.7}" +
      "rect{fill:none;stroke:currentColor}line{stroke:currentColor}</style>",
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">' +
      '<path d="M0 0L8 4L0 8z" fill="currentColor"/></marker></defs>',
    ...parts,
    "</svg>"
  ].join("\n")
}
