/**
 * What realising targets would do, for `--dry-run`: which derivations would be built and which paths fetched, as far as is known beforehand. Does nothing of it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StorePath } from "../../nix/StorePath.ts"
import { Realiser, type Target } from "../../realise/Realiser.ts"
import { Substituters } from "../../realise/Substituters.ts"
import { offerOf } from "../../store/Offer.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { tell } from "../StandardStreams.ts"

export interface Plan {
  /** What others need comes first. */
  readonly built: ReadonlyArray<StorePath>
  readonly fetched: ReadonlyArray<StorePath>
  /** Neither there, nor to be had, nor is it known how to make them. */
  readonly unknown: ReadonlyArray<StorePath>
}

type State = "present" | "offered" | "missing"

/** What was found out of paths, so that the plans of one run need not ask again. */
export type PathStates = Map<StorePath, State>

export const planOf = Effect.fnUntraced(function* (targets: ReadonlyArray<Target>, states: PathStates = new Map()) {
  const realiser = yield* Realiser
  const infos = yield* PathInfoService
  const substituters = yield* Substituters
  const built: Array<StorePath> = []
  const fetched = new Set<StorePath>()
  const unknown: Array<StorePath> = []
  const entered = new Set<StorePath>()

  const find = Effect.fnUntraced(function* (path: StorePath): Effect.fn.Return<State, { readonly message: string }> {
    if (Option.isSome(yield* infos.get(path))) return "present"
    for (const { pathInfos } of substituters) {
      const offer = yield* Effect.catch(offerOf(pathInfos, path), () => Effect.succeedNone)
      if (Option.isSome(offer)) return "offered"
    }
    return "missing"
  })

  const stateOf = Effect.fnUntraced(function* (path: StorePath) {
    const known = states.get(path)
    if (known !== undefined) return known
    const state = yield* find(path)
    states.set(path, state)
    return state
  })

  type Step = { readonly drvPath: StorePath; readonly outputs: ReadonlyArray<string> | undefined; readonly leave: boolean }
  const stack: Array<Step> = []
  for (const target of targets) {
    if (target._tag === "Derivation") stack.push({ ...target, leave: false })
    else {
      const state = yield* stateOf(target.path)
      if (state === "offered") fetched.add(target.path)
      else if (state === "missing") unknown.push(target.path)
    }
  }
  stack.reverse()
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    const { drvPath } = step
    if (step.leave) {
      built.push(drvPath)
      continue
    }
    if (entered.has(drvPath)) continue
    const derivation = yield* realiser.derivation(drvPath)
    const wanted = step.outputs ?? [...derivation.outputs.keys()]
    let missing = false
    const offered: Array<StorePath> = []
    for (const output of wanted) {
      const path = derivation.outputs.get(output)?.path
      const state = path === undefined || path === "" ? "missing" : yield* stateOf(path as StorePath)
      if (state === "missing") missing = true
      if (state === "offered") offered.push(path as StorePath)
    }
    if (!missing) {
      for (const path of offered) fetched.add(path)
      continue
    }
    entered.add(drvPath)
    stack.push({ ...step, leave: true })
    for (const [input, outputs] of [...derivation.inputDerivations].reverse())
      stack.push({ drvPath: input, outputs: [...outputs], leave: false })
  }
  return { built, fetched: [...fetched].sort(), unknown } satisfies Plan
})

const listed = (one: string, many: string, paths: ReadonlyArray<StorePath>): void => {
  if (paths.length === 0) return
  tell(`${paths.length === 1 ? `this ${one}` : `these ${paths.length} ${many}`}:`)
  for (const path of paths) tell(`  ${path}`)
}

/** Tells the plan on standard error, in the words of Nix. */
export const tellPlan = (targets: ReadonlyArray<Target>) =>
  Effect.map(planOf(targets), ({ built, fetched, unknown }) => {
    listed("derivation will be built", "derivations will be built", built)
    listed("path will be fetched", "paths will be fetched", fetched)
    listed("path is not known how to be made", "paths are not known how to be made", unknown)
  })
