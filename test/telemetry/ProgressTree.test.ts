import { assert, describe, it } from "@effect/vitest"
import { stripVTControlCharacters } from "node:util"
import { displayWidth } from "../../src/telemetry/DisplayWidth.ts"
import { initial, type Model, reduce } from "../../src/telemetry/ProgressModel.ts"
import { summaryLine, treeLines, type View } from "../../src/telemetry/ProgressTree.ts"
import type { Event } from "../../src/wire/Events.ts"

const minute = 60_000

/** A run in the middle: an evaluation, transfers, builds with logs, a failure. */
const busy = (builds: number): Model => {
  const events: Array<readonly [at: number, event: Event]> = [
    [0, { _tag: "Started", id: 1, kind: "evaluate", name: "/home/ada/project/default.nix", path: undefined }],
    [0, { _tag: "Reused", path: "r.drv", outputs: ["r"] }],
    [500, { _tag: "Started", id: 2, kind: "fetch", name: "hello-2.10.tar.gz", path: "h" }],
    [1000, { _tag: "Progress", id: 2, done: 717_722, total: 725_946 }],
    [1500, { _tag: "Done", id: 2 }],
    [minute, { _tag: "Started", id: 3, kind: "fetch", name: "linux-6.9.tar.xz", path: "l" }],
    [minute, { _tag: "Started", id: 4, kind: "fetch", name: "no-length.tar", path: "n" }],
    [minute, { _tag: "Started", id: 5, kind: "substitute", name: "gcc-13.2.0", path: "g" }],
    [minute + 2000, { _tag: "Progress", id: 3, done: 20 * 1024 ** 2, total: 130 * 1024 ** 2 }],
    [minute + 2000, { _tag: "Progress", id: 4, done: 4096, total: undefined }],
    [minute + 3500, { _tag: "Started", id: 6, kind: "add-source", name: "quick", path: undefined }],
    [minute + 2500, { _tag: "Started", id: 7, kind: "add-source", name: "nixpkgs", path: undefined }],
    [10, { _tag: "Started", id: 8, kind: "build", name: "broken-1.0", path: "b.drv" }],
    [
      20,
      {
        _tag: "Failed",
        id: 8,
        message: "cannot build '/nix/store/0123-broken-1.0.drv': builder failed with exit code 2\nlast log line:\n> no"
      }
    ],
    [20, { _tag: "Planned", path: "w1.drv", name: "w1", inputs: [] }],
    [20, { _tag: "Planned", path: "w2.drv", name: "w2", inputs: ["w1.drv"] }]
  ]
  for (let i = 0; i < builds; i++) {
    const id = 100 + i
    events.push([minute - i * 1000, { _tag: "Started", id, kind: "build", name: `package-${i}`, path: `p${i}.drv` }])
    events.push([
      minute,
      {
        _tag: "LogLine",
        id,
        line: `[${i}/100] \x1b[32mCXX\x1b[0m 编译 src/module/with/a/long/name/file${i}.cpp -o obj/file${i}.o -O2 -Wall`
      }
    ])
    events.push([minute, { _tag: "LogLine", id, line: "\x1b[0m  " }])
  }
  return events.reduce((model, [at, event]) => reduce(model, event, at), initial(0))
}

const view = (width: number, height: number, color = false, unicode = true): View => ({ width, height, color, unicode })
const now = minute + 4000

describe("the tree", () => {
  it("shows a busy run on 80 × 24", () => {
    assert.deepStrictEqual(treeLines(busy(3), view(80, 24), now), [
      "evaluating /home/ada/project/default.nix  1 min 04 s",
      "reading",
      "└─ nixpkgs  1 s",
      "copying",
      "└─ gcc-13.2.0  4 s",
      "fetching 2",
      "├─ linux-6.9.tar.xz  20.0/130.0 MiB  15 %  5.0 MiB/s  4 s",
      "└─ no-length.tar  4.0 KiB  1.0 KiB/s  4 s",
      "building 3, 2 waiting",
      "├─ package-0  4 s  [0/100] CXX 编译 src/module/with/a/long/name/file0.cpp -o o…",
      "├─ package-1  5 s  [1/100] CXX 编译 src/module/with/a/long/name/file1.cpp -o o…",
      "└─ package-2  6 s  [2/100] CXX 编译 src/module/with/a/long/name/file2.cpp -o o…",
      "✗ broken-1.0  builder failed with exit code 2",
      "failed 1, built 0 of 5, fetched 1 (20.7 MiB, 4.1 MiB/s), reused 1, 1 min 04 s"
    ])
  })

  it("shows what fits of a crowd on 80 × 24, and all of it on 200 × 50", () => {
    const low = treeLines(busy(40), view(80, 24), now)
    assert.strictEqual(low.length, 23)
    assert.deepStrictEqual(low.slice(8, 11), [
      "building 40, 2 waiting",
      "├─ package-0  4 s  [0/100] CXX 编译 src/module/with/a/long/name/file0.cpp -o o…",
      "├─ package-1  5 s  [1/100] CXX 编译 src/module/with/a/long/name/file1.cpp -o o…"
    ])
    assert.deepStrictEqual(low.slice(19), [
      "├─ package-10  14 s  [10/100] CXX 编译 src/module/with/a/long/name/file10.cpp …",
      "└─ and 29 more",
      "✗ broken-1.0  builder failed with exit code 2",
      "failed 1, built 0 of 42, fetched 1 (20.7 MiB, 4.1 MiB/s), reused 1, 1 min 04 s"
    ])
    const high = treeLines(busy(36), view(200, 50), now)
    assert.strictEqual(high.length, 47)
    assert.deepStrictEqual(high.slice(43), [
      "├─ package-34  38 s  [34/100] CXX 编译 src/module/with/a/long/name/file34.cpp -o obj/file34.o -O2 -Wall",
      "└─ package-35  39 s  [35/100] CXX 编译 src/module/with/a/long/name/file35.cpp -o obj/file35.o -O2 -Wall",
      "✗ broken-1.0  builder failed with exit code 2",
      "failed 1, built 0 of 38, fetched 1 (20.7 MiB, 4.1 MiB/s), reused 1, 1 min 04 s"
    ])
  })

  it("never leaves the terminal, however small, and has its last line always", () => {
    for (const builds of [0, 1, 5, 60]) {
      const model = busy(builds)
      for (const height of [1, 2, 3, 4, 5, 6, 7, 9, 12, 18, 40]) {
        for (const width of [1, 2, 7, 20, 79, 200]) {
          const lines = treeLines(model, view(width, height, true), now).map((line) => stripVTControlCharacters(line))
          assert.isAtMost(lines.length, Math.max(1, height - 1))
          assert.isAtLeast(lines.length, 1)
          for (const line of lines) assert.isBelow(displayWidth(line), width, `${line} on ${width}`)
          if (width === 200) assert.match(lines.at(-1)!, /^failed 1, built 0/)
        }
      }
    }
  })

  it("has no escape sequence without colour, and only ASCII where the locale asks for it", () => {
    const model = reduce(initial(0), { _tag: "Started", id: 1, kind: "build", name: "a\x1b[2Jb", path: undefined }, 0)
    assert.deepStrictEqual(treeLines(model, view(80, 24, false, false), 1000), ["building", "`- ab  1 s", "built 0 of 1, 1 s"])
    assert.deepStrictEqual(treeLines(model, view(80, 24, true, false), 1000), [
      "building",
      "\x1b[2m`- \x1b[0m\x1b[1mab\x1b[0m\x1b[2m  1 s\x1b[0m",
      "built 0 of 1\x1b[2m, 1 s\x1b[0m"
    ])
  })

  it("shows of a line that overwrites itself what is to be seen", () => {
    const model = [
      { _tag: "Started", id: 1, kind: "build", name: "a", path: undefined },
      { _tag: "LogLine", id: 1, line: "10 %\r50 %\r99 %\r" }
    ].reduce((model, event) => reduce(model, event as Event, 0), initial(0))
    assert.strictEqual(treeLines(model, view(80, 24), 0)[1], "└─ a  99 %")
  })
})

describe("the summary", () => {
  it("has what was done, and is missing where nothing was", () => {
    assert.strictEqual(summaryLine(busy(2), view(80, 24), now), "failed 1, fetched 1 (20.7 MiB, 4.1 MiB/s), reused 1, 1 min 04 s")
    const evaluated = reduce(initial(0), { _tag: "Started", id: 1, kind: "evaluate", name: "e", path: undefined }, 0)
    assert.isUndefined(summaryLine(reduce(evaluated, { _tag: "Done", id: 1 }, 10), view(80, 24), 2000))
  })
})
