/**
 * Runs a pattern the way libstdc++'s depth-first executor does, without its recursion and without its exponential time.
 *
 * What that executor does, and this keeps: branches in order, both sides of `|` tried and the longest end kept (a greedy loop does not go
 * back once its body led to an end); a loop may take its body empty, at most twice at one place; captures of earlier iterations stay.
 * Why results may be remembered: having seen (instruction, position) just after a character, whatever follows depends on nothing
 * else but the loops' counts, which that character reset; and a second visit cannot give a longer end than the first. Pure.
 */
import type { Pattern } from "./Pattern.ts"

const Op = { Set: 0, Begin: 1, End: 2, Open: 3, Close: 4, Alternative: 5, Repeat: 6, Accept: 7 } as const

/** Thrown when matching takes more steps than the budget allows. */
export class RegexTooComplex extends Error {
  override readonly name = "RegexTooComplex"
}

/** Steps that one match may take; some seconds. */
export const stepBudget = 50_000_000

/** Steps after which visited places are remembered. */
const rememberAfter = 2_000

/** Largest memory of visited places, in bytes, and largest stack, in cells. */
const memoryLimit = 1 << 28
const stackLimit = 1 << 27

export interface Program {
  readonly groups: number
  /** Instruction, its operand, and where to go next; the sets stand apart. */
  readonly op: Uint8Array
  readonly arg: Int32Array
  readonly next: Int32Array
  readonly sets: ReadonlyArray<Uint8Array>
  /** For each instruction that follows a character: its dense number, else -1. */
  readonly landing: Int32Array
  readonly landings: number
  readonly start: number
  /** Bytes that a non-empty match can start with; undefined when the pattern can match without a character first. */
  readonly first: Uint8Array | undefined
}

/** Compiles a tree; copies the bodies of intervals as libstdc++ does. */
export const assemble = (root: Pattern, groups: number): Program => {
  const op: Array<number> = []
  const arg: Array<number> = []
  const next: Array<number> = []
  const sets: Array<Uint8Array> = []
  const setNumbers = new Map<string, number>()

  const emit = (code: number, operand: number, to: number): number => {
    op.push(code)
    arg.push(operand)
    next.push(to)
    return op.length - 1
  }
  const setNumber = (members: Uint8Array): number => {
    const key = members.join("")
    let number = setNumbers.get(key)
    if (number === undefined) {
      number = sets.length
      sets.push(members)
      setNumbers.set(key, number)
    }
    return number
  }
  /** Emits `pattern` so that it goes on at `to`; gives its entry. Built backwards, so that every target is known. */
  const build = (pattern: Pattern, to: number): number => {
    switch (pattern._tag) {
      case "Empty":
        return to
      case "Char": {
        const members = new Uint8Array(256)
        members[pattern.code] = 1
        return emit(Op.Set, setNumber(members), to)
      }
      case "Set":
        return emit(Op.Set, setNumber(pattern.members), to)
      case "Begin":
        return emit(Op.Begin, 0, to)
      case "End":
        return emit(Op.End, 0, to)
      case "Group": {
        const close = emit(Op.Close, pattern.index, to)
        return emit(Op.Open, pattern.index, build(pattern.body, close))
      }
      case "Sequence": {
        let entry = to
        for (let i = pattern.items.length - 1; i >= 0; i--) entry = build(pattern.items[i]!, entry)
        return entry
      }
      case "Alternation": {
        // Nested to the left, as the parser of libstdc++ nests them: the order is the same and so is what is tried.
        let entry = build(pattern.branches[0]!, to)
        for (let i = 1; i < pattern.branches.length; i++) {
          const other = build(pattern.branches[i]!, to)
          entry = emit(Op.Alternative, entry, other)
        }
        return entry
      }
      case "Repeat": {
        const loop = (): number => {
          const repeat = emit(Op.Repeat, -1, to)
          arg[repeat] = build(pattern.body, repeat)
          return repeat
        }
        if (pattern.plus) return arg[loop()]!
        if (pattern.max === 1 && !pattern.interval) {
          const body = build(pattern.body, to)
          return emit(Op.Repeat, body, to)
        }
        let entry: number
        if (pattern.max === Infinity) entry = loop()
        else {
          entry = to
          for (let i = pattern.min; i < pattern.max; i++) entry = emit(Op.Repeat, build(pattern.body, entry), to)
        }
        for (let i = 0; i < pattern.min; i++) entry = build(pattern.body, entry)
        return entry
      }
    }
  }

  const accept = emit(Op.Accept, 0, -1)
  const start = build(root, accept)
  const landing = new Int32Array(op.length).fill(-1)
  let landings = 0
  for (let i = 0; i < op.length; i++) if (op[i] === Op.Set && landing[next[i]!] === -1) landing[next[i]!] = landings++
  return {
    groups,
    op: Uint8Array.from(op),
    arg: Int32Array.from(arg),
    next: Int32Array.from(next),
    sets,
    landing,
    landings,
    start,
    first: firstBytes(op, arg, next, sets, start)
  }
}

const firstBytes = (
  op: ReadonlyArray<number>,
  arg: ReadonlyArray<number>,
  next: ReadonlyArray<number>,
  sets: ReadonlyArray<Uint8Array>,
  start: number
): Uint8Array | undefined => {
  const seen = new Uint8Array(op.length)
  const first = new Uint8Array(256)
  const todo = [start]
  while (todo.length > 0) {
    const at = todo.pop()!
    if (seen[at] === 1) continue
    seen[at] = 1
    switch (op[at]) {
      case Op.Set: {
        const members = sets[arg[at]!]!
        for (let code = 0; code < 256; code++) if (members[code] === 1) first[code] = 1
        break
      }
      case Op.Accept:
        return undefined
      case Op.Alternative:
      case Op.Repeat:
        todo.push(arg[at]!, next[at]!)
        break
      default:
        todo.push(next[at]!)
    }
  }
  return first
}

/** Kinds of stack frames: what to do when the path above has been tried. */
const Undo = { Open: 0, Close: 1, Second: 2, Merge: 3, Rest: 4, Restore: 5, Remember: 6 } as const
const frameSize = 5

/**
 * The scratch memory of a program's runs, one text after the other. `load` a text, then `attempt` from as many places as wanted: what one attempt that found
 * nothing has learned serves the next.
 */
export class Run {
  readonly program: Program
  text = ""
  /** Start and end of each group, -1 where it did not take part; the answer of the last successful attempt. */
  readonly captures: Int32Array
  end = -1
  private readonly current: Int32Array
  private readonly repeatAt: Int32Array
  private readonly repeatCount: Uint8Array
  private stack = new Int32Array(1024)
  private memory: Uint8Array | undefined
  private remember = false
  private steps = 0

  constructor(program: Program) {
    this.program = program
    this.captures = new Int32Array(2 * (program.groups + 1))
    this.current = new Int32Array(2 * (program.groups + 1))
    this.repeatAt = new Int32Array(program.op.length)
    this.repeatCount = new Uint8Array(program.op.length)
  }

  /** Begins with a text, with nothing learned. After a success it must be loaded again. */
  load(text: string): this {
    this.text = text
    this.memory = undefined
    this.remember = false
    this.steps = 0
    return this
  }

  /** Lets go of what a large text took. */
  unload(): void {
    this.text = ""
    this.memory = undefined
    if (this.stack.length > 1 << 16) this.stack = new Int32Array(1024)
  }

  /** Tries at `from` only. `exact`: must end at the end of the text. `notNull`: must not be empty. */
  attempt(from: number, exact: boolean, notNull: boolean): boolean {
    const { op, arg, next, sets, landing, landings, start } = this.program
    const { text, current, captures, repeatAt, repeatCount } = this
    const length = text.length
    let stack = this.stack
    let top = 0
    let pc = start
    let at = from
    let found = false
    let steps = this.steps
    let memory = this.memory
    // -1 a group that never opened; the flag "matched" is an end that is not -1.
    current.fill(-1)
    repeatCount.fill(0)
    this.end = -1

    search: for (;;) {
      // Forward.
      forward: for (;;) {
        if (++steps > stepBudget) throw new RegexTooComplex()
        if (top + frameSize * 2 > stack.length) {
          if (stack.length * 2 > stackLimit) throw new RegexTooComplex()
          const larger = new Int32Array(stack.length * 2)
          larger.set(stack)
          this.stack = stack = larger
        }
        switch (op[pc]) {
          case Op.Set: {
            if (at >= length || sets[arg[pc]!]![text.charCodeAt(at)] !== 1) break forward
            at++
            pc = next[pc]!
            if (steps > rememberAfter) {
              if (!this.remember) {
                this.remember = true
                if (landings * (length + 1) <= memoryLimit) this.memory = memory = new Uint8Array(landings * (length + 1))
              }
              if (memory !== undefined) {
                const key = landing[pc]! * (length + 1) + at
                const known = memory[key]!
                if (known !== 0) {
                  if (known === 2) found = true
                  break forward
                }
                stack[top] = Undo.Remember
                stack[top + 1] = key
                top += frameSize
              }
            }
            continue
          }
          case Op.Begin:
            if (at !== 0) break forward
            pc = next[pc]!
            continue
          case Op.End:
            if (at !== length) break forward
            pc = next[pc]!
            continue
          case Op.Open: {
            const slot = 2 * arg[pc]!
            stack[top] = Undo.Open
            stack[top + 1] = slot
            stack[top + 2] = current[slot]!
            top += frameSize
            current[slot] = at
            pc = next[pc]!
            continue
          }
          case Op.Close: {
            const slot = 2 * arg[pc]! + 1
            stack[top] = Undo.Close
            stack[top + 1] = slot
            stack[top + 2] = current[slot]!
            top += frameSize
            current[slot] = at
            pc = next[pc]!
            continue
          }
          case Op.Alternative:
            stack[top] = Undo.Second
            stack[top + 1] = next[pc]!
            stack[top + 2] = at
            top += frameSize
            pc = arg[pc]!
            continue
          case Op.Repeat:
            if (repeatCount[pc] === 0 || repeatAt[pc] !== at) {
              stack[top] = Undo.Rest
              stack[top + 1] = pc
              stack[top + 2] = at
              stack[top + 3] = repeatAt[pc]!
              stack[top + 4] = repeatCount[pc]!
              top += frameSize
              repeatAt[pc] = at
              repeatCount[pc] = 1
              pc = arg[pc]!
              continue
            }
            if (repeatCount[pc]! < 2) {
              stack[top] = Undo.Rest
              stack[top + 1] = pc
              stack[top + 2] = at
              stack[top + 3] = at
              stack[top + 4] = repeatCount[pc]!
              top += frameSize
              repeatCount[pc] = repeatCount[pc]! + 1
              pc = arg[pc]!
              continue
            }
            pc = next[pc]!
            continue
          default:
            // Accept.
            if (exact ? at === length : !(notNull && at === from)) {
              found = true
              if (this.end < at) {
                this.end = at
                captures.set(current)
              }
            }
            break forward
        }
      }
      // Backward: undo until something is left to try.
      for (;;) {
        if (top === 0) break search
        top -= frameSize
        switch (stack[top]) {
          case Undo.Open:
          case Undo.Close:
            current[stack[top + 1]!] = stack[top + 2]!
            continue
          case Undo.Remember:
            memory![stack[top + 1]!] = found ? 2 : 1
            continue
          case Undo.Merge:
            if (stack[top + 1] === 1) found = true
            continue
          case Undo.Second:
            if (found && (exact || this.end === length)) continue
            pc = stack[top + 1]!
            at = stack[top + 2]!
            stack[top] = Undo.Merge
            stack[top + 1] = found ? 1 : 0
            top += frameSize
            found = false
            continue search
          default: {
            const repeat = stack[top + 1]!
            repeatAt[repeat] = stack[top + 3]!
            repeatCount[repeat] = stack[top + 4]!
            if (found) continue
            pc = next[repeat]!
            at = stack[top + 2]!
            continue search
          }
        }
      }
    }
    this.steps = steps
    return this.end >= 0
  }
}
