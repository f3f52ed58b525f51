/**
 * What an evaluation was, as one text: the job, where it ran, and which yix ran it. Two evaluations with the same text and the same answers from outside give the same
 * result.
 */
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { fromUnicode } from "../nix/Bytes.ts"
import type { EvaluationJob } from "./Evaluation.ts"
import { Fingerprint } from "./Fingerprint.ts"
import { release } from "./Release.ts"

/** Parts of a job that do not change its result: a new part does until it is named here. Failures are not kept. */
const irrelevant: ReadonlySet<string> = new Set(["syntaxCache", "evaluationCache", "showTrace", "errorFormat"])

/** JSON with the keys of sets in order. */
const canonical = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, part]) => [name, canonical(part)])
  )
}

/** The name and state of a file. */
const state = (file: string, print: Fingerprint): void => {
  const { size, mtimeMs } = fs.statSync(file)
  print.text(file).number(size).number(mtimeMs)
}

/** Those of all source files below a directory. */
const sourcesIn = (directory: string, print: Fingerprint): void => {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const file = `${directory}/${entry.name}`
    if (entry.isDirectory()) sourcesIn(file, print)
    else if (/\.[jt]s$/.test(entry.name)) state(file, print)
  }
}

let build: string | undefined

/**
 * Which code this is; another release, and a changed checkout of the same, are others. The files of a bundle are named after what is in them, but for those that it begins
 * with. Without a bundle, all source files count.
 */
const buildIdentity = (): string => {
  if (build !== undefined) return build
  const here = fileURLToPath(new URL(".", import.meta.url)).replace(/\/$/, "")
  const print = new Fingerprint()
  if (fs.existsSync(`${here}/EvaluatorBoot.js`) && !fs.existsSync(`${here}/EvaluationKey.js`)) {
    for (const name of fs.readdirSync(here).sort()) {
      if (/-[\w-]{8}\.c?js$/.test(name)) print.text(name)
      else if (name.endsWith(".js")) state(`${here}/${name}`, print)
    }
  } else sourcesIn(here.slice(0, here.lastIndexOf("/")), print)
  return (build = `${release} ${print.hex}`)
}

/** The text of a job; bytes as Latin-1. What stands in it of the process is what `EvaluationRun.machineFor` takes from it. */
export const keyOf = (job: EvaluationJob): string => {
  const relevant = Object.fromEntries(Object.entries(job).filter(([name]) => !irrelevant.has(name)))
  const environment = [process.env["HOME"] ?? "/homeless-shelter", process.env["NIX_ABORT_ON_WARN"] ?? ""]
  return JSON.stringify([
    buildIdentity(),
    process.version,
    job.evaluationCache?.world === undefined ? "" : fromUnicode(job.evaluationCache.world),
    ...[...environment, process.cwd()].map(fromUnicode),
    canonical(relevant)
  ])
}

/** The name under which what has this key is kept. Others may have the same: so the key is compared as well. */
export const nameOf = (key: string): string => new Fingerprint().text(key).hex
