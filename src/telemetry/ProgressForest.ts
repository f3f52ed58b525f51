/**
 * Which of the work under way a picture of so many rows shows, and what of it hangs on what. Pure.
 *
 * Chosen first is what failed last, then what runs, the longest first; then what waits for that: the goals, direct dependents, theirs. What is needed by several is shown once, below
 * the one that asked first. Where dependents between two shown ones are left out, the lower hangs on the next shown one, which needs it too.
 */
import type { Plan } from "./ProgressGraph.ts"
import type { Failure, Model, Work } from "./ProgressModel.ts"

export type Shown =
  | { readonly _tag: "Work"; readonly work: Work }
  /** `unfinished`: how many of its inputs are not there yet. */
  | { readonly _tag: "Plan"; readonly plan: Plan; readonly unfinished: number }
  | { readonly _tag: "Failure"; readonly failure: Failure }

export interface Tree {
  readonly shown: Shown
  /** What it waits for, from top to bottom. */
  readonly needs: ReadonlyArray<Tree>
}

export interface Forest {
  /** Work that nobody waits for, then goals, evaluations, and what failed. */
  readonly trees: ReadonlyArray<Tree>
  /** What there was no row for. */
  readonly running: number
  readonly waiting: number
}

/** Milliseconds in which copies of local sources are no news: they are too many and too quick. */
const unremarkable = 1000

/** Dependents on the way to a goal that are looked at, before it. */
const farthest = 64

/** A derivation by its path, a piece of work by its number: what others may hang on. */
type Key = number | string

interface Node {
  readonly shown: Shown
  readonly order: number
  /** Nodes on the way to its goal. */
  distance: number
  readonly needs: Array<Node>
}

/** What is to be seen in `rows` rows (all but those of the log lines of failures), with at most `depth` levels. */
export const forestOf = (
  model: Model,
  { rows, failures, depth }: { readonly rows: number; readonly failures: number; readonly depth: number },
  now: number
): Forest => {
  const works = [...model.running.values()].filter((work) => work.kind !== "add-source" || now - work.since >= unremarkable)
  const failed = failures > 0 ? model.failures.slice(-Math.min(failures, rows)) : []
  const rest = rows - failed.length
  const fits = works.length + model.waiting <= rest
  // One row says what is left out.
  const free = fits ? rest : Math.max(0, rest - 1)
  const forWaiting = Math.min(model.waiting, Math.max(free - works.length, Math.floor(free / 3)))
  const running = works.sort((a, b) => a.since - b.since || a.id - b.id).slice(0, free - forWaiting)

  const chains = chainsOf(model)
  const plans = waitingOf(model, [...failed.map(({ path }) => path), ...running.map(({ path }) => path)].map(chains), forWaiting)

  const nodes = new Map<Key, Node>()
  const all: Array<readonly [path: string | undefined, node: Node]> = []
  const add = (key: Key | undefined, path: string | undefined, shown: Shown, order: number): void => {
    const node: Node = { shown, order, distance: 0, needs: [] }
    if (key !== undefined) nodes.set(key, node)
    all.push([path, node])
  }
  const busy = new Set(works.map(({ path }) => path))
  for (const path of plans) {
    const plan = model.graph.plan(path)!
    const unfinished = plan.inputs.reduce((count, input) => count + Number(busy.has(input) || model.graph.plan(input) !== undefined), 0)
    add(path, path, { _tag: "Plan", plan, unfinished }, plan.order)
  }
  for (const work of running) add(work.id, work.path, { _tag: "Work", work }, work.order)
  for (const failure of failed) add(undefined, failure.path, { _tag: "Failure", failure }, failure.order)

  const roots: Array<Node> = []
  for (const [path, node] of all) {
    const above = chains(path).map((key) => nodes.get(key)).filter((other) => other !== undefined) // prettier-ignore
    node.distance = above.length
    // Too deep for the terminal: it hangs on one that is less deep, which needs it as well.
    const dependent = above[Math.max(0, above.length - depth + 1)]
    if (dependent === undefined) roots.push(node)
    else dependent.needs.push(node)
  }
  return {
    trees: sorted(roots).sort((a, b) => rankOf(a.shown) - rankOf(b.shown)),
    running: works.length - running.length,
    waiting: model.waiting - plans.length
  }
}

const sorted = (nodes: ReadonlyArray<Node>): Array<Tree> =>
  // Of what hangs on a node beyond others that are not shown, the farthest stands on top.
  nodes.toSorted((a, b) => b.distance - a.distance || a.order - b.order).map(({ shown, needs }) => ({ shown, needs: sorted(needs) }))

const rankOf = (shown: Shown): number => (shown._tag === "Failure" ? 3 : shown._tag === "Plan" ? 1 : shown.work.kind === "evaluate" ? 2 : 0)

/** Who waits for a path, who waits for that one, and so on: nearest first, the goal last. */
const chainsOf = ({ graph, running }: Model) => {
  const dependents = new Map<string, Key | undefined>()
  const dependentOf = (path: string): Key | undefined => {
    if (!dependents.has(path)) dependents.set(path, graph.dependent(path))
    return dependents.get(path)
  }
  return (path: string | undefined): ReadonlyArray<Key> => {
    const chain: Array<Key> = []
    let at: Key | undefined = path === undefined ? undefined : dependentOf(path)
    while (at !== undefined && chain.length < 2 * farthest) {
      // A number of an evaluation that is over.
      if (typeof at === "number" && !running.has(at)) break
      chain.push(at)
      if (typeof at === "number") break
      // From here on straight to the goal; that may have become an input of another one since.
      const goal: string | undefined = chain.length < farthest ? undefined : graph.plan(at)?.goal
      at = goal !== undefined && goal !== at && graph.plan(goal) !== undefined ? goal : dependentOf(at)
    }
    return chain
  }
}

/** At most `count` derivations that wait: the goals at the ends of the chains, then along them from the work on, then others, the oldest first. */
const waitingOf = ({ graph }: Model, chains: ReadonlyArray<ReadonlyArray<Key>>, count: number): ReadonlyArray<string> => {
  const chosen = new Set<string>()
  const take = (key: Key | undefined): void => {
    if (typeof key === "string" && chosen.size < count) chosen.add(key)
  }
  for (const chain of chains) take(chain.findLast((key) => typeof key === "string"))
  const longest = chains.reduce((length, chain) => Math.max(length, chain.length), 0)
  for (let level = 0; level < longest && chosen.size < count; level++) for (const chain of chains) take(chain[level])
  for (const { path } of graph.plans()) {
    if (chosen.size >= count) break
    take(path)
  }
  return [...chosen]
}
