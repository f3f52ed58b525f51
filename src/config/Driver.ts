/**
 * A driver: one `type` of one kind of service, with the schema of its table's keys and the layer that it makes of them.
 *
 * `driver` hides what the keys are, so that drivers of all kinds go into one registry. Whoever embeds yix adds drivers of their own to the standard ones.
 */
import * as Context from "effect/Context"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import type * as Layer from "effect/Layer"
import type { LocalDatabase } from "../castore/local/LocalDatabase.ts"
import type { Kind, Needs, Services } from "./Kinds.ts"

/** Why a service could not be opened. */
export interface OpenError extends Error {
  readonly _tag: string
}

/** Builds at the same time that the user allows, where a builder's table says nothing. `undefined`: as the machine allows. */
export const BuildSlots = Context.Reference<number | undefined>("yix/config/BuildSlots", { defaultValue: () => undefined })

/** Where the composition's relative things are. */
export interface Place {
  /** Directory that paths in the file are relative to: the file's own. */
  readonly directory: string
  /** The store's directory of this run, for drivers that were given none. */
  readonly stateDirectory: string
}

/** What a driver's layer may build on. */
export interface Surroundings extends Place {
  /** Another instance. The same name gives the same layer, so it opens once. */
  readonly service: <K extends Kind>(kind: K, name: string) => ServiceLayer<K>
  /** The database of a local store, one for all instances that lie in the directory. */
  readonly database: (directory: string) => Layer.Layer<LocalDatabase, OpenError>
}

export type ServiceLayer<K extends Kind> = Layer.Layer<Services[K], OpenError, Needs[K]>

/** A key whose value names an instance, and the name that stands there. */
export interface Reference {
  readonly key: string
  readonly kind: Kind
  readonly name: string
}

/** A table of the kind that was understood. */
export interface InstanceOf<K extends Kind> {
  readonly kind: K
  readonly type: string
  /** All keys but `type`, defaults included, as TOML would have them. */
  readonly keys: Readonly<Record<string, unknown>>
  readonly references: ReadonlyArray<Reference>
  layer(around: Surroundings): ServiceLayer<K>
}

/** An instance of any kind. */
export type Instance = { readonly [K in Kind]: InstanceOf<K> }[Kind]

export interface DriverOf<K extends Kind> {
  readonly kind: K
  readonly type: string
  /** Names of all keys but `type`. */
  readonly keys: ReadonlyArray<string>
  /** The references of a table, whatever else may be wrong with it. */
  referencesIn(table: Readonly<Record<string, unknown>>): ReadonlyArray<Reference>
  /** Reads a table, `type` included. */
  read(table: Readonly<Record<string, unknown>>, place: Place): Result.Result<InstanceOf<K>, SchemaIssue.Issue>
}

/** A driver of any kind. */
export type Driver = { readonly [K in Kind]: DriverOf<K> }[Kind]

/** Keys and the schemas of their values, which need no services. */
type Fields = Readonly<Record<string, Schema.Codec<unknown, unknown>>>

type Decoded<F extends Fields> = Schema.Struct<F>["Type"]

interface Definition<K extends Kind, F extends Fields> {
  readonly kind: K
  readonly type: string
  readonly fields: F
  /** The keys that name other instances, one or a list of them, and their kinds. */
  readonly references?: { readonly [Key in keyof F]?: Kind }
  /** Fills in what depends on where the file and the store are. */
  readonly complete?: (config: Decoded<F>, place: Place) => Decoded<F>
  readonly layer: (config: Decoded<F>, around: Surroundings) => ServiceLayer<K>
}

/** References may be written `&name`. */
const bareName = (value: unknown): unknown =>
  typeof value === "string" && value.startsWith("&") ? value.slice(1) : Array.isArray(value) ? value.map(bareName) : value

const namesIn = (value: unknown): ReadonlyArray<string> =>
  (Array.isArray(value) ? value : [value]).filter((name) => typeof name === "string" && name !== "")

/** Defines a driver. */
export const driver = <K extends Kind, const F extends Fields>(definition: Definition<K, F>): DriverOf<K> => {
  const { kind, type, fields, references = {}, complete, layer } = definition
  const referring = Object.entries(references) as ReadonlyArray<[string, Kind]>
  // The type is a key like others here: a struct of no keys at all would take any.
  const schema = Schema.Struct({ ...fields, type: Schema.Literal(type) })
  const decode = Schema.decodeUnknownResult(schema as unknown as Schema.Codec<Decoded<F> & { readonly type: string }, unknown>, {
    errors: "all",
    onExcessProperty: "error",
    reportInput: true
  })
  const referencesIn = (table: Readonly<Record<string, unknown>>): ReadonlyArray<Reference> =>
    referring.flatMap(([key, kind]) =>
      namesIn(bareName(Object.hasOwn(table, key) ? table[key] : undefined)).map((name) => ({ key, kind, name }))
    )
  return {
    kind,
    type,
    keys: Object.keys(fields),
    referencesIn,
    read: (table, place) => {
      const bare: Record<string, unknown> = { ...table }
      for (const [key] of referring) if (Object.hasOwn(bare, key)) bare[key] = bareName(bare[key])
      return Result.map(
        Result.mapError(decode(bare), (error) => error.issue),
        ({ type: _, ...decoded }): InstanceOf<K> => {
          const given = decoded as unknown as Decoded<F>
          const config = complete === undefined ? given : complete(given, place)
          const values = config as Readonly<Record<string, unknown>>
          // In the order of the driver's own list, however they came about.
          const keys = Object.fromEntries(Object.keys(fields).flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]])))
          return {
            kind,
            type,
            keys,
            references: referencesIn(keys),
            layer: (around) => layer(config, around)
          }
        }
      )
    }
  }
}
