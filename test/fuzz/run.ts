/**
 * The fuzz campaign: generated cases to yix and to an oracle, answers compared.
 *
 *     npm run fuzz -- --kind regex|parse|eval [--cases N] [--seed S] [--from I] [--nix PATH] [--errors] [--record FILE]
 *
 * `--nix` is the `nix-instantiate` to ask (that on the PATH by default; `nix` lies beside it); patterns are asked of libstdc++ and need g++. Ends with 1 when an answer
 * differs and `skips.ts` does not say why, when yix crashes, or when it gives no answer within 20 seconds. A case that differs is made small and shown. Error messages and
 * places that differ are counted and, with `--errors`, shown; they fail nothing. `--record` appends some of the cases, with the oracle's answers, to a file.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { parseArgs } from "node:util"
import type { Answer } from "./Answers.ts"
import { type Case, type Kind, kinds, makeCase } from "./Cases.ts"
import { Nix } from "./Nix.ts"
import { recordLine } from "./Recorded.ts"
import { askOracle, compileOracle } from "./Regex.ts"
import { shrink } from "./Shrink.ts"
import { skips } from "./skips.ts"
import { Thread } from "./Thread.ts"

const { values } = parseArgs({
  options: {
    kind: { type: "string" },
    cases: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    nix: { type: "string", default: "nix-instantiate" },
    errors: { type: "boolean", default: false },
    record: { type: "string" }
  }
})
const kind = kinds.find((one): one is Kind => one === values.kind)
const [count, seed, from] = [Number(values.cases), Number(values.seed), Number(values.from)]
if (kind === undefined || ![count, seed, from].every(Number.isSafeInteger)) {
  console.error("usage: npm run fuzz -- --kind regex|parse|eval [--cases N] [--seed S] [--from I] [--nix PATH] [--errors] [--record FILE]")
  process.exit(2)
}

/** Cases asked at once. */
const batch = kind === "regex" ? 2000 : 500

/** Differences that are made small; more are only counted. */
const shown = 12

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-fuzz-"))
const thread = new Thread()

type Oracle = (cases: ReadonlyArray<Case>, ours: ReadonlyArray<Answer>) => Promise<ReadonlyArray<Answer | undefined>>

const makeOracle = (): Oracle => {
  if (kind === "regex") {
    const program = compileOracle(scratch)
    return async (cases) => askOracle(program, cases)
  }
  const nix = new Nix(values.nix, scratch, kind === "parse")
  return (cases, ours) => nix.answers(cases, (i) => !ours[i]?.ok)
}

/** Whether values, or the fact of failing, differ. */
const differs = (ours: Answer, theirs: Answer | undefined): boolean => {
  if (!ours.ok && ours.crash === true) return true
  if (theirs === undefined) return false
  return ours.ok && theirs.ok ? ours.text !== theirs.text : ours.ok !== theirs.ok
}

const tell = (answer: Answer | undefined): string =>
  answer === undefined
    ? "no answer in time"
    : answer.ok
      ? answer.text.slice(0, 600)
      : `${answer.crash === true ? "CRASH " : ""}error: ${answer.message.slice(0, 600)}${answer.place === "" ? "" : ` at ${answer.place}`}`

const report = (one: Case, ours: Answer, theirs: Answer | undefined): void => {
  console.log(`  text  ${JSON.stringify(one.text)}${one.subject === undefined ? "" : ` on ${JSON.stringify(one.subject)}`}`)
  console.log(`  want  ${tell(theirs)}\n  got   ${tell(ours)}`)
}

const counts = { cases: 0, values: 0, failures: 0, sameMessage: 0, samePlace: 0, unanswered: 0, skipped: 0, different: 0 }
const skippedFor = new Map<string, number>()
const messages = new Map<string, number>()

const compareErrors = (one: Case, ours: Answer, theirs: Answer): void => {
  if (ours.ok || theirs.ok) return
  counts.failures++
  // Nix shows tabs in errors as blanks.
  const plain = (text: string): string => text.replace(/\s+/g, " ").trim()
  const [message, place] = [plain(ours.message) === plain(theirs.message), ours.place === theirs.place]
  if (message) counts.sameMessage++
  if (place) counts.samePlace++
  if (message && place) return
  const sort = `${message ? "place of " : ""}${theirs.message}`
    .replace(/'[^']*'/g, "'…'")
    .replace(/"[^"]*"/g, '"…"')
    .slice(0, 120)
  const times = messages.get(sort) ?? 0
  messages.set(sort, times + 1)
  if (values.errors && times < 2) {
    console.log(`ERROR ${one.name}`)
    report(one, ours, theirs)
  }
}

const run = async (): Promise<void> => {
  const ask = makeOracle()
  const firstDifferent = async (candidates: ReadonlyArray<Case>): Promise<number | undefined> => {
    const ours = await thread.answers(candidates)
    const theirs = await ask(candidates, ours)
    const index = candidates.findIndex((one, i) => {
      const [a, b] = [ours[i] as Answer, theirs[i]]
      return differs(a, b) && (b === undefined || !skips.some((skip) => skip.explains(one, a, b)))
    })
    return index < 0 ? undefined : index
  }
  for (let at = 0; at < count; at += batch) {
    const cases = Array.from({ length: Math.min(batch, count - at) }, (_, i) => makeCase(kind, seed, from + at + i))
    const ours = await thread.answers(cases)
    const theirs = await ask(cases, ours)
    for (const [i, one] of cases.entries()) {
      const a = ours[i] as Answer
      // The order in which Nix forces attributes depends on the names it has met before, in other files of the batch: what counts is its answer to this case alone.
      const b = kind !== "regex" && differs(a, theirs[i]) ? (await ask([one], [{ ok: true, text: "" }]))[0] : theirs[i]
      counts.cases++
      if (values.record !== undefined && b !== undefined && !differs(a, b)) fs.appendFileSync(values.record, recordLine(one, a, b))
      if (!differs(a, b)) {
        if (b === undefined) counts.unanswered++
        else if (a.ok) counts.values++
        else compareErrors(one, a, b)
        continue
      }
      const skip = b === undefined ? undefined : skips.find((known) => known.explains(one, a, b))
      if (skip !== undefined) {
        counts.skipped++
        skippedFor.set(skip.reason, (skippedFor.get(skip.reason) ?? 0) + 1)
        continue
      }
      counts.different++
      console.log(`DIFFERENT ${one.name}`)
      if (counts.different > shown) report(one, a, b)
      else {
        const small = await shrink(one, firstDifferent)
        const [smallOurs] = await thread.answers([small])
        const [smallTheirs] = await ask([small], [smallOurs as Answer])
        report(small, smallOurs as Answer, smallTheirs)
      }
    }
    if ((at / batch) % 20 === 19) console.log(`… ${counts.cases} cases, ${counts.different} differences`)
  }
}

try {
  await run()
  for (const [sort, times] of [...messages].sort(([, a], [, b]) => b - a).slice(0, 25))
    console.log(`error differs ${String(times).padStart(5)} times: ${sort}`)
  for (const [reason, times] of skippedFor) console.log(`skipped ${times} times: ${reason}`)
  console.log(
    `${kind}, seed ${seed}: ${counts.cases} cases; ${counts.values} equal values, ${counts.failures} that both refuse (messages equal in ${counts.sameMessage}, places in ${counts.samePlace}), ` +
      `${counts.unanswered} that the oracle did not answer in time, ${counts.skipped} explained, ${counts.different} differences`
  )
  process.exitCode = counts.different === 0 ? 0 : 1
} finally {
  await thread.stop()
  fs.rmSync(scratch, { recursive: true, force: true })
}
