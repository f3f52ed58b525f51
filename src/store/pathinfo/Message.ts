/**
 * Path infos as messages `snix.store.v1.PathInfo`, and what is checked of them (shared/reference/anchors.md §3.4).
 *
 * A message names references by digest and, beside them, by base name; both must agree. The deriver goes without its `.drv`. The time of registration is an addition of
 * yix; a message without it has the time 0.
 */
import { create } from "@bufbuild/protobuf"
import { InvalidData } from "../../castore/CastoreError.ts"
import * as EntryMessage from "../../castore/EntryMessage.ts"
import * as Base64 from "../../nix/Base64.ts"
import { parseContentAddress, printContentAddress } from "../../nix/ContentAddress.ts"
import { digestLength, type NixHashAlgorithm } from "../../nix/Hash.ts"
import {
  baseName,
  derivationSuffix,
  digestOf,
  fromBaseName,
  fromDigestAndName,
  type IngestionMethod,
  nameOf,
  type StorePath
} from "../../nix/StorePath.ts"
import { NARInfo_CA_Hash, type PathInfo as Message, PathInfoSchema } from "../../wire/gen/snix/store/v1/pathinfo_pb.ts"
import type { PathInfo } from "../PathInfo.ts"
import { check } from "./Rules.ts"

const hashes: ReadonlyArray<readonly [type: NARInfo_CA_Hash, method: IngestionMethod, algorithm: NixHashAlgorithm]> = [
  [NARInfo_CA_Hash.NAR_SHA256, "recursive", "sha256"],
  [NARInfo_CA_Hash.NAR_SHA1, "recursive", "sha1"],
  [NARInfo_CA_Hash.NAR_SHA512, "recursive", "sha512"],
  [NARInfo_CA_Hash.NAR_MD5, "recursive", "md5"],
  [NARInfo_CA_Hash.TEXT_SHA256, "text", "sha256"],
  [NARInfo_CA_Hash.FLAT_SHA1, "flat", "sha1"],
  [NARInfo_CA_Hash.FLAT_MD5, "flat", "md5"],
  [NARInfo_CA_Hash.FLAT_SHA256, "flat", "sha256"],
  [NARInfo_CA_Hash.FLAT_SHA512, "flat", "sha512"]
]

const refuse = (path: string, detail: string): never => {
  throw new InvalidData({ what: `path info of '${path}'`, detail })
}

/** Runs code of `nix/` that throws errors of its own. */
const told = <A>(path: string, run: () => A): A => {
  try {
    return run()
  } catch (cause) {
    return refuse(path, cause instanceof Error ? cause.message : String(cause))
  }
}

const signatureLength = 64

/** The message. Throws `InvalidData` when the path info breaks a rule or has what the protocol cannot say. */
export const toMessage = (info: PathInfo): Message => {
  check(info)
  const { path, deriver, ca } = info
  if (deriver !== undefined && !deriver.endsWith(derivationSuffix)) refuse(path, `its deriver '${deriver}' is no derivation`)
  const address = ca === undefined ? undefined : told(path, () => parseContentAddress(ca))
  const kind =
    address === undefined
      ? undefined
      : hashes.find(([, method, algorithm]) => method === address.method && algorithm === address.hash.algorithm)
  if (address !== undefined && kind === undefined) refuse(path, `its content address '${ca}' is of a kind that cannot be sent over gRPC`)
  return create(PathInfoSchema, {
    entry: EntryMessage.toMessage({ name: baseName(path), node: info.node }),
    references: info.references.map(digestOf),
    registrationTime: BigInt(Math.max(0, info.registrationTime)),
    narinfo: {
      narSize: BigInt(info.narSize),
      narSha256: info.narHash,
      referenceNames: info.references.map(baseName),
      signatures: info.signatures.map((signature) => {
        const colon = signature.indexOf(":")
        const data = Base64.decode(signature.slice(colon + 1))
        if (data?.length !== signatureLength) return refuse(path, `its signature '${signature}' does not have ${signatureLength} bytes`)
        return { name: signature.slice(0, colon), data }
      }),
      ...(deriver === undefined
        ? {}
        : { deriver: { name: nameOf(deriver).slice(0, -derivationSuffix.length), digest: digestOf(deriver) } }),
      ...(address === undefined || kind === undefined ? {} : { ca: { type: kind[0], digest: address.hash.digest } })
    }
  })
}

/** Reads a message. Throws `InvalidData` when it breaks a rule. */
export const fromMessage = (message: Message): PathInfo => {
  const { name, node } = EntryMessage.fromMessage(message.entry)
  const path = told(name, () => fromBaseName(name))
  const { narinfo } = message
  if (narinfo === undefined) return refuse(path, "it says nothing about the NAR")
  const { signatures, referenceNames, deriver, ca } = narinfo
  if (referenceNames.length !== message.references.length) {
    refuse(path, `it has ${message.references.length} references and ${referenceNames.length} names of references`)
  }
  const references = referenceNames.map((text, index): StorePath => {
    const digest = message.references[index]!
    if (digest.length !== 20) refuse(path, `a reference has ${digest.length} bytes instead of 20`)
    const reference = told(path, () => fromBaseName(text))
    if (Buffer.compare(digestOf(reference), digest) !== 0) refuse(path, `its reference ${index + 1} has not the digest of '${reference}'`)
    return reference
  })
  const kind = ca === undefined ? undefined : hashes.find(([type]) => type === ca.type)
  if (ca !== undefined && kind === undefined) refuse(path, `its content address is of the unknown kind ${ca.type}`)
  if (ca !== undefined && kind !== undefined && ca.digest.length !== digestLength[kind[2]]) {
    refuse(path, `its content address has ${ca.digest.length} bytes, ${kind[2]} has ${digestLength[kind[2]]}`)
  }
  if (deriver !== undefined && deriver.digest.length !== 20) refuse(path, `its deriver has ${deriver.digest.length} bytes instead of 20`)
  const info: PathInfo = {
    path,
    node,
    references: references.sort(),
    narSize: Number(narinfo.narSize),
    narHash: Uint8Array.from(narinfo.narSha256),
    signatures: signatures.map(({ name, data }) => {
      if (data.length !== signatureLength) refuse(path, `a signature has ${data.length} bytes instead of ${signatureLength}`)
      return `${name}:${Base64.encode(data)}`
    }),
    deriver: deriver === undefined ? undefined : told(path, () => fromDigestAndName(deriver.digest, `${deriver.name}${derivationSuffix}`)),
    ca:
      ca === undefined || kind === undefined
        ? undefined
        : printContentAddress({ method: kind[1], hash: { algorithm: kind[2], digest: Uint8Array.from(ca.digest) } }),
    registrationTime: Number(message.registrationTime)
  }
  check(info)
  return info
}
