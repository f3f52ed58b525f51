/**
 * Results that are kept from run to run: used when everything is as it was, not when something is not, and harmless whatever their files hold.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { hostHolds } from "../../src/realise/DependencyCheck.ts"
import { DependencyRecorder } from "../../src/realise/DependencyRecorder.ts"
import type { EvaluationJob, EvaluationResult } from "../../src/realise/Evaluation.ts"
import { Evaluator } from "../../src/realise/Evaluation.ts"
import { keep } from "../../src/realise/EvaluationCache.ts"
import { find } from "../../src/realise/FoundEvaluation.ts"
import { keyOf, nameOf } from "../../src/realise/EvaluationKey.ts"
import * as EvaluatorHost from "../../src/realise/EvaluatorHost.ts"
import * as EvaluatorInThread from "../../src/realise/EvaluatorInThread.ts"
import type { Look } from "../../src/realise/FileState.ts"
import { expression, file as fileSource, job as makeJob } from "../../src/realise/Jobs.ts"
import { Realiser } from "../../src/realise/Realiser.ts"
import type { Event } from "../../src/wire/Events.ts"
import { EventSink } from "../../src/wire/Events.ts"
import { world } from "./world.ts"

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "yix-kept-"))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))
let places = 0

/** A directory of files and a folder for results. */
class Place {
  readonly root = path.join(scratch, String(places++))
  readonly folder = path.join(this.root, "cache")

  constructor(files: Readonly<Record<string, string>> = {}) {
    for (const [name, contents] of Object.entries(files)) this.write(name, contents)
    fs.mkdirSync(this.root, { recursive: true })
  }

  at(name: string): string {
    return path.join(this.root, name)
  }

  write(name: string, contents: string): void {
    fs.mkdirSync(path.dirname(this.at(name)), { recursive: true })
    fs.writeFileSync(this.at(name), contents)
  }

  job(text: string, more: Partial<EvaluationJob> = {}): EvaluationJob {
    const mode = { kind: "print", strict: true, format: "nix" } as const
    const evaluationCache = { folder: this.folder, world: "test", database: undefined }
    return makeJob(expression(text, this.root), mode, { system: "x86_64-linux", evaluationCache, ...more })
  }

  get records(): ReadonlyArray<string> {
    return fs.existsSync(this.folder) ? fs.readdirSync(this.folder).map((name) => path.join(this.folder, name)) : []
  }
}

const noted = (event: Event): boolean => event._tag === "Message" && event.text.includes("the one that was kept")

/** What comes of a job, and whether it was kept. */
const outcome = Effect.fnUntraced(function* (job: EvaluationJob) {
  const events: Array<Event> = []
  const exit = yield* Effect.exit(Effect.flatMap(Evaluator, (evaluator) => evaluator.run(job))).pipe(
    Effect.provideService(EventSink, (event) => void events.push(event))
  )
  const text = Exit.isSuccess(exit) ? (exit.value._tag === "Values" ? exit.value.texts.join("\n") : JSON.stringify(exit.value)) : "failed"
  return [text, events.some(noted) ? "kept" : "evaluated"] as const
})

const inWorld = <A, E>(effect: Effect.Effect<A, E, Evaluator | Realiser>) =>
  Effect.provide(effect, EvaluatorInThread.layer.pipe(Layer.provideMerge(world({}))), { local: true })

/** The outcomes of one job before and after each change. */
const outcomes = (job: EvaluationJob, ...changes: ReadonlyArray<() => void>) =>
  inWorld(
    Effect.gen(function* () {
      const all = [yield* outcome(job)]
      for (const change of changes) {
        change()
        all.push(yield* outcome(job))
      }
      return all
    })
  )

/** Files count as settled at once. The clock of the file system goes on before `change`. */
const settled = <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const real = Date.now.bind(Date)
      return vi.spyOn(Date, "now").mockImplementation(() => real() + 10_000)
    }),
    () => body,
    (clock) => Effect.sync(() => clock.mockRestore())
  )

/** A path as it is now. */
const look = (path: string): Look => ({ stat: fs.statSync(path), at: Date.now() })

const pause = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15)

const both = (name: string, body: () => Effect.Effect<void>) => {
  it.live(`${name}, soon after a change`, body)
  it.live(`${name}, when files have been at rest`, () => settled(body()))
}

describe("a result that was kept", () => {
  both("is used as long as nothing changes", () =>
    Effect.gen(function* () {
      const place = new Place({ t: "one" })
      const job = place.job("builtins.readFile ./t")
      const nothing = () => {}
      assert.deepStrictEqual(yield* outcomes(job, nothing, nothing), [
        [`"one"`, "evaluated"],
        [`"one"`, "kept"],
        [`"one"`, "kept"]
      ])
    })
  )

  both("is not used after an edit that changes neither length nor time", () =>
    Effect.gen(function* () {
      const place = new Place({ t: "one" })
      const date = new Date("2020-01-01T00:00:00Z")
      fs.utimesSync(place.at("t"), date, date)
      const edit = () => {
        pause()
        fs.writeFileSync(place.at("t"), "two")
        fs.utimesSync(place.at("t"), date, date)
      }
      for (const text of ["builtins.readFile ./t", 'builtins.readFile "${./.}/t"', 'builtins.substring 0 20 "${./t}"']) {
        place.write("t", "one")
        fs.utimesSync(place.at("t"), date, date)
        pause()
        const readOnly = !text.includes("./.")
        const [before, after] = yield* outcomes(place.job(text, { readOnly }), edit)
        assert.strictEqual(after![1], "evaluated", text)
        if (!text.includes("substring")) assert.notStrictEqual(before![0], after![0])
      }
    })
  )

  both("is used when files were only touched, or written again as they were", () =>
    Effect.gen(function* () {
      const place = new Place({ t: "one", "d/x": "1", "d/y": "2" })
      const job = place.job(`[ (builtins.readFile ./t) (builtins.readDir ./d) "\${./d}" ]`)
      const touch = () => {
        pause()
        for (const name of ["t", "d/x", "d"]) fs.utimesSync(place.at(name), new Date(), new Date())
      }
      const rewrite = () => {
        pause()
        for (const name of ["t", "d/x"]) {
          fs.copyFileSync(place.at(name), place.at("copy"))
          fs.renameSync(place.at("copy"), place.at(name))
        }
        fs.writeFileSync(place.at("d/z"), "")
        fs.rmSync(place.at("d/z"))
      }
      const found = yield* outcomes(job, touch, rewrite)
      assert.deepStrictEqual(
        found.map(([, how]) => how),
        ["evaluated", "kept", "kept"]
      )
    })
  )

  it.live("sees links, files and directories that changed places, came or went", () =>
    Effect.gen(function* () {
      const place = new Place({ a: "A", b: "B", "d/x": "1", "e/x": "2", "p/none": "", "q/found.nix": "1", "m/x": "" })
      const link = (target: string) => () => {
        fs.rmSync(place.at("l"), { force: true })
        fs.symlinkSync(target, place.at("l"))
      }
      link("a")()
      const expect = (text: string, change: () => void, more: Partial<EvaluationJob> = {}) =>
        Effect.gen(function* () {
          const [first, again, last] = yield* outcomes(place.job(text, more), () => {}, change)
          assert.strictEqual(again![1], "kept", text)
          assert.strictEqual(last![1], "evaluated", text)
          assert.notStrictEqual(last![0], first![0], text)
        })
      yield* expect("builtins.readFile ./l", link("b"))
      link("d")()
      yield* expect("builtins.readFile ./l/x", link("e"))
      link("d")()
      yield* expect("import ./l/x", link("e"))
      yield* expect("builtins.readDir ./d", () => place.write("d/new", ""))
      yield* expect("builtins.pathExists ./later", () => place.write("later", ""))
      yield* expect("builtins.pathExists ./later", () => fs.rmSync(place.at("later")))
      const searchPath = [place.at("p"), place.at("q")]
      yield* expect("import <found.nix>", () => place.write("p/found.nix", "2"), { searchPath })
      yield* expect("(builtins.tryEval (builtins.pathExists ./m/default.nix)).value", () => place.write("m/default.nix", "1"))
      yield* expect(`builtins.readFileType ./a`, () => {
        fs.rmSync(place.at("a"))
        fs.mkdirSync(place.at("a"))
      })
      yield* expect(`"\${./d}"`, () => fs.chmodSync(place.at("d/x"), 0o755))
      yield* expect(`"\${./e}"`, () => fs.symlinkSync("x", place.at("e/y")))
      yield* expect(`"\${builtins.filterSource (p: t: baseNameOf p != "y") ./e}"`, () => place.write("e/x", "changed"))
    })
  )

  it.live("is not touched by what a filter refuses", () =>
    Effect.gen(function* () {
      const place = new Place({ "d/x": "1", "d/secret": "1" })
      const job = place.job(`"\${builtins.filterSource (p: t: baseNameOf p != "secret") ./d}"`)
      const [first, second] = yield* outcomes(job, () => place.write("d/secret", "2"))
      assert.strictEqual(first![1], "evaluated")
      assert.strictEqual(second![1], "kept")
    })
  )

  it.live("belongs to one job, one home and one environment", () =>
    Effect.gen(function* () {
      const place = new Place({ x: "1" })
      const variable = "YIX_TEST_KEPT"
      const text = `{ v ? 0, ... }: [ v (builtins.getEnv "${variable}") builtins.currentSystem (builtins.pathExists ~/x) ]`
      const arg = (value: string): EvaluationJob =>
        place.job(text, { args: [{ name: "v", kind: "expression", text: value, directory: place.root }] })
      const home = process.env["HOME"]
      yield* inWorld(
        Effect.gen(function* () {
          const now = (job: EvaluationJob) => Effect.map(outcome(job), ([, how]) => how)
          assert.strictEqual(yield* now(arg("1")), "evaluated")
          assert.strictEqual(yield* now(arg("1")), "kept")
          assert.strictEqual(yield* now(arg("2")), "evaluated")
          assert.strictEqual(yield* now({ ...arg("1"), system: "aarch64-linux" }), "evaluated")
          assert.strictEqual(yield* now({ ...arg("1"), restrict: true, searchPath: [place.root] }), "evaluated")
          assert.strictEqual(yield* now({ ...arg("1"), evaluationCache: { ...arg("1").evaluationCache!, world: "another" } }), "evaluated")
          assert.strictEqual(yield* now({ ...arg("1"), evaluationCache: undefined }), "evaluated")
          assert.strictEqual(yield* now({ ...arg("1"), showTrace: true, errorFormat: "json" }), "kept")
          assert.strictEqual(yield* now(arg("1")), "kept")
          process.env[variable] = "set"
          assert.strictEqual(yield* now(arg("1")), "evaluated")
          process.env["HOME"] = place.root
          assert.strictEqual(yield* now(arg("1")), "evaluated")
        }).pipe(
          Effect.ensuring(
            Effect.sync(() => {
              delete process.env[variable]
              process.env["HOME"] = home
            })
          )
        )
      )
    })
  )

  it.live("is none of an evaluation that failed, saw the time, or read what can be read once", () =>
    Effect.gen(function* () {
      const place = new Place({ t: "one", "bad.nix": "1 +" })
      for (const text of [
        `throw "no"`,
        "builtins.readFile ./none",
        "import ./bad.nix",
        "builtins.currentTime > 0",
        "builtins.readFile /dev/null"
      ]) {
        const job = place.job(text)
        yield* outcomes(job, () => {})
        assert.deepStrictEqual(place.records, [], text)
      }
    })
  )

  it.live("is not used where a link now leads out of what may be read", () =>
    Effect.gen(function* () {
      const place = new Place({ "in/t": "inside", "out/t": "inside" })
      fs.symlinkSync("t", place.at("in/l"))
      const job = place.job("builtins.readFile ./in/l", { restrict: true, searchPath: [place.at("in")] })
      const found = yield* outcomes(
        job,
        () => {},
        () => {
          fs.rmSync(place.at("in/l"))
          fs.symlinkSync("../out/t", place.at("in/l"))
        }
      )
      assert.deepStrictEqual(found, [
        [`"inside"`, "evaluated"],
        [`"inside"`, "kept"],
        ["failed", "evaluated"]
      ])
    })
  )

  it.live("tells traces and warnings again", () =>
    Effect.gen(function* () {
      const place = new Place()
      const job = place.job(`builtins.trace "seen" (builtins.warn "beware" 1)`)
      const lines: Array<Array<string>> = [[], []]
      yield* inWorld(
        Effect.gen(function* () {
          for (const list of lines) {
            yield* Effect.provideService(
              Effect.flatMap(Evaluator, (evaluator) => evaluator.run(job)),
              EventSink,
              (event) => void (event._tag === "Message" && event.level !== "debug" && list.push(event.text))
            )
          }
        })
      )
      assert.strictEqual(lines[0]!.length, 2)
      assert.deepStrictEqual(lines[1], lines[0])
    })
  )

  it.live("lets derivations be built that nobody evaluated", () =>
    Effect.gen(function* () {
      const place = new Place({ src: "source" })
      const text = `let drv = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // more); in { b = drv "b" { x = drv "a" { }; y = builtins.readFile (drv "read" { }); }; }`
      const job = place.job(text, { mode: { kind: "derivations" } })
      const built = (how: string) =>
        inWorld(
          Effect.gen(function* () {
            const [json, really] = yield* outcome(job)
            assert.strictEqual(really, how)
            const { derivations } = JSON.parse(json) as Extract<EvaluationResult, { _tag: "Derivations" }>
            const { drvPath } = derivations[0]!
            const realiser = yield* Realiser
            const [made] = yield* realiser.realise([{ _tag: "Derivation", drvPath, outputs: undefined }])
            return `${drvPath} ${made!.outputs[0]!.path}`
          })
        )
      const first = yield* built("evaluated")
      // Another world: what was read from a derivation is not in its store.
      yield* built("evaluated")
      const simple = { ...job, source: expression(text.replace(/y = .*?; }/, "}"), place.root) }
      const name = (how: string) =>
        inWorld(
          Effect.gen(function* () {
            const [json, really] = yield* outcome(simple)
            assert.strictEqual(really, how)
            const { derivations } = JSON.parse(json) as Extract<EvaluationResult, { _tag: "Derivations" }>
            const realiser = yield* Realiser
            const [made] = yield* realiser.realise([{ _tag: "Derivation", drvPath: derivations[0]!.drvPath, outputs: undefined }])
            return made!.outputs[0]!.path
          })
        )
      assert.strictEqual(yield* name("evaluated"), yield* name("kept"))
      assert.include(first, "-b.drv")
    })
  )

  it.live("is found again by an evaluator in its own thread, which reads nothing then", () =>
    Effect.gen(function* () {
      const place = new Place({ "f.nix": "{ x = 1; }" })
      const job: EvaluationJob = { ...place.job(""), source: fileSource(place.at("f.nix")), attrPaths: ["x"] }
      const once = Effect.provide(outcome(job), EvaluatorHost.layer.pipe(Layer.provideMerge(world({}))), { local: true })
      assert.deepStrictEqual(yield* once, ["1", "evaluated"])
      assert.deepStrictEqual(yield* once, ["1", "kept"])
    })
  )
})

describe("noting dependencies", () => {
  it.effect("keeps a file that was replaced between the look and the reading by what was read", () =>
    Effect.gen(function* () {
      const place = new Place({ t: "old" })
      yield* settled(
        Effect.gen(function* () {
          const before = look(place.at("t"))
          pause()
          place.write("t", "new")
          const recorder = new DependencyRecorder()
          recorder.file(place.at("t"), before, Buffer.from("new"))
          assert.isDefined(yield* Effect.promise(() => hostHolds(recorder.dependencies!)))
          pause()
          place.write("t", "old")
          assert.isUndefined(yield* Effect.promise(() => hostHolds(recorder.dependencies!)))
        })
      )
    })
  )

  it("refuses what changed while the evaluation was under way", () => {
    const place = new Place({ t: "old" })
    const recorder = new DependencyRecorder()
    const before = look(place.at("t"))
    recorder.file(place.at("t"), before, Buffer.from("old"))
    assert.isDefined(recorder.dependencies)
    recorder.file(place.at("t"), before, Buffer.from("new"))
    assert.isUndefined(recorder.dependencies)
  })

  it.effect("looks at nothing any more once it has refused", () =>
    settled(
      Effect.sync(() => {
        const place = new Place({ "d/f": "text" })
        const recorder = new DependencyRecorder()
        const source = {
          _tag: "AddSource",
          path: place.at("d"),
          name: "d",
          recursive: true,
          accepted: undefined,
          expected: undefined
        } as const
        assert.isDefined(recorder.before(source))
        recorder.refuse()
        assert.isUndefined(recorder.before(source))
        const untouchable = new Proxy({}, { get: () => assert.fail("it was looked at") }) as never
        recorder.file(place.at("d/f"), untouchable, untouchable)
        recorder.directory(place.at("d"), untouchable, untouchable)
        assert.isFalse(recorder.isKeepable)
      })
    )
  )

  it("believes no times of a file that had just changed when it was looked at, however long reading it took", () => {
    const place = new Place({ t: "text" })
    const { stat } = look(place.at("t"))
    const sizeNoted = (after: number): number => {
      const recorder = new DependencyRecorder()
      recorder.file(place.at("t"), { stat, at: stat.ctimeMs + after }, Buffer.from("text"))
      return recorder.dependencies!.states[0]!
    }
    assert.isNaN(sizeNoted(1000))
    assert.strictEqual(sizeNoted(5000), 4)
  })

  it.effect("does not wait at a pipe that took the place of a file, and notes what files are like once they are at rest", () =>
    Effect.gen(function* () {
      const place = new Place({ t: "old" })
      const recorder = new DependencyRecorder()
      recorder.file(place.at("t"), look(place.at("t")), Buffer.from("old"))
      const dependencies = recorder.dependencies!
      assert.isNaN(dependencies.states[0])
      assert.strictEqual(yield* Effect.promise(() => hostHolds(dependencies)), dependencies)
      const renewed = yield* settled(Effect.promise(() => hostHolds(dependencies)))
      assert.strictEqual(renewed!.states[0], 3)
      fs.rmSync(place.at("t"))
      execFileSync("mkfifo", [place.at("t")])
      assert.isUndefined(yield* Effect.promise(() => hostHolds(dependencies)))
    })
  )

  it("believes no times of /proc", () => {
    const recorder = new DependencyRecorder()
    const file = "/proc/sys/kernel/ostype"
    recorder.file(file, look(file), fs.readFileSync(file))
    assert.isNaN(recorder.dependencies!.states[0])
  })
})

describe("the files of kept results", () => {
  const result: EvaluationResult = { _tag: "Values", texts: ["kept"] }
  const recorderOf = (place: Place, files: number): DependencyRecorder => {
    const recorder = new DependencyRecorder()
    for (let i = 0; i < files; i++) {
      place.write(`files/${i}`, String(i))
      recorder.file(place.at(`files/${i}`), look(place.at(`files/${i}`)), Buffer.from(String(i)))
    }
    recorder.other({ _tag: "PathType", path: place.at("none"), follow: true }, { ok: true, value: undefined })
    recorder.lines.push("trace: a line with bytes \xff\xfe")
    return recorder
  }
  const found = Effect.fnUntraced(function* (job: EvaluationJob) {
    const there = yield* Effect.promise(() => find(job))
    there?.close()
    return there?.record.result
  })

  it.effect("give the right thing or nothing, whatever they hold", () =>
    Effect.gen(function* () {
      const place = new Place()
      const job = place.job("1")
      keep(job, { result, derivations: [] }, recorderOf(place, 2))
      const [file] = place.records
      const whole = fs.readFileSync(file!)
      assert.deepStrictEqual(yield* found(job), result)
      for (let i = 0; i < whole.length; i++) {
        const broken = Uint8Array.from(whole)
        broken[i]! ^= 1 << (i % 8)
        fs.writeFileSync(file!, broken)
        assert.isUndefined(yield* found(job), `byte ${i}`)
      }
      for (let length = 0; length < whole.length; length += 7) {
        fs.writeFileSync(file!, whole.subarray(0, length))
        assert.isUndefined(yield* found(job), `${length} bytes`)
      }
      fs.writeFileSync(file!, Buffer.concat([whole, whole]))
      assert.isUndefined(yield* found(job))
      fs.writeFileSync(file!, whole)
      assert.deepStrictEqual(yield* found(job), result)
      fs.chmodSync(file!, 0o666)
      assert.isUndefined(yield* found(job), "somebody else may have written it")
      fs.chmodSync(file!, 0o600)
      fs.renameSync(file!, path.join(place.folder, path.basename(file!).replace(/^\w+/, nameOf(keyOf(place.job("2"))))))
      assert.isUndefined(yield* found(place.job("2")), "another name does not make it another result")
    })
  )

  it.effect("give no derivations where their part is damaged, and then the job is evaluated", () =>
    Effect.gen(function* () {
      const place = new Place()
      const job = place.job(`derivation { name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; }`, { mode: { kind: "derivations" } })
      assert.strictEqual((yield* outcomes(job, () => {}))[1]![1], "kept")
      const whole = fs.readFileSync(place.records[0]!)
      const broken = Uint8Array.from(whole)
      broken[whole.length - 5]! ^= 1
      const again = yield* outcomes(job, () => {})
      assert.strictEqual(again[0]![1], "kept")
      fs.writeFileSync(place.records[0]!, broken)
      const [repaired, kept] = yield* outcomes(job, () => {})
      assert.strictEqual(repaired![1], "evaluated")
      assert.strictEqual(kept![1], "kept")
    })
  )

  it.effect("stay within the limit, and those that were used last stay", () =>
    Effect.gen(function* () {
      const place = new Place()
      const recorder = recorderOf(place, 0)
      const job = (i: number): EvaluationJob => place.job(String(i))
      const limits = { total: 60_000, count: 1000, record: 50_000 }
      for (let i = 0; i < 100; i++) {
        keep(job(i), { result: { _tag: "Values", texts: ["x".repeat(2000)] }, derivations: [] }, recorder, limits)
        const file = place.records.find((file) => file.includes(nameOf(keyOf(job(i)))))!
        fs.utimesSync(file, 1_600_000_000 + i, 1_600_000_000 + i)
      }
      for (let i = 0; i < 200; i++) keep(job(100), { result, derivations: [] }, recorder, limits)
      assert.isBelow(place.records.length, 30)
      assert.deepStrictEqual(yield* found(job(100)), result)
      assert.isUndefined(yield* found(job(0)))
      for (let i = 0; i < 200; i++) keep(job(100), { result, derivations: [] }, recorder, { ...limits, count: 3 })
      assert.strictEqual(place.records.length, 3)
      assert.deepStrictEqual(yield* found(job(100)), result)
      keep(job(101), { result: { _tag: "Values", texts: ["x".repeat(50_001)] }, derivations: [] }, recorder, limits)
      assert.isUndefined(yield* found(job(101)), "too large for one")
    })
  )

  it.effect("may be written by many at once, and a folder that is none is no matter", () =>
    Effect.gen(function* () {
      const place = new Place()
      const recorder = recorderOf(place, 50)
      yield* Effect.forEach(
        Array.from({ length: 20 }),
        () =>
          Effect.promise(async () => {
            keep(place.job("1"), { result, derivations: [] }, recorder)
            const there = await find(place.job("1"))
            there?.used()
            there?.close()
          }),
        { concurrency: "unbounded", discard: true }
      )
      assert.strictEqual(place.records.length, 1)
      assert.deepStrictEqual(yield* found(place.job("1")), result)
      const odd = new Place({ cache: "a file" })
      keep(odd.job("1"), { result, derivations: [] }, recorder)
      assert.isUndefined(yield* found(odd.job("1")))
      fs.rmSync(place.folder, { recursive: true })
      assert.isUndefined(yield* found(place.job("1")))
    })
  )

  it.effect("hold very many dependencies", () =>
    Effect.gen(function* () {
      const place = new Place()
      const recorder = recorderOf(place, 800)
      for (let i = 0; i < 20_000; i++) {
        recorder.other({ _tag: "PathType", path: place.at(`missing/${i}`), follow: false }, { ok: true, value: undefined })
      }
      keep(place.job("1"), { result, derivations: [] }, recorder)
      assert.deepStrictEqual(yield* found(place.job("1")), result)
      place.write("files/799", "changed")
      assert.isUndefined(yield* found(place.job("1")))
    })
  )
})
