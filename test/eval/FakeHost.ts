/**
 * A host without a world: files from a map, and far requests that are answered when the test says so.
 *
 * `fetchurl "fake:/NAME"` is the far request of these tests: it gives a store path whose file holds the content registered for NAME.
 */
import { installNode } from "../../src/castore/crypto/Node.ts"
import type { FarRequest, IoAnswer, IoHost, IoRequest } from "../../src/eval/IoRequest.ts"
import { requestKey } from "../../src/eval/IoRequest.ts"
import type { ByteString } from "../../src/nix/Bytes.ts"
import { toBytes } from "../../src/nix/Bytes.ts"
import { hash } from "../../src/nix/Crypto.ts"
import { makeText } from "../../src/nix/StorePath.ts"

installNode()

export interface Content {
  readonly text: ByteString
  /** The far request fails with this. */
  readonly failure?: string
}

interface Pending {
  readonly key: string
  readonly answer: IoAnswer
  readonly name: string
}

const isFar = (request: IoRequest): request is FarRequest =>
  ["Realise", "AddSource", "AddText", "Fetch", "FetchTree", "FetchClosure", "EnsurePath"].includes(request._tag)

/** A small repeatable generator (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Whole numbers from 0 to below what is asked, from such a generator. */
export const randomBelow = (seed: number): ((below: number) => number) => {
  const next = random(seed)
  return (below) => Math.floor(next() * below)
}

export type Manner =
  /** Every answer at once. */
  | { readonly kind: "at-once" }
  /** `wait` answers one pending request; `next` picks it, or says that a timed wait runs out. */
  | { readonly kind: "blocking"; readonly next: (pending: ReadonlyArray<string>, timed: boolean) => number | undefined }
  /** Nothing can wait; `answer` is called between the runs. */
  | { readonly kind: "unwinding" }

export class FakeHost implements IoHost {
  readonly lines: Array<ByteString> = []
  /** Names of far requests in the order they started. */
  readonly started: Array<string> = []
  readonly released: Array<string> = []
  /** How often anything was asked. */
  asked = 0
  /** For each wait: names pending, and whether it was timed. */
  readonly waits: Array<{ readonly pending: ReadonlyArray<string>; readonly timed: boolean }> = []
  readonly wait: IoHost["wait"]
  readonly #files: ReadonlyMap<string, ByteString>
  readonly #contents: ReadonlyMap<string, Content>
  readonly #answers = new Map<string, IoAnswer>()
  readonly #paths = new Map<string, ByteString>()
  #pending: Array<Pending> = []
  readonly #manner: Manner

  constructor(contents: Record<string, Content>, manner: Manner = { kind: "at-once" }, files: Record<string, ByteString> = {}) {
    this.#contents = new Map(Object.entries(contents))
    this.#files = new Map(Object.entries(files))
    this.#manner = manner
    this.wait =
      manner.kind !== "blocking"
        ? undefined
        : (_requests, milliseconds) => {
            const timed = milliseconds !== undefined
            const names = this.#pending.map((p) => p.name)
            this.waits.push({ pending: names, timed })
            if (names.length === 0) throw new Error("waits for nothing")
            const index = manner.next(names, timed)
            if (index === undefined) {
              if (!timed) throw new Error("a wait without limit ran out")
              return false
            }
            this.answer(index)
            return true
          }
  }

  get pending(): ReadonlyArray<string> {
    return this.#pending.map((p) => p.name)
  }

  /** Gives the answer of one pending request. */
  answer(index: number): void {
    const [pending] = this.#pending.splice(index, 1)
    if (pending === undefined) throw new Error("no such pending request")
    this.#answers.set(pending.key, pending.answer)
  }

  ask(request: IoRequest): IoAnswer | undefined {
    this.asked++
    const key = requestKey(request)
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    if (!isFar(request)) return this.#near(request)
    if (this.#pending.some((p) => p.key === key)) return undefined
    const [name, answer] = this.#far(request)
    this.started.push(name)
    if (this.#manner.kind === "at-once") {
      this.#answers.set(key, answer)
      return answer
    }
    this.#pending.push({ key, answer, name })
    return undefined
  }

  #near(request: IoRequest): IoAnswer {
    if (request._tag === "PathType") {
      const there = this.#files.has(request.path) || this.#paths.has(request.path)
      return { ok: true, value: there ? "regular" : undefined }
    }
    if (request._tag === "ReadFile") {
      const text = this.#files.get(request.path) ?? this.#paths.get(request.path)
      if (text !== undefined) return { ok: true, value: text }
      return { ok: false, failure: { kind: "missing", message: `path '${request.path}' does not exist`, exitCode: undefined } }
    }
    if (request._tag === "References") return { ok: true, value: [] }
    if (request._tag === "Environment") return { ok: true, value: "" }
    if (request._tag === "CurrentTime") return { ok: true, value: 1 }
    return { ok: false, failure: { kind: "missing", message: `nothing answers ${request._tag}`, exitCode: undefined } }
  }

  #far(request: FarRequest): readonly [string, IoAnswer] {
    if (request._tag === "Fetch") {
      const name = request.url.slice("fake:/".length)
      const content = this.#contents.get(name)
      if (content === undefined || content.failure !== undefined) {
        return [name, { ok: false, failure: { kind: "fetch", message: content?.failure ?? `no ${name}`, exitCode: undefined } }]
      }
      const path = makeText(name, hash("sha256", toBytes(content.text)))
      this.#paths.set(path, content.text)
      return [name, { ok: true, value: path }]
    }
    if (request._tag === "Realise") return [`realise ${request.elements.length}`, { ok: true, value: null }]
    if (request._tag === "AddText") {
      const path = makeText(request.name, hash("sha256", toBytes(request.contents)), request.references)
      this.#paths.set(path, request.contents)
      return [request.name, { ok: true, value: path }]
    }
    return [request._tag, { ok: false, failure: { kind: "io", message: `nothing answers ${request._tag}`, exitCode: undefined } }]
  }

  release(request: FarRequest): void {
    const key = requestKey(request)
    const index = this.#pending.findIndex((p) => p.key === key)
    if (index < 0) return
    this.released.push(this.#pending[index]!.name)
    this.#pending.splice(index, 1)
  }

  print(line: ByteString): void {
    this.lines.push(line)
  }

  interrupted(): boolean {
    return false
  }
}
