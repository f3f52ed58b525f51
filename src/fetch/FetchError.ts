/** (Contract: the fetch room fills this in.) */
import * as Schema from "effect/Schema"

export class FetchFailed extends Schema.TaggedError<FetchFailed>()("FetchFailed", { url: Schema.String, detail: Schema.String }) {
  override get message(): string {
    return `cannot fetch '${this.url}': ${this.detail}`
  }
}

export type FetchError = FetchFailed
