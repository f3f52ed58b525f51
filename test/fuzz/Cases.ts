/**
 * Cases by kind, seed and number; the same always.
 */
import type { ByteString } from "../../src/nix/Bytes.ts"
import { fromUnicode } from "../../src/nix/Bytes.ts"
import { type Answer, evaluated, matched, parsed } from "./Answers.ts"
import { program } from "./EvalGenerator.ts"
import { Random } from "./Random.ts"
import { pair } from "./RegexGenerator.ts"
import { text } from "./SyntaxGenerator.ts"
import { render, type Tree } from "./Tree.ts"

export const kinds = ["regex", "parse", "eval"] as const
export type Kind = (typeof kinds)[number]

export interface Case {
  readonly kind: Kind
  readonly name: string
  readonly text: ByteString
  /** What a pattern is matched with. */
  readonly subject?: ByteString
  readonly tree?: Tree
}

/** The file of a program: what `nix-instantiate` would do with a function at its top is not asked. */
export const fileOf = (tree: Tree): ByteString => fromUnicode(`[(\n${render(tree)}\n)]\n`)

export const makeCase = (kind: Kind, seed: number, index: number): Case => {
  const name = `${kind} ${seed} ${index}`
  const random = new Random(name)
  switch (kind) {
    case "regex": {
      const [pattern, subject] = pair(random)
      return { kind, name, text: pattern, subject }
    }
    case "parse":
      return { kind, name, text: text(random) }
    case "eval": {
      const tree = program(random)
      return { kind, name, text: fileOf(tree), tree }
    }
  }
}

/** What yix answers. */
export const answerOf = (one: Case): Answer =>
  one.kind === "regex" ? matched(one.text, one.subject ?? "") : one.kind === "parse" ? parsed(one.text) : evaluated(one.text)
