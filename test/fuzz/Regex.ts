/**
 * libstdc++ as the oracle for patterns: `regex.oracle.cc`, compiled where it is needed.
 */
import { spawnSync } from "node:child_process"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { type Answer, hex } from "./Answers.ts"
import type { Case } from "./Cases.ts"

const source = fileURLToPath(new URL("regex.oracle.cc", import.meta.url))

/** Compiles the oracle into a scratch folder and gives its path. */
export const compileOracle = (scratch: string): string => {
  const program = path.join(scratch, "regex-oracle")
  const ran = spawnSync("g++", ["-std=c++20", "-O1", "-o", program, source], { encoding: "utf8" })
  if (ran.status !== 0) throw new Error(`the oracle for patterns needs g++: ${ran.stderr || ran.error?.message}`)
  return program
}

/** What libstdc++ answers; undefined where it took too long. */
export const askOracle = (program: string, cases: ReadonlyArray<Case>): ReadonlyArray<Answer | undefined> => {
  const input = cases.map((one) => `${hex(one.text)} ${hex(one.subject ?? "")}\n`).join("")
  const lines = spawnSync(program, { input, encoding: "latin1", maxBuffer: 1 << 30 })
    .stdout.split("\n")
    .slice(0, -1)
  if (lines.length !== cases.length) throw new Error(`the oracle for patterns ended at ${JSON.stringify(cases[lines.length]?.text)}`)
  return lines.map((text) => (text === "T" ? undefined : { ok: true, text }))
}
