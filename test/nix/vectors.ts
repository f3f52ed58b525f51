/**
 * Where the vectors recorded from the real Nix lie: `../shared/vectors` beside the checkout. Tests that need them are skipped where it is absent, and only then.
 */
import { existsSync, readFileSync } from "node:fs"
import { describe, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import { installNode } from "../../src/castore/crypto/Node.ts"

installNode()

const root = fileURLToPath(new URL("../../../shared/vectors/", import.meta.url))

/** `describe`, skipped where the vectors are absent; then its body, which reads them, is not even run. */
export const describeVectors = (name: string, body: () => void): void => {
  if (existsSync(root)) describe(name, body)
  else describe(name, () => it.skip("needs ../shared/vectors", () => {}))
}

export const vectorText = (path: string): string => readFileSync(root + path, "utf8")

export const vectorBytes = (path: string): Uint8Array => new Uint8Array(readFileSync(root + path))

export const vectorJson = (path: string): any => JSON.parse(vectorText(path))

export const vectorLines = (path: string): ReadonlyArray<any> =>
  vectorText(path)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

/** A small seeded generator (mulberry32), so that a failing case can be run again. */
export const random = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    bytes: (length: number): Uint8Array => Uint8Array.from({ length }, () => below(256)),
    text: (length: number): string => String.fromCharCode(...Array.from({ length }, () => below(256))),
    pick: <T>(values: ReadonlyArray<T>): T => values[below(values.length)]!
  }
}

/** What `action` throws, or a failure where it does not. */
export const thrown = (action: () => unknown): any => {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error("nothing was thrown")
}
