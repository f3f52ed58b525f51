/**
 * A world for evaluations in tests: files in memory, a store that only computes paths, environment and time fixed. And an evaluator on it that gives
 * what `nix-instantiate --eval --strict` would print, or the error's message.
 */
import * as Crypto from "../../../src/nix/Crypto.ts"
import { createHash } from "node:crypto"
import { fromUnicode, toBytes, toUnicode } from "../../../src/nix/Bytes.ts"
import { makeText } from "../../../src/nix/StorePath.ts"
import { deepForce } from "../../../src/eval/DeepForce.ts"
import { makeMachine, program, textValue } from "../../../src/eval/Evaluate.ts"
import { force } from "../../../src/eval/Force.ts"
import type { FileType, IoAnswer, IoHost, IoRequest } from "../../../src/eval/IoRequest.ts"
import type { Settings } from "../../../src/eval/Machine.ts"
import { printValue } from "../../../src/eval/Print.ts"
import { toJson } from "../../../src/eval/ToJson.ts"
import { toXml } from "../../../src/eval/ToXml.ts"
import type { Value } from "../../../src/eval/Value.ts"

Crypto.install({
  hash: (algorithm, bytes) => createHash(algorithm).update(bytes).digest(),
  hasher: (algorithm) => {
    const hash = createHash(algorithm)
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() }
  },
  sign: () => new Uint8Array(64),
  verify: () => false
})

/** A directory is an object, a file a text, a symlink `{ "->": target }` with nothing else. */
export type Tree = string | { readonly [name: string]: Tree }

const failure = (message: string): IoAnswer => ({ ok: false, failure: { message, kind: "missing", exitCode: undefined } })
const answer = (value: unknown): IoAnswer => ({ ok: true, value })

const typeOf = (tree: Tree): FileType => (typeof tree === "string" ? "regular" : "->" in tree ? "symlink" : "directory")

/** A host over a tree; lines for the user are pushed to `lines`. */
export const host = (root: Tree, lines: Array<string> = []): IoHost => {
  const lookup = (path: string): Tree | undefined => {
    let at: Tree | undefined = root
    for (const name of path.split("/").filter((part) => part !== "")) {
      if (at === undefined || typeof at === "string" || !Object.hasOwn(at, name)) return undefined
      at = at[name]
    }
    return at
  }
  const follow = (path: string): Tree | undefined => {
    const tree = lookup(path)
    return tree !== undefined && typeof tree !== "string" && "->" in tree ? follow(tree["->"] as string) : tree
  }
  const ask = (request: IoRequest): IoAnswer => {
    switch (request._tag) {
      case "ReadFile": {
        const tree = follow(request.path)
        if (tree === undefined) return failure(`path '${request.path}' does not exist`)
        return typeof tree === "string" ? answer(tree) : failure("read of 4096 bytes: Is a directory")
      }
      case "ReadDirectory": {
        const tree = follow(request.path)
        if (tree === undefined) return failure(`path '${request.path}' does not exist`)
        if (typeof tree === "string") return failure(`cannot read directory "${request.path}": Not a directory`)
        return answer(Object.entries(tree).map(([name, inner]) => [name, typeOf(inner)]))
      }
      case "PathType": {
        const tree = request.follow ? follow(request.path) : lookup(request.path)
        return answer(tree === undefined ? undefined : typeOf(tree))
      }
      case "References":
        return { ok: true, value: [] }
      case "ReadLink":
        return answer((lookup(request.path) as { "->": string })["->"])
      case "Environment":
        return answer(request.name === "TEST_VAR" ? "foo" : "")
      case "CurrentTime":
        return answer(1_700_000_000)
      case "AddText":
        return answer(makeText(request.name, createHash("sha256").update(toBytes(request.contents)).digest(), request.references))
      case "AddSource":
        return answer(`/nix/store/${"0".repeat(32)}-${request.name}`)
      case "Realise":
        return answer(null)
      case "EnsurePath":
        return answer(true)
      case "Fetch":
      case "FetchTree":
      case "FetchClosure":
        return failure("there is no network here")
    }
  }
  return {
    ask,
    release: () => {},
    wait: () => true,
    print: (line) => void lines.push(toUnicode(line)),
    interrupted: () => false
  }
}

export type Mode = "print" | "json" | "xml"

export interface Result {
  readonly ok: boolean
  /** What would be printed, or the error's message; Unicode. */
  readonly text: string
  readonly lines: Array<string>
}

const tree: Tree = { etc: { passwd: "root\n" }, dir: { "a.txt": "alpha", link: { "->": "/dir/a.txt" }, sub: { b: "" } }, "nul.bin": "a\0b" }

const printed = (value: Value, mode: Mode): string => {
  if (mode === "json") return toJson(value, new Set(), true)
  if (mode === "xml") return toXml(value, new Set(), false).slice(0, -1)
  return printValue(deepForce(value))
}

/** Evaluates an expression (Unicode) from `directory`, strictly. */
export const evaluate = (
  expression: string,
  options: {
    readonly mode?: Mode
    readonly directory?: string
    readonly host?: (lines: Array<string>) => IoHost
    readonly settings?: Partial<Settings>
  } = {}
): Result => {
  const lines: Array<string> = []
  const machine = makeMachine((options.host ?? ((to) => host(tree, to)))(lines), options.settings)
  const outcome = program(machine, () =>
    printed(force(textValue(fromUnicode(expression), { _tag: "String" }, options.directory ?? "/dir")), options.mode ?? "print")
  ).run()
  switch (outcome._tag) {
    case "Done":
      return { ok: true, text: toUnicode(outcome.value), lines }
    case "Failed":
      return { ok: false, text: toUnicode(outcome.error.message), lines }
    default:
      return { ok: false, text: outcome._tag, lines }
  }
}

/** The result in the form of the recorded tables: what is printed, or `error: ` and the error's first line. */
export const agrees = (expression: string, expected: string): string => {
  const result = evaluate(expression, { settings: { readOnly: true } })
  return result.ok ? result.text : `error: ${expected.includes("\n") ? result.text : result.text.split("\n")[0]}`
}
