/**
 * Listings: what a NAR holds and where, as the JSON of `.ls` files in binary caches. Pure.
 *
 *     {"version":1,"root":{"type":"directory","entries":{"x":{"type":"regular","size":3,"narOffset":400,"executable":true},…}}}
 */
import { toUnicode } from "./Bytes.ts"
import type { ByteString } from "./Bytes.ts"
import type { NarHandler } from "./Nar.ts"
import { NarReader } from "./NarReader.ts"

export type NarListing =
  /** `narOffset`: where in the NAR the contents begin. */
  | { readonly _tag: "File"; readonly size: number; readonly executable: boolean; readonly narOffset: number }
  | { readonly _tag: "Symlink"; readonly target: ByteString }
  /** Names in bytewise order. */
  | { readonly _tag: "Directory"; readonly entries: ReadonlyMap<ByteString, NarListing> }

/** Makes the listing of a NAR whose bytes it is given. */
export class NarLister {
  private readonly reader: NarReader
  private root: NarListing | undefined
  private readonly open: Array<Map<ByteString, NarListing>> = []

  /** `sizeLimit` as for `NarReader`. */
  constructor(sizeLimit?: number) {
    const handler: NarHandler = {
      directoryStart: (name) => {
        const entries = new Map<ByteString, NarListing>()
        this.add(name, { _tag: "Directory", entries })
        this.open.push(entries)
      },
      directoryEnd: () => void this.open.pop(),
      fileStart: (name, size, executable) => this.add(name, { _tag: "File", size, executable, narOffset: this.reader.contentsOffset }),
      fileData: () => {},
      fileEnd: () => {},
      symlink: (name, target) => this.add(name, { _tag: "Symlink", target })
    }
    this.reader = new NarReader(handler, sizeLimit)
  }

  /** Takes the next bytes. Throws `NarError`. */
  push(chunk: Uint8Array): void {
    this.reader.push(chunk)
  }

  /** The listing. Throws `NarError` where the NAR is not complete. */
  end(): NarListing {
    this.reader.end()
    return this.root!
  }

  private add(name: ByteString, node: NarListing): void {
    const parent = this.open.at(-1)
    if (parent === undefined) this.root = node
    else parent.set(name, node)
  }
}

const text = (value: ByteString): string => JSON.stringify(toUnicode(value))

const printNode = (node: NarListing): string => {
  switch (node._tag) {
    case "File":
      return `{${node.executable ? '"executable":true,' : ""}"narOffset":${node.narOffset},"size":${node.size},"type":"regular"}`
    case "Symlink":
      return `{"target":${text(node.target)},"type":"symlink"}`
    case "Directory": {
      const entries = [...node.entries].map(([name, entry]) => `${text(name)}:${printNode(entry)}`)
      return `{"entries":{${entries.join(",")}},"type":"directory"}`
    }
  }
}

/** The JSON of a listing, keys sorted as Nix 2.34 writes it. Written as text, since a JavaScript object would put names like `10` first. */
export const printListing = (listing: NarListing): string => `{"root":${printNode(listing)},"version":1}`
