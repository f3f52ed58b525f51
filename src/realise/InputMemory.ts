/**
 * What is known of locked inputs beyond their attributes (`lastModified`, `revCount` of a commit), kept so that a second run need not fetch what the store has. Only what can
 * never change is kept; the file may be deleted at any time.
 *
 * On disk: `<directory>/<SHA-256 of the input>.json`, written whole or not at all. One that cannot be read or written is as one that is not there.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { hashTextHex } from "../nix/Crypto.ts"
import { isStorePath, type StorePath } from "../nix/StorePath.ts"
import type { TreeAttributes } from "../fetch/tree/FetchedTree.ts"

export interface RememberedInput {
  readonly path: StorePath
  readonly attributes: TreeAttributes
}

export interface InputMemory {
  /** `key`: one text for equal inputs. */
  get(key: string): RememberedInput | undefined
  put(key: string, input: RememberedInput): void
}

/** The default remembers nothing. */
export const InputMemory = Context.Reference<InputMemory>("yix/realise/InputMemory", {
  defaultValue: () => ({ get: () => undefined, put: () => {} })
})

const File = Schema.fromJsonString(
  Schema.Struct({
    key: Schema.String,
    path: Schema.String,
    attributes: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean]))
  })
)

/** Kept in a directory, which is made when something is remembered. */
export const layerDirectory = (directory: string): Layer.Layer<never> => {
  const fileOf = (key: string): string => path.join(directory, `${hashTextHex("sha256", key)}.json`)
  return Layer.succeed(InputMemory, {
    get: (key) => {
      let text: string
      try {
        text = fs.readFileSync(fileOf(key), "utf8")
      } catch {
        return undefined
      }
      const found = Option.getOrUndefined(Schema.decodeUnknownOption(File)(text))
      if (found === undefined || found.key !== key || !isStorePath(found.path)) return undefined
      return { path: found.path, attributes: new Map(Object.entries(found.attributes)) }
    },
    put: (key, { path: storePath, attributes }) => {
      const file = fileOf(key)
      const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`
      try {
        fs.mkdirSync(directory, { recursive: true })
        fs.writeFileSync(temporary, JSON.stringify({ key, path: storePath, attributes: Object.fromEntries(attributes) }))
        fs.renameSync(temporary, file)
      } catch {
        fs.rmSync(temporary, { force: true })
      }
    }
  })
}
