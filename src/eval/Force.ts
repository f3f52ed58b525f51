/**
 * Forcing, suspension and batch points (design.md §2; docs/evaluation.md).
 *
 * When something far is not there, `await` either blocks the thread or throws `suspend` to the nearest batch point whose other siblings can still
 * make progress. A batch point is a place where all siblings are needed whatever the others give; it goes on with them, so that their requests
 * start too, then waits, and runs only the suspended ones again. What a suspended thunk printed before is swallowed when it runs again.
 *
 * Only this file, `tryEval` and the call nodes (which add trace frames and rethrow) catch. Whoever catches restores depth and open batches.
 */
import { Code } from "./Code.ts"
import type { Env } from "./Code.ts"
import type { FarRequest, IoAnswer, IoRequest } from "./IoRequest.ts"
import type { Machine, ShownLine } from "./Machine.ts"
import { machine } from "./Machine.ts"
import { Interrupted, NixError } from "./NixError.ts"
import { nameOf } from "./Symbols.ts"
import type { Value } from "./Value.ts"
import { Thunk } from "./Value.ts"

/** Thrown, one object for all: `machine.blockedOn` says what for. */
export const suspend: object = Object.freeze({ suspend: true })

const blackHole = new Code(() => {
  throw new NixError("infinite-recursion", "infinite recursion encountered")
})

/** A thunk's code after it failed: it fails the same way again. */
const failed = (error: NixError): Code => {
  const frames = error.trace.length
  return new Code(() => {
    error.trace.length = frames
    throw error
  })
}

/** What a suspended thunk's code goes back to. */
class Suspended {
  readonly code: Code
  readonly lines: ReadonlyArray<ShownLine>
  constructor(code: Code, lines: ReadonlyArray<ShownLine>) {
    this.code = code
    this.lines = lines
  }
}

/** A thunk's code after it was suspended: waits for one of these, then runs `code`, which has shown these lines before. */
const suspended = (code: Code, requests: ReadonlyArray<FarRequest>, lines: ReadonlyArray<ShownLine>): Code => {
  const again = new Code((env) => {
    awaitAny(requests)
    return repeating(machine, lines, () => code.run(env))
  })
  again.payload = new Suspended(code, lines)
  again.symbol = code.symbol
  again.position = code.position
  return again
}

/** Runs `body` again: lines that it has shown before are not shown again. */
const repeating = <A>(m: Machine, lines: ReadonlyArray<ShownLine>, body: () => A): A => {
  if (lines.length === 0) return body()
  const around = m.repeats
  m.repeats = around === null ? lines : [...lines, ...around]
  try {
    return body()
  } finally {
    m.repeats = around
  }
}

/** The lines that a frame which began when `from` lines were shown would make again, with those left over from its earlier attempt. */
const linesSince = (m: Machine, from: number, earlier: ReadonlyArray<ShownLine>): ReadonlyArray<ShownLine> => {
  for (const line of earlier) if (!line.made) m.shown.push(line)
  if (m.shown.length === from) return noLines
  const lines = [...new Set(m.shown.slice(from))]
  for (const line of lines) line.made = false
  return lines
}

const noLines: ReadonlyArray<ShownLine> = []

const pollMask = 0x3fff

/** To be called now and then by loops that call nothing else: notices an interruption. */
export const poll = (): void => {
  const m = machine
  if ((++m.calls & pollMask) === 0 && m.host.interrupted()) throw new Interrupted()
}

const answered = (m: Machine, requests: ReadonlyArray<FarRequest>): boolean => {
  for (const request of requests) if (m.host.ask(request) !== undefined) return true
  return false
}

/** Returns when one of the requests is answered; blocks for it, or suspends where that is better or blocking is impossible. */
const awaitAny = (requests: ReadonlyArray<FarRequest>): void => {
  const m = machine
  while (!answered(m, requests)) {
    if (m.openBatches > 0 || m.host.wait === undefined) {
      m.blockedOn = requests
      throw suspend
    }
    m.host.wait(requests, undefined)
    if (m.host.interrupted()) throw new Interrupted()
  }
}

/** Asks the host; comes back when there is an answer. Fails with a `NixError` of kind `io` where the answer is an error. */
export const ask = (request: IoRequest): unknown => {
  const m = machine
  let answer: IoAnswer | undefined = m.host.ask(request)
  while (answer === undefined) {
    awaitAny([request as FarRequest])
    answer = m.host.ask(request)
  }
  if (answer.ok) return answer.value
  const error = new NixError("io", answer.failure.message)
  error.exitCode = answer.failure.exitCode
  throw error
}

/** The value, forced to weak head normal form: never a thunk. */
export const force = (value: Value): Exclude<Value, Thunk> => (value instanceof Thunk ? forceThunk(value) : value) as Exclude<Value, Thunk>

/** Forces a thunk in place. */
export const forceThunk = (thunk: Thunk): Value => {
  const code = thunk.code
  if (code === null) return thunk.env as Value
  // No more variables than needed: each takes room on the stack wherever evaluation nests.
  const shown = machine.shown.length
  thunk.code = blackHole
  let value: Value
  try {
    value = code.run(thunk.env as Env)
  } catch (error) {
    unwindThunk(machine, thunk, code, error, shown)
    throw error
  }
  thunk.code = null
  thunk.env = value
  return value
}

/** What a thunk is after its code threw. A failure of the outside is not kept: the outside may have changed by the next input of a session. */
const unwindThunk = (m: Machine, thunk: Thunk, code: Code, error: unknown, shown: number): void => {
  if (error === suspend) {
    const again = code.payload instanceof Suspended ? code.payload : undefined
    thunk.code = suspended(again?.code ?? code, m.blockedOn, linesSince(m, shown, again?.lines ?? noLines))
    return
  }
  // Trace frames name the attribute that was being evaluated.
  if (code.symbol >= 0 && error instanceof NixError)
    error.ofBinding(`while evaluating the attribute '${nameOf(code.symbol)}'`, code.position)
  if (error instanceof NixError && error.kind !== "io") {
    if (error.kind === "infinite-recursion") nameCycle(thunk, code, error)
    if (code !== blackHole) {
      thunk.code = failed(error)
      thunk.env = null
    }
  } else {
    thunk.code = code
  }
}

/** Says where a cycle begins: outside of the thunk that was forced while it was being forced. */
const nameCycle = (thunk: Thunk, code: Code, error: NixError): void => {
  if (code === blackHole) error.cycle ??= thunk
  else if (error.cycle === thunk) {
    error.cycle = undefined
    error.always("entering the infinite recursion", 0)
  }
}

interface Waiting {
  readonly index: number
  readonly requests: ReadonlyArray<FarRequest>
  readonly lines: ReadonlyArray<ShownLine>
}

/** Milliseconds that an inner batch point waits before its siblings further out are started. */
const patience = 10

/**
 * Runs `each` for 0 … n-1, all of which are needed whatever the others give. When one is suspended the others go on. `each` may be called again for an
 * index whose call was suspended, never for one that returned. Calls come in order until `outOfOrder` tells which was the first that was suspended: from there on
 * they come in any order.
 */
export const batch = (n: number, each: (index: number) => void, outOfOrder?: (first: number) => void): void => {
  const m = machine
  const base = m.openBatches
  let i = 0
  if (n > 1) {
    const depth = m.depth
    let shown = 0
    m.openBatches = base + 1
    try {
      for (; i < n - 1; i++) {
        shown = m.shown.length
        poll()
        each(i)
      }
    } catch (error) {
      m.openBatches = base
      if (error !== suspend) throw error
      m.depth = depth
      outOfOrder?.(i)
      return settle(m, n, each, { index: i, requests: m.blockedOn, lines: linesSince(m, shown, noLines) })
    }
    m.openBatches = base
  }
  if (n > 0) each(n - 1)
}

/** The rest of a batch after its first suspension. */
const settle = (m: Machine, n: number, each: (index: number) => void, first: Waiting): void => {
  const base = m.openBatches
  const depth = m.depth
  let waiting: Array<Waiting> = [first]
  let failure: { readonly index: number; readonly error: NixError } | undefined

  const attempt = (index: number, lines: ReadonlyArray<ShownLine>, open: boolean): void => {
    const shown = m.shown.length
    m.openBatches = base + (open ? 1 : 0)
    try {
      repeating(m, lines, () => each(index))
    } catch (error) {
      m.depth = depth
      if (error === suspend) waiting.push({ index, requests: m.blockedOn, lines: linesSince(m, shown, lines) })
      else if (error instanceof NixError) {
        if (failure === undefined || index < failure.index) failure = { index, error }
      } else throw error
    } finally {
      m.openBatches = base
    }
  }

  const failed = (): boolean => failure !== undefined
  for (let i = first.index + 1; i < n; i++) {
    attempt(i, noLines, true)
    if (failed()) break
  }
  for (;;) {
    if (failure !== undefined) {
      const limit = failure.index
      for (const late of waiting) if (late.index > limit) for (const request of late.requests) m.host.release(request)
      waiting = waiting.filter((s) => s.index < limit)
    }
    if (waiting.length === 0) {
      if (failure !== undefined) throw failure.error
      return
    }
    const ready = waiting.filter((s) => answered(m, s.requests))
    if (ready.length === 0) {
      const requests = waiting.flatMap((s) => s.requests)
      if (m.host.wait === undefined || (!m.host.wait(requests, base > 0 ? patience : undefined) && base > 0)) {
        m.blockedOn = requests
        throw suspend
      }
      if (m.host.interrupted()) throw new Interrupted()
      continue
    }
    waiting = waiting.filter((s) => !ready.includes(s))
    ready.sort((a, b) => a.index - b.index)
    for (const [k, s] of ready.entries()) {
      if (failure !== undefined && s.index > failure.index) waiting.push(s)
      else attempt(s.index, s.lines, waiting.length > 0 || k < ready.length - 1)
    }
  }
}

/** Two operands, both needed: `left` and `right` forced, as a batch. */
export const both = (left: Code, right: Code, env: Env, then: (a: Value, b: Value) => Value): Value => {
  const m = machine
  const base = m.openBatches
  const shown = m.shown.length
  const depth = m.depth
  let a: Value = null
  m.openBatches = base + 1
  try {
    a = left.run(env)
  } catch (error) {
    m.openBatches = base
    if (error !== suspend) throw error
    m.depth = depth
    let b: Value = null
    settle(m, 2, (i) => void (i === 0 ? (a = left.run(env)) : (b = right.run(env))), {
      index: 0,
      requests: m.blockedOn,
      lines: linesSince(m, shown, noLines)
    })
    return then(a, b)
  }
  m.openBatches = base
  return then(a, right.run(env))
}
