/**
 * Finds the numbers that `bin/yix` gives `--testing-int-flag`, a setting of V8 that nothing reads.
 *
 *   node bench/settings-number.ts --stack-size=60000 --initial-old-space-size=512
 *
 * V8 believes code that it kept only under the settings that it was kept under, and compares a hash of them: of the texts of those that are not the default, in V8's order.
 * What comes with Node, its own modules, was kept under none. So a number is sought that makes the hash of settings that no kept code depends on that of none: without it
 * `node:crypto` takes 20 ms to load instead of 9.
 *
 * The hash (V8's `ComputeFlagListHash` and `base::hash_range`, 14.6) goes through the text letter by letter, and each step can be undone. Of it 31 bits count, which depend on
 * no higher ones: so the two ends are known and a number is sought in between, half of its digits from either side.
 */
import { spawnSync } from "node:child_process"

const setting = "--testing-int-flag="
/** What stands behind it in the text: Node's own settings. A setting behind these cannot be evened out by it. */
const after = "--testing-bool-flag-A--no-freeze-flags-after-init"

const step = 0x5b_d1_e9_95
const back = ((): number => {
  let inverse = step
  for (let i = 0; i < 5; i++) inverse = Math.imul(inverse, 2 - Math.imul(step, inverse))
  return inverse
})()

/** What a letter adds: Wang's mix of 32 bits, then the first half of MurmurHash's step of 64. */
const letters = Array.from({ length: 128 }, (_, letter) => {
  let h = letter
  h = (~h + (h << 15)) | 0
  h ^= h >>> 12
  h = (h + (h << 2)) | 0
  h ^= h >>> 4
  h = Math.imul(h, 2057)
  h ^= h >>> 16
  const factor = 0xc6_a4_a7_93_5b_d1_e9_95n
  const product = BigInt.asUintN(64, BigInt(h >>> 0) * factor)
  return Number(BigInt.asIntN(32, (product ^ (product >> 47n)) * factor))
})

const forwards = (state: number, text: string): number => {
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ letters[text.charCodeAt(i)]!, step)
  return state
}

const backwards = (state: number, text: string): number => {
  for (let i = text.length - 1; i >= 0; i--) state = Math.imul(state, back) ^ letters[text.charCodeAt(i)]!
  return state
}

/** The hash under these settings: the fourth number of code that V8 keeps. */
const hashUnder = (settings: ReadonlyArray<string>): number => {
  const program = `const code = new (require("node:vm").Script)("").createCachedData(); console.log(code.readInt32LE(12))`
  const run = spawnSync(process.execPath, [...settings, "-e", program], { encoding: "utf8" })
  if (run.status !== 0) throw new Error(run.stderr)
  return Number(run.stdout)
}

const half = 100_000
const digits = (n: number): string => String(n).padStart(5, "0")

const settings = process.argv.slice(2)
const wanted = hashUnder([])
const given = hashUnder(settings)
const found: Array<number> = []
// The lowest bit is always set in what can be seen of a hash, whatever it was.
for (const last of [wanted & ~1, wanted | 1]) {
  const ends = new Map<number, Array<string>>()
  const end = backwards(last, after)
  for (let n = 0; n < half; n++) {
    const state = backwards(end, digits(n))
    ends.set(state, [...(ends.get(state) ?? []), digits(n)])
  }
  for (const first of [given & ~1, given | 1]) {
    const beginning = forwards(backwards(first, after), setting)
    // V8's largest has ten digits, and no number begins with a naught.
    for (let n = 1; n <= 21_474; n++) for (const rest of ends.get(forwards(beginning, String(n))) ?? []) found.push(Number(`${n}${rest}`))
  }
}
for (const number of found)
  if (number < 2 ** 31 && hashUnder([...settings, `${setting}${number}`]) === wanted) console.log(`${setting}${number}`)
