/**
 * Real Nix as the oracle: `nix-instantiate` over many files at once while they succeed, and one `nix repl` for those that fail. Each has a store of its own: the
 * repl writes into it, and what is there counts.
 */
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fromBytes, fromUnicode, toBytes } from "../../src/nix/Bytes.ts"
import { type Answer, folder, home } from "./Answers.ts"
import type { Case } from "./Cases.ts"

/** Milliseconds for one question to Nix. */
const patience = 120_000

/** The error's own line, its place, if it is in the case's file. */
const readReport = (report: string, file: string): Answer => {
  const plain = report.replace(/\x1b\[[0-9;]*m/g, "")
  const at = plain.lastIndexOf("error:")
  if (at < 0) return { ok: false, message: plain.trim(), place: "" }
  const [message = "", ...rest] = plain.slice(at + "error:".length).split(/\n +at /)
  const place = rest[0]?.startsWith(`${file}:`) === true ? (/^:(\d+:\d+)/.exec(rest[0].slice(file.length))?.[1] ?? "") : ""
  return { ok: false, message: message.trim().replace(/\n {7}/g, "\n"), place }
}

export class Nix {
  readonly #program: string
  readonly #scratch: string
  readonly #parse: boolean

  constructor(program: string, scratch: string, parse: boolean) {
    this.#program = program
    this.#scratch = scratch
    this.#parse = parse
  }

  get #environment(): NodeJS.ProcessEnv {
    return { ...process.env, HOME: path.join(this.#scratch, "home"), NIX_PATH: "", NIX_REMOTE: "" }
  }

  /** Answers to the cases; `expectFailure` says which are thought to fail, which only decides who is asked first. */
  async answers(cases: ReadonlyArray<Case>, expectFailure: (index: number) => boolean): Promise<ReadonlyArray<Answer>> {
    const base = fs.mkdtempSync(path.join(this.#scratch, "batch-"))
    try {
      const answers = new Array<Answer>(cases.length)
      const file = (i: number): string => path.join(base, String(i), "case.nix")
      cases.forEach((one, i) => {
        fs.mkdirSync(path.dirname(file(i)))
        fs.writeFileSync(file(i), toBytes(one.text))
      })
      const failing: Array<number> = []
      let queue = cases.map((_, i) => i).filter((i) => !expectFailure(i))
      while (queue.length > 0) {
        const texts = this.#succeeding(queue.map(file))
        texts.forEach((text, i) => (answers[queue[i] as number] = { ok: true, text: this.#plain(text, file(queue[i] as number)) }))
        if (texts.length < queue.length) failing.push(queue[texts.length] as number)
        queue = queue.slice(texts.length + 1)
      }
      failing.push(...cases.map((_, i) => i).filter(expectFailure))
      const reports = await this.#reports(base, failing)
      const succeeding: Array<number> = []
      failing.forEach((i, k) => {
        const report = reports[k]
        if (report === "ok") succeeding.push(i)
        else answers[i] = report === undefined ? { ok: false, message: "Nix died", place: "" } : this.#failure(report, file(i))
      })
      for (const i of succeeding) {
        const [text] = this.#succeeding([file(i)])
        answers[i] = text === undefined ? { ok: false, message: "fails", place: "" } : { ok: true, text: this.#plain(text, file(i)) }
      }
      return answers
    } finally {
      fs.rmSync(base, { recursive: true, force: true })
    }
  }

  #failure(report: string, file: string): Answer {
    const answer = readReport(report, file)
    if (answer.ok) return answer
    return { ...answer, message: this.#plain(answer.message, file) }
  }

  /** With the places where the texts are said to lie. */
  #plain(text: string, file: string): string {
    const directory = path.dirname(file)
    return text
      .replaceAll(directory, folder)
      .replaceAll(path.dirname(directory), path.dirname(folder))
      .replaceAll(path.join(this.#scratch, "home"), home)
      .replaceAll(`${this.#scratch}/`, "/")
      .replaceAll(this.#scratch, "/")
  }

  /** What is printed for the first files that succeed. A path is printed with the line ends in it, so a mark stands after each. */
  #succeeding(files: ReadonlyArray<string>): ReadonlyArray<string> {
    const mark = path.join(this.#scratch, "mark.nix")
    fs.writeFileSync(mark, '"yix-fuzz-mark"')
    const flags = [...(this.#parse ? ["--parse"] : ["--eval", "--strict"]), "--store", path.join(this.#scratch, "store")]
    const ran = spawnSync(this.#program, [...flags, ...files.flatMap((file) => [file, mark])], {
      env: this.#environment,
      maxBuffer: 1 << 30,
      timeout: patience
    })
    return fromBytes(ran.stdout).split('\n"yix-fuzz-mark"\n').slice(0, -1)
  }

  /** For each case `ok` or the report of its error; undefined where the repl ended. */
  async #reports(base: string, cases: ReadonlyArray<number>): Promise<ReadonlyArray<string | undefined>> {
    const reports: Array<string | undefined> = []
    // The repl reads its lines sign by sign, with a system call for each: short ones.
    const check = this.#parse ? "builtins.isFunction (import f)" : "builtins.deepSeq (import f) true"
    const define = `t = i: let f = ${base} + "/\${toString i}/case.nix"; in ${check}\n`
    while (reports.length < cases.length) {
      const rest = cases.slice(reports.length)
      const output = await this.#repl(`${define}${rest.map((i) => `t ${i}\n`).join("")}"end"\n`)
      // It repeats what it reads: [before, number, report, number, report, …, undefined, rest].
      const parts = output.split(/nix-repl> (?:t (\d+)|"end")\n/)
      const answered = Math.floor((parts.length - 1) / 2) - 1
      for (let k = 0; k < Math.min(answered, rest.length); k++) {
        const found = (parts[2 + 2 * k] as string).trimEnd()
        reports.push(/error:/.test(found) ? found : "ok")
      }
      if (answered < rest.length) reports.push(undefined)
    }
    return reports
  }

  #repl(input: string): Promise<string> {
    const nix = this.#program.replace(/nix-instantiate/, "nix")
    return new Promise((resolve, reject) => {
      const flags = [
        "--extra-experimental-features",
        "nix-command",
        "--offline",
        "--store",
        path.join(this.#scratch, "written"),
        "repl",
        "--quiet"
      ]
      // One pipe for both, so that errors stay between the marks around them.
      const child = spawn("sh", ["-c", 'exec "$0" "$@" 2>&1', nix, ...flags], {
        env: this.#environment,
        stdio: ["pipe", "pipe", "inherit"],
        timeout: patience
      })
      const chunks: Array<Buffer> = []
      child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk))
      child.on("error", reject)
      child.on("close", () => resolve(fromBytes(Buffer.concat(chunks)).replace(/\x1b\[[0-9;]*m/g, "")))
      child.stdin.on("error", () => {})
      child.stdin.end(fromUnicode(input), "latin1")
    })
  }
}
