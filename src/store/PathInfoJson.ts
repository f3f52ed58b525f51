/**
 * Path infos as JSON, key for key as `nix path-info --json --json-format 1` and `2` of Nix 2.34 print them.
 *
 * Format 1 has full store paths and hashes as texts; format 2 has base names and content addresses taken apart. What is asked of a binary cache also says which file is
 * to be downloaded, and has no registration time. `ultimate` (built here, in Nix's own database) is not recorded and always false.
 */
import { toUnicode } from "../nix/Bytes.ts"
import { parseContentAddress } from "../nix/ContentAddress.ts"
import { printHash } from "../nix/Hash.ts"
import { baseName, type StorePath, storeDir } from "../nix/StorePath.ts"
import type { Offer } from "./Offer.ts"

export type PathInfoFormat = 1 | 2

const methodNames = { flat: "flat", recursive: "nar", text: "text", git: "git" } as const

const structured = (ca: string) => {
  const { method, hash } = parseContentAddress(ca)
  return { hash: printHash(hash, "sri"), method: methodNames[method] }
}

const entryOf = ({ told, file }: Offer, format: PathInfoFormat): Readonly<Record<string, unknown>> => {
  const pathOf = (path: StorePath) => toUnicode(format === 1 ? path : baseName(path))
  return {
    ca: told.ca === undefined ? null : format === 1 ? told.ca : structured(told.ca),
    ...(file === undefined ? {} : { compression: file.compression }),
    deriver: told.deriver === undefined ? null : pathOf(told.deriver),
    ...(file?.hash === undefined ? {} : { downloadHash: file.hash }),
    ...(file?.size === undefined ? {} : { downloadSize: file.size }),
    narHash: printHash({ algorithm: "sha256", digest: told.narHash }, "sri"),
    narSize: told.narSize,
    references: told.references.map(pathOf),
    registrationTime: file === undefined ? told.registrationTime : null,
    signatures: told.signatures,
    storeDir,
    ultimate: false,
    ...(file === undefined ? {} : { url: file.url }),
    version: format
  }
}

/** The whole answer. Paths that are not there (`undefined`) become null. `more`: further keys for each. */
export const pathInfoJson = (
  offers: ReadonlyArray<readonly [path: StorePath, offer: Offer | undefined]>,
  format: PathInfoFormat,
  more: (offer: Offer) => Readonly<Record<string, unknown>> = () => ({})
): unknown => {
  const entries = Object.fromEntries(
    offers.map(([path, offer]) => [
      toUnicode(format === 1 ? path : baseName(path)),
      offer === undefined ? null : { ...entryOf(offer, format), ...more(offer) }
    ])
  )
  return format === 1 ? entries : { info: entries, storeDir, version: format }
}
