/**
 * A reader who follows a document from top to bottom, on a machine of their own: a folder like a fresh checkout, an empty home, `yix` and `npx yix` on the PATH, and (as
 * root) a network that has nothing but itself, so that fixed ports are free and nothing is downloaded.
 *
 * Blocks are run by bash in the order of the document; folder and exported variables stay from one to the next, as in a terminal. What stands as `/nix/store/…-NAME` in the
 * arguments of `yix` means the path of that name that was printed last.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { bundle, project, World } from "../acceptance/World.ts"

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Whether each reader has a network of their own; else documents that serve something must take turns. */
export const isolated =
  process.getuid?.() === 0 && spawnSync("unshare", ["-n", "sh", "-c", "ip link set lo up"], { stdio: "ignore" }).status === 0

/** Milliseconds for one block. */
const patience = 60_000

const yixShim = (outputs: string) => `#!/bin/bash
words=()
for word in "$@"; do
  while [[ $word =~ /nix/store/…-([0-9A-Za-z+._?=-]+) ]]; do
    found=$(cat ${outputs}/* | grep -aoE '/nix/store/[0-9a-z]{32}-[0-9A-Za-z+._?=-]+' | awk -v name="\${BASH_REMATCH[1]}" 'substr($0, 45) == name' | tail -1)
    [[ -n $found ]] || { echo "no path of the name '\${BASH_REMATCH[1]}' was printed so far in this document" >&2; exit 99; }
    word=\${word/"\${BASH_REMATCH[0]}"/$found}
  done
  words+=("$word")
done
exec ${bundle}/bin/yix "\${words[@]}"
`

const npxShim = `#!/bin/sh
[ "$1" = yix ] || { echo "npx $1: nothing is downloaded here" >&2; exit 99; }
shift
exec yix "$@"
`

/** The folder's program is that of the checkout: nothing may be built or installed there. */
const npmShim = `#!/bin/sh
echo "npm is not run here: mark the block" >&2
exit 99
`

export class Reader implements Disposable {
  readonly #world = new World()
  /** Where the document's commands are run at first. */
  readonly folder: string
  readonly #state: string
  readonly #outputs: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #network: ChildProcess | undefined
  #count = 0

  constructor() {
    const { directory } = this.#world
    this.folder = path.join(directory, "yix")
    this.#state = path.join(directory, "state")
    this.#outputs = path.join(directory, "outputs")
    const programs = path.join(directory, "bin")
    for (const made of [this.folder, this.#outputs, programs]) fs.mkdirSync(made)
    for (const name of ["bin", "dist", "src", "node_modules"]) fs.symlinkSync(path.join(bundle, name), path.join(this.folder, name))
    for (const name of ["package.json", "tsconfig.json", "examples"])
      fs.cpSync(path.join(project, name), path.join(this.folder, name), { recursive: true })
    fs.writeFileSync(path.join(programs, "yix"), yixShim(this.#outputs), { mode: 0o755 })
    fs.writeFileSync(path.join(programs, "npx"), npxShim, { mode: 0o755 })
    fs.writeFileSync(path.join(programs, "npm"), npmShim, { mode: 0o755 })
    fs.writeFileSync(this.#state, `cd ${this.folder}\n`)
    this.#environment = {
      ...this.#world.environment,
      PATH: `${programs}:${path.dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
      LC_ALL: "C.UTF-8",
      NO_COLOR: "1"
    }
    this.#network = isolated ? ownNetwork(this.#environment) : undefined
  }

  /** Writes a file that the document shows. `more`: at the end of what is there. */
  write(name: string, text: string, more = false): void {
    const file = path.join(this.folder, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, `${text}\n`, { flag: more ? "a" : "w" })
  }

  /** Runs commands to their end. Those that were put into the background go on until the reader leaves. */
  run(commands: string): Promise<Ran> {
    const { child, read } = this.#start(`trap '{ echo "cd $(printf %q "$PWD")"; export -p; } > ${this.#state}' EXIT; set -e\n${commands}`)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill("SIGKILL")
        reject(new Error(`no end after ${patience} ms; standard error: ${read().stderr}`))
      }, patience)
      child.on("error", reject)
      child.on("exit", (code) => {
        clearTimeout(timer)
        resolve({ code, ...read() })
      })
    })
  }

  /** Starts commands that go on until the reader leaves, as in a second terminal; comes back when they have said something. */
  async leaveRunning(commands: string): Promise<Ran> {
    const { child, read } = this.#start(commands)
    for (const end = performance.now() + patience; performance.now() < end;) {
      const { stdout, stderr } = read()
      if (child.exitCode !== null) return { code: child.exitCode === 0 ? 1 : child.exitCode, stdout, stderr }
      if (stdout + stderr !== "") return { code: 0, stdout, stderr }
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    return { code: null, ...read() }
  }

  #start(script: string) {
    const files = ["stdout", "stderr"].map((name) => path.join(this.#outputs, `${this.#count}.${name}`))
    this.#count++
    // Files, no pipes: whatever goes on in the background does not keep us waiting.
    const descriptors = files.map((file) => fs.openSync(file, "w"))
    const bash = ["bash", "-c", `. ${this.#state}\n${script}`]
    const [program, ...words] = this.#network === undefined ? bash : ["nsenter", "-t", String(this.#network.pid), "-n", ...bash]
    const child = spawn(program!, words, { cwd: this.folder, env: this.#environment, stdio: ["ignore", ...descriptors] as const })
    for (const descriptor of descriptors) fs.closeSync(descriptor)
    const read = () => {
      const [stdout, stderr] = files.map((file) => fs.readFileSync(file, "utf8")) as [string, string]
      return { stdout, stderr }
    }
    return { child, read }
  }

  [Symbol.dispose](): void {
    this.#network?.kill("SIGKILL")
    this.#world[Symbol.dispose]()
  }
}

/** A process in a network namespace of its own whose loopback interface is up, or will be in two milliseconds. */
const ownNetwork = (env: NodeJS.ProcessEnv): ChildProcess => {
  const child = spawn("unshare", ["-n", "sh", "-c", "ip link set lo up; exec sleep 600"], { env, stdio: "ignore" })
  // Until it has left ours.
  spawnSync("sleep", ["0.1"])
  return child
}
