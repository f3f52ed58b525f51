/**
 * Runs the language suites of Nix and Snix out of checkouts of theirs, prints a scoreboard, and ends with 1 when a case fails that `skips.ts` does not name, or
 * one passes that it names.
 *
 *     npm run conformance -- --nix PATH --snix PATH [--only REGEX] [--errors] [--json FILE]
 *
 * `--errors` lists the error messages that differ from Nix's.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { fromBytes, fromUnicode } from "../../src/nix/Bytes.ts"
import * as EvaluatorHost from "../../src/realise/EvaluatorHost.ts"
import { world } from "../realise/world.ts"
import type { Ran } from "./Instantiate.ts"
import { evaluate, jobOf, parsed } from "./Instantiate.ts"
import { judge } from "./Judge.ts"
import type { Verdict } from "./Judge.ts"
import { skips } from "./skips.ts"
import { type Case, nixCases, snixCases } from "./Suites.ts"

const home = "/fake-home"

const run = (one: Case) => {
  if (one.kind.startsWith("parse-")) return Effect.sync((): Ran => parsed(fromBytes(fs.readFileSync(one.file)), one.directory, home))
  const folder = path.relative(one.directory, path.dirname(one.file))
  const nixPath = one.kind === "eval-okay" ? [`${folder}/dir3`, `${folder}/dir4`] : []
  const job = jobOf({ _tag: "File", path: fromUnicode(one.file) }, one.flags, {
    directory: one.directory,
    format: one.xml ? "xml" : "nix",
    nixPath
  })
  return typeof job === "string" ? Effect.succeed<Ran>({ ok: false, output: "", report: `crash: ${job}` }) : evaluate(job)
}

const main = Effect.fn(function* (cases: ReadonlyArray<Case>) {
  const results: Array<readonly [Case, Verdict]> = []
  for (const one of cases) results.push([one, judge(one, yield* run(one))])
  return results
})

interface Score {
  passed: number
  failed: number
  skipped: number
  sameErrors: number
  errors: number
}

/** Prints what went wrong and the scoreboard; whether all went as the skip list says. */
const tell = (results: ReadonlyArray<readonly [Case, Verdict]>, withErrors: boolean): boolean => {
  const scores = new Map<string, Score>()
  let right = true
  for (const [one, verdict] of results) {
    const row = `${one.suite} ${one.kind}`
    const score = scores.get(row) ?? { passed: 0, failed: 0, skipped: 0, sameErrors: 0, errors: 0 }
    scores.set(row, score)
    const reason = skips[one.name]
    if (verdict.passed) score.passed++
    else if (reason === undefined) score.failed++
    else score.skipped++
    if (verdict.passed !== (reason === undefined)) {
      right = false
      console.log(verdict.passed ? `PASSES though skipped: ${one.name}` : `FAIL ${one.name}: ${verdict.why}`)
    }
    if (verdict.sameError !== undefined) {
      score.errors++
      if (verdict.sameError) score.sameErrors++
      else if (withErrors) console.log(`ERROR ${one.name}\n       ${verdict.error}\n  not  ${verdict.wantedError}`)
    }
  }
  console.log(`${"suite".padEnd(28)}   passed  failed skipped  error lines equal`)
  const line = (name: string, score: Score): void => {
    const count = (n: number): string => String(n).padStart(8)
    const errors = score.errors === 0 ? "" : `   ${score.sameErrors} of ${score.errors}`
    console.log(`${name.padEnd(28)} ${count(score.passed)}${count(score.failed)}${count(score.skipped)}${errors}`)
  }
  const all: Score = { passed: 0, failed: 0, skipped: 0, sameErrors: 0, errors: 0 }
  for (const [name, score] of scores) {
    line(name, score)
    for (const key of Object.keys(all) as Array<keyof Score>) all[key] += score[key]
  }
  line("all", all)
  for (const name of Object.keys(skips)) {
    const there = results.find(([one]) => one.name === name)
    if (there !== undefined) console.log(`skipped ${name}: ${skips[name]}`)
  }
  return right
}

const { values } = parseArgs({
  options: {
    nix: { type: "string" },
    snix: { type: "string" },
    only: { type: "string" },
    errors: { type: "boolean", default: false },
    json: { type: "string" }
  }
})
if (values.nix === undefined && values.snix === undefined) {
  console.error("usage: npm run conformance -- [--nix CHECKOUT] [--snix CHECKOUT] [--only REGEX] [--errors] [--json FILE]")
  process.exit(2)
}
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-conformance-"))
// Tests read these; the evaluator's thread takes them over when it starts.
Object.assign(process.env, { HOME: home, TEST_VAR: "foo" })
try {
  const only = new RegExp(values.only ?? "")
  const found = [
    ...(values.nix === undefined ? [] : nixCases(values.nix)),
    ...(values.snix === undefined ? [] : snixCases(values.snix, scratch))
  ].filter((one) => only.test(one.name))
  if (found.length === 0) throw new Error("no case was found; do the paths name checkouts of Nix and Snix?")
  const results = await Effect.runPromise(main(found).pipe(Effect.provide(EvaluatorHost.layer.pipe(Layer.provideMerge(world({}))))))
  if (values.json !== undefined) {
    fs.writeFileSync(
      values.json,
      JSON.stringify(
        results.map(([one, verdict]) => ({ name: one.name, kind: one.kind, ...verdict })),
        null,
        1
      )
    )
  }
  process.exitCode = tell(results, values.errors) ? 0 : 1
} finally {
  fs.rmSync(scratch, { recursive: true, force: true })
}
