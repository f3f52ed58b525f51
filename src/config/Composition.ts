/**
 * From the text of `yix.toml` to a checked graph of named services; nothing is opened.
 *
 * Tables are `[KIND.NAME]` with a `type` and the keys of that type's driver. Kinds without any table get the root that `Kinds.ts` implies. What is checked here, all problems at once: syntax, tables, types,
 * keys, values, names that are referred to, and that no instance refers to itself in a circle, which would make opening wait for itself for ever.
 */
import { parse as parseToml, stringify, TomlError } from "smol-toml"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"
import { closestNames } from "../lang/Suggestions.ts"
import { ConfigInvalid, type ConfigProblem } from "./ConfigError.ts"
import type { Driver, Instance, Place, Reference } from "./Driver.ts"
import { KeyLines } from "./KeyLines.ts"
import { isKind, type Kind, kindNames, kinds, rootName } from "./Kinds.ts"

/** An instance's kind and name, as `blobservices.root`. */
export type InstanceId = `${Kind}.${string}`

export const idOf = (kind: Kind, name: string): InstanceId => `${kind}.${name}`

export interface Composition {
  /** The file that it is from. */
  readonly file: string
  readonly place: Place
  /** Checked: every reference leads to one of these, none in a circle. By kind, then as the file has them. */
  readonly instances: ReadonlyMap<InstanceId, Instance>
}

type Table = Readonly<Record<string, unknown>>

const isTable = (value: unknown): value is Table =>
  typeof value === "object" &&
  value !== null &&
  (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)

const quoted = (names: Iterable<string>): string => [...names].map((name) => `'${name}'`).join(", ")

/** What to write instead of a name that is not known. */
const instead = (name: string, known: ReadonlyArray<string>, otherwise: string): string => {
  const [nearest] = closestNames(name, known)
  return nearest === undefined ? otherwise : `did you mean '${nearest}'?`
}

/** Words for what a schema found wrong with one value. */
const leafHook: SchemaIssue.LeafHook = (issue) =>
  issue._tag === "UnexpectedKey" ? "unknown" : issue._tag === "MissingKey" ? "missing" : SchemaIssue.defaultLeafHook(issue)
const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1({ leafHook })

const typeWords = new Map([
  ["string", "a text"],
  ["number", "a number"],
  ["int", "a whole number"],
  ["boolean", "true or false"],
  ["array", "a list"],
  ["object", "a table"]
])

/** What is wrong with a value, and what to write instead, from a schema's `Expected X, got Y`. */
const valueProblem = (message: string): [detail: string, fix: string] => {
  const match = /^expected ([^]*?)(?:, got ([^]*))?$/i.exec(message)
  if (match === null) return ["wrong value", message]
  const [, expected, got] = match
  return [
    got === undefined ? "wrong value" : `wrong value ${got}`,
    `write ${typeWords.get(expected!) ?? expected!.replaceAll(" | ", " or ")}`
  ]
}

/** Reads one text; problems are gathered on the way. */
class Reading {
  readonly problems: Array<ConfigProblem> = []
  readonly instances = new Map<InstanceId, Instance>()
  /** What refers to what, also from instances with other problems. */
  readonly #references = new Map<InstanceId, ReadonlyArray<Reference>>()
  readonly #lines: KeyLines
  readonly #drivers: ReadonlyArray<Driver>
  readonly #place: Place

  constructor(lines: KeyLines, drivers: ReadonlyArray<Driver>, place: Place) {
    this.#lines = lines
    this.#drivers = drivers
    this.#place = place
  }

  #problem(path: ReadonlyArray<string>, detail: string, fix: string): void {
    this.problems.push({ line: this.#lines.lineOf(path), key: path.join("."), detail, fix })
  }

  document(document: Table): void {
    for (const name of Object.keys(document)) {
      if (!isKind(name)) this.#problem([name], "unknown table", instead(name, kindNames, `the tables are ${quoted(kindNames)}`))
    }
    for (const kind of kindNames) this.#kind(kind, document[kind])
  }

  #kind(kind: Kind, tables: unknown): void {
    if (tables === undefined) {
      const { implied } = kinds[kind]
      if (implied !== undefined) this.#instance(kind, rootName, { type: implied })
      return
    }
    if (!isTable(tables)) return this.#problem([kind], "is not a table", `write a table [${kind}.${rootName}]`)
    for (const [name, table] of Object.entries(tables)) {
      if (!/^[A-Za-z0-9_-]+$/.test(name)) {
        this.#problem([kind, name], "not a name for an instance", "use letters, digits, '-' and '_'")
      } else if (!isTable(table)) {
        this.#problem([kind, name], "is not a table", `write a table [${kind}.${name}] with a 'type'`)
      } else this.#instance(kind, name, table)
    }
    if (!Object.hasOwn(tables, rootName)) {
      this.#problem([kind], `has no '${rootName}', the ${kinds[kind].one} that commands use`, `add a table [${kind}.${rootName}]`)
    }
  }

  #instance(kind: Kind, name: string, table: Table): void {
    const path = [kind, name]
    const { type } = table
    const drivers = this.#drivers.filter((driver) => driver.kind === kind)
    const types = drivers.map((driver) => driver.type)
    const known = `the types of a ${kinds[kind].one} are ${quoted(types)}`
    if (type === undefined) return this.#problem([...path, "type"], "missing", `add a 'type'; ${known}`)
    if (typeof type !== "string") return this.#problem([...path, "type"], "is not a text", known)
    const driver = drivers.find((driver) => driver.type === type)
    if (driver === undefined) return this.#problem([...path, "type"], `unknown type '${type}'`, instead(type, types, known))
    this.#references.set(idOf(kind, name), driver.referencesIn(table))
    const read: Result.Result<Instance, SchemaIssue.Issue> = driver.read(table, this.#place)
    Result.match(read, {
      onSuccess: (instance) => void this.instances.set(idOf(kind, name), instance),
      onFailure: (issue) => this.#values(path, driver, issue)
    })
  }

  #values(path: ReadonlyArray<string>, driver: Driver, issue: SchemaIssue.Issue): void {
    const keys =
      driver.keys.length === 0 ? `type '${driver.type}' has no keys` : `type '${driver.type}' has the keys ${quoted(driver.keys)}`
    for (const found of formatIssue(issue).issues) {
      const below = (found.path ?? []).map((part) => String(typeof part === "object" ? part.key : part))
      const at = [...path, ...below]
      const last = below.at(-1) ?? ""
      if (found.message === "unknown")
        this.#problem(at, `unknown key for type '${driver.type}'`, instead(last, driver.keys, `remove it; ${keys}`))
      else if (found.message === "missing" && /^\d+$/.test(last))
        this.#problem(at.slice(0, -1), "is too short a list", `write at least ${Number(last) + 1} item${last === "0" ? "" : "s"}`)
      else if (found.message === "missing")
        this.#problem(at, `missing, type '${driver.type}' needs it`, `add '${last}' to [${path.join(".")}]`)
      else this.#problem(at, ...valueProblem(found.message))
    }
  }

  references(): void {
    for (const [id, references] of this.#references) {
      for (const { key, kind, name } of references) {
        if (this.instances.has(idOf(kind, name)) || this.#isBroken(kind, name)) continue
        const path = [...id.split("."), key]
        const { one } = kinds[kind]
        const other = kindNames.find((other) => this.instances.has(idOf(other, name)))
        if (other === undefined) {
          const known = [...this.instances.keys()].filter((id) => id.startsWith(`${kind}.`)).map((id) => id.slice(kind.length + 1))
          this.#problem(path, `there is no ${one} '${name}'`, instead(name, known, `add a table [${kind}.${name}]`))
        } else {
          this.#problem(
            path,
            `'${name}' is a ${kinds[other].one}, not a ${one}`,
            `name one of [${kind}.…], or add a table [${kind}.${name}]`
          )
        }
      }
    }
  }

  /** Whether the instance is there, only not understood: it has been complained about. */
  #isBroken(kind: Kind, name: string): boolean {
    const prefix = `${kind}.${name}.`
    return this.problems.some(({ key }) => key.startsWith(prefix) || key === idOf(kind, name))
  }

  cycles(): void {
    const done = new Set<InstanceId>()
    const trail: Array<InstanceId> = []
    const visit = (id: InstanceId): void => {
      if (done.has(id)) return
      trail.push(id)
      for (const { key, kind, name } of this.instances.get(id)?.references ?? []) {
        const next = idOf(kind, name)
        const start = trail.indexOf(next)
        if (start === -1) visit(next)
        else {
          const circle = [...trail.slice(start), next].join(" → ")
          this.#problem([...id.split("."), key], `refers back to itself: ${circle}`, "name an instance that does not lead back here")
        }
      }
      trail.pop()
      done.add(id)
    }
    for (const id of this.instances.keys()) visit(id)
  }
}

/** What the TOML parser found wrong. */
const syntaxProblem = (text: string, error: unknown): ConfigProblem => {
  if (!(error instanceof TomlError)) return { line: 0, key: "", detail: String(error), fix: "see https://toml.io" }
  const { line } = error
  const detail = error.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "")
  if (/redefine/.test(detail)) {
    const lines = text.split("\n")
    const again = lines[line - 1]!.trim().replace(/\s*=.*$/, "")
    return { line, key: "", detail: `'${again}' is there a second time`, fix: "keep one of the two" }
  }
  return { line, key: "", detail: `not TOML: ${detail}`, fix: "correct the line, see https://toml.io" }
}

/** The composition that a text describes, built of the given drivers. */
export const parse = Effect.fnUntraced(function* (
  file: string,
  text: string,
  options: { readonly drivers: ReadonlyArray<Driver>; readonly place: Place }
): Effect.fn.Return<Composition, ConfigInvalid> {
  const document = yield* Effect.try({
    try: () => parseToml(text, { unsafeKeyBehaviour: "throw", maxDepth: 64 }) as Table,
    catch: (error) => new ConfigInvalid({ file, problems: [syntaxProblem(text, error)] })
  })
  const reading = new Reading(new KeyLines(text), options.drivers, options.place)
  reading.document(document)
  reading.references()
  reading.cycles()
  const [first, ...others] = reading.problems.toSorted((a, b) => a.line - b.line)
  if (first !== undefined) return yield* new ConfigInvalid({ file, problems: [first, ...others] })
  return { file, place: options.place, instances: reading.instances }
})

/** The composition as TOML, with everything that was left to defaults. */
export const toToml = ({ instances }: Composition): string =>
  [...instances]
    .map(([id, { type, keys }]) => {
      const [kind, name] = id.split(".") as [string, string]
      return stringify({ [kind]: { [name]: { type, ...keys } } }).trim()
    })
    .join("\n\n") + "\n"
