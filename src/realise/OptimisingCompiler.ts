/**
 * When V8's optimising compiler may work. Evaluating packages runs thousands of pieces of code a few times each, over ever new shapes, and what TurboFan makes of the
 * evaluator's functions is no faster there than what Maglev makes of them, but takes a quarter of the processor's time: `hello`, firefox and all of python3Packages are done
 * sooner without it. Small programs that loop are done later. So it rests while an evaluation goes on that has read many files.
 *
 * The setting is the process's, not the thread's: another program that evaluates keeps its own. And code that Node keeps from run to run is believed only under the
 * setting that it was kept under. So the compiler rests only while the main thread loads nothing, and the setting is what it was before as soon as it may.
 */

/** Files from which on an evaluation is one of packages. */
const manyFiles = 16

const setFlags = (flags: string): void => process.getBuiltinModule("node:v8").setFlagsFromString(flags)

/** The engine's own settings again. */
export const resume = (set = setFlags): void => {
  set("--no-force-emit-interrupt-budget-checks")
  set("--opt")
}

export class OptimisingCompiler {
  readonly #alone: () => boolean
  readonly #setFlags: (flags: string) => void
  #files = 0
  #loaded = false
  #rests = false

  /** `alone`: whether the main thread loads nothing while the evaluation goes on. */
  constructor(alone: () => boolean, set = setFlags) {
    this.#alone = alone
    this.#setFlags = set
  }

  /** The evaluation reads a file that it has not read before. */
  fileRead(): void {
    if (++this.#files < manyFiles || this.#rests || !(this.#loaded || this.#alone())) return
    this.#rests = true
    // Else code that is compiled meanwhile would never ask to be optimised.
    this.#setFlags("--force-emit-interrupt-budget-checks")
    this.#setFlags("--no-opt")
  }

  /** The main thread has answered something: by then it has loaded what it needs for that. */
  answered(): void {
    this.#loaded = true
  }

  /** The evaluation ends. Where the main thread loads nothing, it goes on to rest for the next one. */
  release(): void {
    if (!this.#alone()) this.end()
  }

  /** The last evaluation ends. */
  end(): void {
    if (!this.#rests) return
    this.#rests = false
    resume(this.#setFlags)
  }
}
