/**
 * How V8 is set while packages are evaluated: thousands of pieces of code that run a few times each, over ever new shapes, and make values of which most stay.
 *
 * - What its optimising compiler, TurboFan, makes of the evaluator's functions is no faster there than what Maglev makes of them, but takes a quarter of the processor's
 *   time: it rests. Small programs that loop are done later without it.
 * - What has outlived one collection of the young generation is moved to the old one, where V8 would copy it within the young one first, to see whether it outlives
 *   another. The flag that says so is meant for V8's own tests, which have it choose at random; all of them is a choice.
 *
 * So both are set for evaluations that have read many files. The settings are the process's, not the thread's: another program that evaluates keeps its own. And code that
 * Node keeps from run to run is believed only under the settings that it was kept under. So they hold only while the main thread loads nothing, and are what they were
 * before as soon as they may.
 */

/** Files from which on an evaluation is one of packages. */
const manyFiles = 16

const setFlags = (flags: string): void => process.getBuiltinModule("node:v8").setFlagsFromString(flags)

/** Each with what V8 has of itself. */
const settings: ReadonlyArray<readonly [ours: string, usual: string]> = [
  // Else code that is compiled meanwhile would never ask to be optimised.
  ["--force-emit-interrupt-budget-checks", "--no-force-emit-interrupt-budget-checks"],
  ["--no-opt", "--opt"],
  // Of flags that it does not know V8 complains.
  ...(process.versions.node.startsWith("26.")
    ? ([
        ["--scavenger-chaos-mode-threshold=100", "--scavenger-chaos-mode-threshold=50"],
        ["--scavenger-chaos-mode", "--no-scavenger-chaos-mode"]
      ] as const)
    : [])
]

/** The engine's own settings again. */
export const resume = (set = setFlags): void => {
  for (const [, usual] of settings) set(usual)
}

export class EngineSettings {
  readonly #alone: () => boolean
  readonly #setFlags: (flags: string) => void
  #files = 0
  #loaded = false
  #changed = false

  /** `alone`: whether the main thread loads nothing while the evaluation goes on. */
  constructor(alone: () => boolean, set = setFlags) {
    this.#alone = alone
    this.#setFlags = set
  }

  /** The evaluation reads a file that it has not read before. */
  fileRead(): void {
    if (++this.#files < manyFiles || this.#changed || !(this.#loaded || this.#alone())) return
    this.#changed = true
    for (const [ours] of settings) this.#setFlags(ours)
  }

  /** The main thread has answered something: by then it has loaded what it needs for that. */
  answered(): void {
    this.#loaded = true
  }

  /** The evaluation ends. Where the main thread loads nothing, the settings stay for the next one. */
  release(): void {
    if (!this.#alone()) this.end()
  }

  /** The last evaluation ends. */
  end(): void {
    if (!this.#changed) return
    this.#changed = false
    resume(this.#setFlags)
  }
}
