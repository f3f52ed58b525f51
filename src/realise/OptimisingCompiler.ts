/**
 * When V8's optimising compiler may work. Evaluating packages runs thousands of pieces of code a few times each, over ever new shapes, and what TurboFan makes of the
 * evaluator's functions is no faster there than what Maglev makes of them, but takes a quarter of the processor's time: `hello`, firefox and all of python3Packages are done
 * sooner without it. Small programs that loop are done later. So it rests while an evaluation goes on that has read many files. The setting is the process's, not the
 * thread's; so it is for evaluations only.
 */

/** Files from which on an evaluation is one of packages. */
const manyFiles = 16

const setFlags = (flags: string): void => process.getBuiltinModule("node:v8").setFlagsFromString(flags)

export class OptimisingCompiler {
  readonly #setFlags: (flags: string) => void
  #files = 0
  #rests = false

  constructor(set: (flags: string) => void = setFlags) {
    this.#setFlags = set
  }

  /** The evaluation reads a file that it has not read before. */
  fileRead(): void {
    if (++this.#files < manyFiles || this.#rests) return
    this.#rests = true
    // Else code that is compiled meanwhile would never ask to be optimised.
    this.#setFlags("--force-emit-interrupt-budget-checks")
    this.#setFlags("--no-opt")
  }

  /** The evaluation ends, or waits for somebody. */
  release(): void {
    if (!this.#rests) return
    this.#rests = false
    this.#setFlags("--opt")
  }
}
