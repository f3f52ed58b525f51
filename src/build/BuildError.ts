/** (Contract: the build room fills this in.) */
import * as Schema from "effect/Schema"

export class BuildFailed extends Schema.TaggedError<BuildFailed>()("BuildFailed", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

export type BuildError = BuildFailed
