/**
 * A process of its own that runs sandboxes for `Sandbox.test.ts`, so that they can be run as another user and be killed. Reads one job a line, in
 * JSON, writes one answer a line. Arguments: driver, scratch root, `no-user-namespaces`?
 */
import { createInterface } from "node:readline"
import { lstatSync, readdirSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Fiber from "effect/Fiber"
import { detect, type Sandbox } from "../../src/build/Sandbox.ts"
import { sweep } from "../../src/build/ScratchDirectory.ts"
import type { BuildRequest } from "../../src/build/BuildRequest.ts"
import type { SandboxInput } from "../../src/build/SandboxLayout.ts"

export interface Job {
  readonly request: Omit<BuildRequest, "additionalFiles"> & { readonly additionalFiles: ReadonlyArray<{ path: string; contents: string }> }
  readonly inputs: ReadonlyArray<SandboxInput>
  readonly timeout: number
  readonly maxSilent: number
  readonly maxLog: number
  /** Interrupt when this appears in the log. */
  readonly interruptAt: string | undefined
}

export interface Answer {
  /** Latin-1; at most the first million bytes. */
  readonly log: string
  readonly logSize: number
  /** Outputs that exist: names in the directory, or `undefined` for what is no directory. */
  readonly outputs: ReadonlyArray<{ readonly path: string; readonly names: ReadonlyArray<string> | undefined }>
  readonly error: { readonly _tag: string; readonly message: string; readonly [key: string]: unknown } | undefined
  readonly interrupted: boolean
  /** Milliseconds. */
  readonly took: number
  /** Resident memory in bytes, after the run. */
  readonly memory: number
}

const [driver, scratchRoot, namespaces] = process.argv.slice(2)

const answer = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)

const runJob = async (sandbox: Sandbox, job: Job): Promise<void> => {
  const start = performance.now()
  let log = ""
  let logSize = 0
  let stop = () => {}
  const request = {
    ...job.request,
    additionalFiles: job.request.additionalFiles.map(({ path, contents }) => ({ path, contents: Buffer.from(contents, "latin1") }))
  }
  const options = {
    timeout: job.timeout,
    maxSilent: job.maxSilent,
    maxLog: job.maxLog,
    onLog: (bytes: Uint8Array) => {
      logSize += bytes.length
      if (log.length < 1_000_000) log += Buffer.from(bytes).toString("latin1")
      if (job.interruptAt !== undefined && log.includes(job.interruptAt)) stop()
      else if (log.includes("TELL")) process.stdout.write("told\n")
    }
  }
  const run = Effect.scoped(
    Effect.map(sandbox.run(request, job.inputs, options), (result) =>
      request.outputs.flatMap((path) => {
        const host = Buffer.from(result.hostPath(path), "latin1")
        try {
          return [{ path, names: lstatSync(host).isDirectory() ? readdirSync(host, "latin1").sort() : undefined }]
        } catch {
          return []
        }
      })
    )
  )
  const fiber = Effect.runFork(run)
  stop = () => void Effect.runPromise(Fiber.interrupt(fiber))
  const exit = await Effect.runPromise(Fiber.await(fiber))
  const failure = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  const error =
    failure === undefined || failure._tag === "Interrupt"
      ? undefined
      : failure._tag === "Fail"
        ? { ...failure.error, _tag: failure.error._tag, message: failure.error.message }
        : { _tag: "Die", message: Cause.pretty((exit as Exit.Failure<never, never>).cause) }
  answer({
    log,
    logSize,
    outputs: Exit.isSuccess(exit) ? exit.value : [],
    error,
    interrupted: failure?._tag === "Interrupt",
    took: performance.now() - start,
    memory: process.memoryUsage().rss
  })
}

const main = async () => {
  await Effect.runPromise(sweep(scratchRoot!))
  const found = await Effect.runPromise(
    Effect.result(
      detect({
        driver: driver as "bubblewrap",
        scratchRoot: scratchRoot!,
        shell: undefined,
        firstBuildUser: 30001,
        leases: undefined,
        userNamespaces: namespaces !== "no-user-namespaces"
      })
    )
  )
  if (found._tag === "Failure") return answer({ unavailable: found.failure.message, _tag: found.failure._tag })
  answer({ driver: found.success.driver })
  for await (const line of createInterface({ input: process.stdin })) await runJob(found.success, JSON.parse(line) as Job)
}

await main()
