/**
 * What can go wrong in blob and directory services. Absence is not an error: lookups answer with `Option.none`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The service could not be asked: disk, database or network failed. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  /** Which service, in its own words: a path or an address. */
  store: Schema.String,
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const cause = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `store '${this.store}' failed to ${this.operation}: ${cause}`
  }
}

/** What the service gave back is not what its digest says. */
export class CorruptData extends Schema.TaggedError<CorruptData>()("CorruptData", {
  store: Schema.String,
  digest: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `store '${this.store}' holds corrupt data for ${this.digest}: ${this.detail}; run 'yix store verify' to find what else is damaged`
  }
}

/** A tree refers to a blob or directory that the service does not have. */
export class MissingData extends Schema.TaggedError<MissingData>()("MissingData", {
  store: Schema.String,
  kind: Schema.Literals(["blob", "directory", "path info"]),
  digest: Schema.String
}) {
  override get message(): string {
    return `store '${this.store}' lacks ${this.kind} ${this.digest}, which something stored refers to`
  }
}

/** What was handed in breaks the rules of the data model. */
export class InvalidData extends Schema.TaggedError<InvalidData>()("InvalidData", {
  what: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.what}: ${this.detail}`
  }
}

/** A put was sent to a service that takes none. An `InvalidData` to who does not care, and on every wire: trying it again is of no use. */
export class StoreReadOnly extends InvalidData {
  /** `store` names the service in its own words, `operation` is what it was asked to do. */
  static refusing(store: string, operation: string): StoreReadOnly {
    return new StoreReadOnly({
      what: `store '${store}'`,
      detail: `is read-only and refuses to ${operation}; put another store before it, as the near side of a cache with write = "near"`
    })
  }
}

export type CastoreError = StoreUnavailable | CorruptData | MissingData | InvalidData

/** Whether a thrown thing is one of ours. */
export const isCastoreError = (cause: unknown): cause is CastoreError =>
  cause instanceof StoreUnavailable || cause instanceof CorruptData || cause instanceof MissingData || cause instanceof InvalidData

/** Runs synchronous store code: a `CastoreError` that it throws passes, anything else becomes `StoreUnavailable`. */
export const attempt = <A>(store: string, operation: string, run: () => A): Effect.Effect<A, CastoreError> =>
  Effect.try({
    try: run,
    catch: (cause) => (isCastoreError(cause) ? cause : new StoreUnavailable({ store, operation, cause }))
  })
