/**
 * `result` links: symbolic links of the host that lead to the checkout of an output.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { CheckoutCache } from "../castore/view/Checkout.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import type { PathInfo } from "../store/PathInfo.ts"

export class LinkFailed extends Schema.TaggedError<LinkFailed>()("LinkFailed", { link: Schema.String, detail: Schema.String }) {
  override get message(): string {
    return `cannot make the link '${this.link}': ${this.detail}; use --out-link to name another one, or --no-out-link`
  }
}

/** `result`, `result-dev`; of the second derivation `result-2`, `result-2-dev`. */
export const linkName = (stem: string, index: number, output: ByteString): string =>
  `${stem}${index === 0 ? "" : `-${index + 1}`}${output === "out" || output === "" ? "" : `-${toUnicode(output)}`}`

/** Points the link to a checkout of the path, in place of an earlier link; whole or not at all. Nothing but a link is ever replaced. */
export const makeLink = Effect.fnUntraced(function* (link: string, info: PathInfo) {
  const checkouts = yield* CheckoutCache
  const target = yield* checkouts.path(info.node)
  yield* Effect.try({
    try: () => {
      const present = fs.lstatSync(link, { throwIfNoEntry: false })
      if (present !== undefined && !present.isSymbolicLink()) throw new Error("something that is no link has this name")
      const temporary = path.join(path.dirname(link), `.${path.basename(link)}.${process.pid}`)
      fs.symlinkSync(target, temporary)
      try {
        fs.renameSync(temporary, link)
      } catch (error) {
        fs.rmSync(temporary, { force: true })
        throw error
      }
    },
    catch: (error) => new LinkFailed({ link, detail: error instanceof Error ? error.message : String(error) })
  })
})
