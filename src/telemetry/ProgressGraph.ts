/**
 * What waits on what: the derivations that will be built with the edges between them, the evaluations that wait for some, and what became of each path. Grows in place, since
 * there may be ten thousand derivations with ten inputs each before the first one begins.
 */

/** A derivation that waits to be built. */
export interface Plan {
  readonly path: string
  readonly name: string
  /** Its place among plans and works: earlier ones have smaller numbers. */
  readonly order: number
  /** Derivations and sources that it is built from. */
  readonly inputs: ReadonlyArray<string>
  /** The end of the way from one to the next that waited for it, when it was planned; its own path if nobody did. */
  readonly goal: string
}

type Fate = "waiting" | "begun" | "reused"

/** Those who need a path, oldest first; those before `from` wait no more. */
interface Dependents {
  readonly paths: Array<string>
  from: number
}

export class ProgressGraph {
  readonly #fates = new Map<string, Fate>()
  /** In the order in which they were heard of. */
  readonly #plans = new Map<string, Plan>()
  readonly #dependents = new Map<string, Dependents>()
  /** The numbers of the evaluations that need what is in a path, one for each time they said so. */
  readonly #awaited = new Map<string, Array<number>>()
  readonly #makers = new Map<string, string>()

  /** Derivations that will be built and have not begun. */
  get waiting(): number {
    return this.#plans.size
  }

  /** Those that wait, oldest first. */
  plans(): Iterable<Plan> {
    return this.#plans.values()
  }

  plan(path: string): Plan | undefined {
    return this.#plans.get(path)
  }

  fate(path: string): Fate | undefined {
    return this.#fates.get(path)
  }

  /** The derivation that an output belongs to, where one was named. */
  maker(output: string): string | undefined {
    return this.#makers.get(output)
  }

  /** As long as somebody waits for a path: who does. An evaluation by its number, else a derivation: of those that wait the one heard of first. */
  dependent(path: string): number | string | undefined {
    const evaluation = this.#awaited.get(path)?.[0]
    if (evaluation !== undefined) return evaluation
    const dependents = this.#dependents.get(path)
    if (dependents === undefined) return undefined
    while (dependents.from < dependents.paths.length && !this.#plans.has(dependents.paths[dependents.from]!)) dependents.from++
    return dependents.paths[dependents.from]
  }

  /** A derivation waits from now on. One that was heard of before is none. */
  add(path: string, name: string, order: number, inputs: ReadonlyArray<string>): void {
    if (this.#fates.has(path)) return
    this.#fates.set(path, "waiting")
    const dependent = this.#dependents.get(path)?.paths.find((other) => this.#plans.has(other))
    const goal = (dependent === undefined ? undefined : this.#plans.get(dependent)?.goal) ?? path
    this.#plans.set(path, { path, name, order, inputs, goal })
    for (const input of inputs) {
      const dependents = this.#dependents.get(input)
      if (dependents === undefined) this.#dependents.set(input, { paths: [path], from: 0 })
      else dependents.paths.push(path)
    }
  }

  /** A derivation waits no more, since it has begun, was found to be there, or (without a fate) is given up. */
  settle(path: string, fate: "begun" | "reused" | undefined): void {
    this.#plans.delete(path)
    if (fate === undefined) this.#fates.delete(path)
    else this.#fates.set(path, fate)
  }

  makes(derivation: string, outputs: ReadonlyArray<string>): void {
    for (const output of outputs) this.#makers.set(output, derivation)
  }

  await(evaluation: number, paths: ReadonlyArray<string>): void {
    for (const path of paths) {
      const evaluations = this.#awaited.get(path)
      if (evaluations === undefined) this.#awaited.set(path, [evaluation])
      else evaluations.push(evaluation)
    }
  }

  resume(evaluation: number, paths: ReadonlyArray<string>): void {
    for (const path of paths) {
      const evaluations = this.#awaited.get(path)
      const at = evaluations?.indexOf(evaluation) ?? -1
      if (at >= 0) evaluations!.splice(at, 1)
      if (evaluations?.length === 0) this.#awaited.delete(path)
    }
  }
}
