/**
 * Lists. `map` and `genList` make calls that run when an element is wanted; `filter`, `partition`, `concatMap` and `concatLists` need every element's
 * answer and so are batch points (design.md §2); folds and searches go one by one.
 */
import { fromEntries, fromSymbols } from "../AttributeSet.ts"
import { call, call2 } from "../Call.ts"
import { equalElement, less } from "../Compare.ts"
import { Elements, expectElements } from "../Elements.ts"
import { expectBoolean, expectFunction, expectInteger, expectList, expectText, first, second, third } from "../Expect.ts"
import { batch, force, poll } from "../Force.ts"
import { NixError } from "../NixError.ts"
import type { SymbolId } from "../Symbols.ts"
import { symbol } from "../Symbols.ts"
import type { Value } from "../Value.ts"
import { Builtin } from "../Value.ts"
import { arithmetic } from "./Arithmetic.ts"

/** Longest list that `genList` makes. */
const listLimit = 1 << 27

const lessThan = arithmetic.find((builtin) => builtin.name === "lessThan")

const during = {
  map: [first("map"), second("map")],
  filter: [first("filter"), second("filter"), "while evaluating the return value of the filtering function passed to builtins.filter"],
  partition: [
    first("partition"),
    second("partition"),
    "while evaluating the return value of the partition function passed to builtins.partition"
  ],
  groupBy: [first("groupBy"), second("groupBy"), "while evaluating the return value of the grouping function passed to builtins.groupBy"],
  concatMap: [first("concatMap"), second("concatMap"), "while evaluating the return value of the function passed to builtins.concatMap"],
  concatLists: [first("concatLists"), "while evaluating a value of the list passed to builtins.concatLists"],
  any: [first("any"), second("any"), "while evaluating the return value of the function passed to builtins.any"],
  all: [first("all"), second("all"), "while evaluating the return value of the function passed to builtins.all"],
  sort: [first("sort"), second("sort"), "while evaluating the return value of the sorting function passed to builtins.sort"],
  foldl: [first("foldlStrict"), third("foldlStrict")],
  genList: [first("genList"), second("genList")],
  elemAt: [
    "while evaluating the first argument passed to 'builtins.elemAt'",
    "while evaluating the second argument passed to 'builtins.elemAt'"
  ]
} as const

const mapped = (f: Value, list: Value): Elements => {
  const elements = expectList(list, during.map[1])
  return elements.length === 0 ? Elements.of(elements) : Elements.mapped(expectFunction(f, during.map[0]), elements)
}

const generated = (f: Value, size: Value): Elements => {
  const n = expectInteger(size, during.genList[1])
  const refused = (): NixError => new NixError("eval", `cannot create list of size ${n}`)
  if (n < 0) throw refused()
  const callee = expectFunction(f, during.genList[0])
  if (n > listLimit) throw refused()
  return Elements.generated(callee, Number(n))
}

/** What a predicate says of each element; all are asked. */
const verdicts = (f: Value, elements: ReadonlyArray<Value>, words: string): Uint8Array => {
  const holds = new Uint8Array(elements.length)
  batch(elements.length, (i) => {
    holds[i] = expectBoolean(call(f, elements[i] as Value), words) ? 1 : 0
  })
  return holds
}

const filter = (f: Value, list: Value): Value => {
  const elements = expectList(list, during.filter[1])
  if (elements.length === 0) return elements
  const holds = verdicts(expectFunction(f, during.filter[0]), elements, during.filter[2])
  const kept: Array<Value> = []
  for (let i = 0; i < elements.length; i++) if (holds[i] === 1) kept.push(elements[i] as Value)
  return kept.length === elements.length ? elements : kept
}

const rightName = symbol("right")
const wrongName = symbol("wrong")

const partition = (f: Value, list: Value): Value => {
  const callee = expectFunction(f, during.partition[0])
  const elements = expectList(list, during.partition[1])
  const holds = new Uint8Array(elements.length)
  batch(elements.length, (i) => {
    const element = force(elements[i] as Value)
    holds[i] = expectBoolean(call(callee, element), during.partition[2]) ? 1 : 0
  })
  const right: Array<Value> = []
  const wrong: Array<Value> = []
  for (let i = 0; i < elements.length; i++) (holds[i] === 1 ? right : wrong).push(elements[i] as Value)
  return fromSymbols([rightName, wrongName], [right, wrong])
}

const groupBy = (f: Value, list: Value): Value => {
  const callee = expectFunction(f, during.groupBy[0])
  const elements = expectList(list, during.groupBy[1])
  const groups = new Map<SymbolId, Array<Value>>()
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i] as Value
    const name = symbol(expectText(call(callee, element), during.groupBy[2]))
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [element])
    else group.push(element)
  }
  return fromEntries(groups)
}

const concatenated = (lists: ReadonlyArray<ReadonlyArray<Value>>): Array<Value> => {
  let nonEmpty: ReadonlyArray<Value> | undefined
  let size = 0
  for (let i = 0; i < lists.length; i++) {
    const list = lists[i] as ReadonlyArray<Value>
    if (list.length > 0) nonEmpty = list
    size += list.length
  }
  if (nonEmpty !== undefined && nonEmpty.length === size) return nonEmpty as Array<Value>
  const all = new Array<Value>(size)
  let at = 0
  for (let k = 0; k < lists.length; k++) {
    const list = lists[k] as ReadonlyArray<Value>
    for (let i = 0; i < list.length; i++) all[at++] = list[i] as Value
  }
  return all
}

const concatLists = (list: Value): Value => {
  const elements = expectElements(list, during.concatLists[0])
  const lists = new Array<ReadonlyArray<Value>>(elements.size)
  batch(elements.size, (i) => {
    lists[i] = expectList(elements.value(i), during.concatLists[1])
  })
  return concatenated(lists)
}

const concatMap = (f: Value, list: Value): Value => {
  const callee = expectFunction(f, during.concatMap[0])
  const elements = expectList(list, during.concatMap[1])
  const lists = new Array<ReadonlyArray<Value>>(elements.length)
  batch(elements.length, (i) => {
    lists[i] = expectList(call(callee, elements[i] as Value), during.concatMap[2])
  })
  return concatenated(lists)
}

const foldl = (f: Value, start: Value, list: Value): Value => {
  const callee = expectFunction(f, during.foldl[0])
  const elements = expectElements(list, during.foldl[1])
  let result = start
  for (let i = 0; i < elements.size; i++) result = call2(callee, result, elements.at(i))
  return force(result)
}

/** Looks for the first element whose answer is `wanted`. */
const search = (name: "any" | "all", wanted: boolean): Builtin => {
  const found = (f: Value, list: Value): boolean => {
    const callee = expectFunction(f, during[name][0])
    const elements = expectElements(list, during[name][1])
    for (let i = 0; i < elements.size; i++) {
      if (expectBoolean(call(callee, elements.at(i)), during[name][2]) === wanted) return wanted
    }
    return !wanted
  }
  return new Builtin(name, 2, found, true)
}

/**
 * Stable merge sort on a copy; `before(a, b)` is asked once a comparison, always about a later and an earlier element. Runs that are in order already cost one
 * question. Whatever `before` answers, the result is some order of the same elements.
 */
export const mergeSort = (elements: ReadonlyArray<Value>, before: (a: Value, b: Value) => boolean): Array<Value> => {
  let from = elements.slice()
  let to = elements.slice()
  const n = elements.length
  const sortRun = (start: number, end: number): void => {
    // Insertion for short runs.
    for (let i = start + 1; i < end; i++) {
      const moved = from[i] as Value
      let at = i
      while (at > start && before(moved, from[at - 1] as Value)) {
        from[at] = from[at - 1] as Value
        at--
      }
      from[at] = moved
    }
  }
  let width = 8
  for (let start = 0; start < n; start += width) sortRun(start, Math.min(n, start + width))
  for (; width < n; width *= 2) {
    for (let start = 0; start < n; start += 2 * width) {
      const middle = Math.min(n, start + width)
      const end = Math.min(n, start + 2 * width)
      let i = start
      let j = middle
      let at = start
      if (j < end && !before(from[j] as Value, from[j - 1] as Value)) i = start
      else {
        while (i < middle && j < end) to[at++] = before(from[j] as Value, from[i] as Value) ? (from[j++] as Value) : (from[i++] as Value)
      }
      while (i < middle) to[at++] = from[i++] as Value
      while (j < end) to[at++] = from[j++] as Value
    }
    const swap = from
    from = to
    to = swap
  }
  return from
}

const sort = (f: Value, list: Value): Value => {
  const elements = expectElements(list, during.sort[1])
  if (elements.size === 0) return elements.list()
  const callee = expectFunction(f, during.sort[0])
  const forced = new Array<Value>(elements.size)
  let strings = true
  let numbers = true
  for (let i = 0; i < forced.length; i++) {
    const value = elements.value(i)
    forced[i] = value
    if (typeof value !== "string") strings = false
    if (typeof value !== "number") numbers = false
  }
  if (callee === lessThan) {
    if (strings) return (forced as Array<string>).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    if (numbers) return (forced as Array<number>).sort((a, b) => a - b)
    return mergeSort(forced, less)
  }
  return mergeSort(forced, (a, b) => expectBoolean(call2(callee, a, b), during.sort[2]))
}

const elemAt = (list: Value, index: Value): Value => {
  const n = expectInteger(index, during.elemAt[1])
  const elements = expectList(list, during.elemAt[0])
  if (n < 0 || n >= elements.length) {
    throw new NixError("eval", `'builtins.elemAt' called with index ${n} on a list of size ${elements.length}`)
  }
  return force(elements[n as number] as Value)
}

export const lists: ReadonlyArray<Builtin> = [
  new Builtin("map", 2, (f, list) => mapped(f, list).list(), false, mapped),
  new Builtin("genList", 2, (f, size) => generated(f, size).list(), false, generated),
  new Builtin("filter", 2, filter),
  new Builtin("partition", 2, partition),
  new Builtin("groupBy", 2, groupBy),
  new Builtin("concatLists", 1, concatLists, true),
  new Builtin("concatMap", 2, concatMap),
  new Builtin("foldl'", 3, foldl, true),
  search("any", true),
  search("all", false),
  new Builtin("sort", 2, sort, true),
  new Builtin("elemAt", 2, elemAt),
  new Builtin("elem", 2, (value, list) => {
    const elements = expectList(list, second("elem"))
    if (elements.length === 0) return false
    // Texts, by far the most common, need no more than a comparison.
    const text = force(value)
    const isText = typeof text === "string"
    for (let i = 0; i < elements.length; i++) {
      poll()
      const element = elements[i] as Value
      const found = isText ? force(element) : element
      if (typeof found === "string" && isText ? found === text : equalElement(value, element)) return true
    }
    return false
  }),
  new Builtin("length", 1, (list) => expectList(list, first("length")).length),
  new Builtin("head", 1, (list) => {
    const elements = expectList(list, "while evaluating the first argument passed to 'builtins.head'")
    if (elements.length === 0) throw new NixError("eval", "'builtins.head' called on an empty list")
    return force(elements[0] as Value)
  }),
  new Builtin("tail", 1, (list) => {
    const elements = expectList(list, "while evaluating the first argument passed to 'builtins.tail'")
    if (elements.length === 0) throw new NixError("eval", "'builtins.tail' called on an empty list")
    return elements.slice(1)
  })
]
