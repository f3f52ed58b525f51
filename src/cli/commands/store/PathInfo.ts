/**
 * `yix store path-info`: what the store knows about store paths.
 */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Digest from "../../../castore/Digest.ts"
import type { Node } from "../../../castore/Node.ts"
import { toUnicode } from "../../../nix/Bytes.ts"
import { printHash } from "../../../nix/Hash.ts"
import { closure } from "../../../store/Closure.ts"
import type { PathInfo } from "../../../store/PathInfo.ts"
import { Switch } from "../../CommonFlags.ts"
import { printTextLine } from "../../Output.ts"
import { parsePath, pathInfoOf } from "../../StoreQueries.ts"
import { withStore } from "../../World.ts"

const narHash = (info: PathInfo): string => printHash({ algorithm: "sha256", digest: info.narHash }, "sri")

const nodeJson = (node: Node) => {
  switch (node._tag) {
    case "Directory":
      return { type: "directory", digest: Digest.toText(node.digest), size: node.size }
    case "File":
      return { type: "regular", digest: Digest.toText(node.digest), size: node.size, executable: node.executable }
    case "Symlink":
      return { type: "symlink", target: toUnicode(node.target) }
  }
}

const nodeText = (node: Node): string =>
  node._tag === "Symlink"
    ? `symlink to ${toUnicode(node.target)}`
    : `${node._tag === "Directory" ? "directory" : node.executable ? "executable file" : "file"} ${Digest.toText(node.digest)}`

/** Field names as in `nix path-info --json`, and the root node. */
const jsonOf = (info: PathInfo) => ({
  ca: info.ca ?? null,
  deriver: info.deriver ?? null,
  narHash: narHash(info),
  narSize: info.narSize,
  node: nodeJson(info.node),
  references: info.references,
  registrationTime: info.registrationTime,
  signatures: info.signatures
})

const textOf = (info: PathInfo): string => {
  const lines = [
    info.path,
    `  contents:    ${nodeText(info.node)}`,
    `  NAR:         ${narHash(info)}, ${info.narSize} bytes`,
    `  references:  ${info.references.length === 0 ? "none" : ""}`,
    ...info.references.map((reference) => `    ${reference}`),
    `  derivation:  ${info.deriver ?? "unknown"}`,
    `  registered:  ${new Date(info.registrationTime * 1000).toISOString()}`
  ]
  if (info.ca !== undefined) lines.push(`  address:     ${info.ca}`)
  for (const signature of info.signatures) lines.push(`  signature:   ${signature}`)
  return lines.map((line) => line.trimEnd()).join("\n")
}

export const pathInfoCommand = Command.make(
  "path-info",
  {
    paths: Argument.String("PATH").pipe(Argument.atLeast(1), Argument.withDescription("Store paths")),
    closure: Switch("closure").pipe(Flag.withDescription("All that they refer to, too, references first")),
    json: Switch("json").pipe(Flag.withDescription("Print JSON: an object with an entry for each path"))
  },
  Effect.fn("yix store path-info")(function* (input) {
    const infos = yield* withStore(
      Effect.gen(function* () {
        const asked = yield* Effect.forEach(input.paths, (text) => Effect.flatMap(parsePath(text), pathInfoOf))
        return input.closure ? yield* closure(asked.map((info) => info.path)) : asked
      })
    )
    yield* printTextLine(
      input.json ? JSON.stringify(Object.fromEntries(infos.map((info) => [info.path, jsonOf(info)]))) : infos.map(textOf).join("\n\n")
    )
  })
).pipe(Command.withDescription("Tell what the store knows about paths"))
