/**
 * What a sandbox costs: builds that do nothing, by each driver that works here, with no inputs and with 500. The time is that of the whole run, from laying out the build's
 * files to the removal of its scratch directory.
 *
 *   node bench/sandboxes.ts [--rounds N]
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { firstBuildUser } from "../src/build/BuildUsers.ts"
import { detect, nothing, type Sandbox } from "../src/build/Sandbox.ts"
import type { SandboxInput } from "../src/build/SandboxLayout.ts"
import { compareTimes, roundsWanted, Scratch, tellMachine } from "./Compare.ts"

const rounds = roundsWanted(31)
using scratch = new Scratch()

const input = path.join(scratch.directory, "input")
fs.mkdirSync(input)
const inputs = Array.from({ length: 500 }, (_, i): SandboxInput => ({ _tag: "Directory", name: `${i}-input`, host: input }))

const sandboxes: Array<Sandbox> = []
for (const driver of ["bubblewrap", "util-linux", "oci"] as const) {
  const options = { driver, scratchRoot: path.join(scratch.directory, driver), shell: undefined, firstBuildUser, leases: undefined }
  const found = await Effect.runPromise(Effect.result(detect(options)))
  if (found._tag === "Success") sandboxes.push(found.success)
  else process.stderr.write(`${driver} takes no part. ${found.failure.message}\n`)
}

const timesWith = (inputs: ReadonlyArray<SandboxInput>) =>
  sandboxes.map(({ driver, run }) => ({
    name: driver,
    milliseconds: async () => {
      const begin = performance.now()
      await Effect.runPromise(Effect.scoped(run(nothing, inputs, { timeout: 60, maxSilent: 0, maxLog: 0, onLog: () => {} })))
      return performance.now() - begin
    }
  }))

tellMachine(rounds)
await compareTimes("an empty build", timesWith([]), rounds)
await compareTimes("an empty build with 500 inputs", timesWith(inputs), Math.ceil(rounds / 3))
