import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Schema from "effect/Schema"
import { ProgressLine } from "../../src/telemetry/ProgressLine.ts"
import { project, type Run, World } from "../acceptance/World.ts"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(ProgressLine), { onExcessProperty: "error" })

/** Every line of standard error, each of which has to be as it is documented. */
const linesOf = (run: Run): ReadonlyArray<ProgressLine> =>
  run.stderr
    .trimEnd()
    .split("\n")
    .map((text) => {
      try {
        return decode(text)
      } catch (error) {
        throw new Error(`not as documented: ${text}\n${String(error)}`, { cause: error })
      }
    })

const derivation = (name: string, script: string, attributes = "") =>
  `derivation { name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ''${script}'' ]; ${attributes} }`

describe("progress as JSON", { timeout: 120_000 }, () => {
  it("is as documented in a real build: imports, fetches, traces, a failure and what is given up for it", async () => {
    using world = new World()
    const archive = world.write("archive.txt", "fetched\n")
    const file = world.write(
      "default.nix",
      `let
        # ${world.mark}
        names = ${derivation("names", "echo line of the log; echo 1 > $out")};
        imported = builtins.trace "hello" (import names);
        source = derivation {
          name = "archive"; system = "builtin"; builder = "builtin:fetchurl"; url = "file://${archive}";
          outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashFile "sha256" ./archive.txt;
        };
        goal = ${derivation("goal-${toString imported}", "read line < $src; echo $line > $out", "src = source; also = ./archive.txt;")};
        broken = ${derivation("broken", "exit 3")};
      in [ goal (${derivation("hopeless", "echo > $out", "inherit broken;")}) ]`
    )
    const run = await world.yix(["build", "--no-out-link", "--keep-going", "--log-format", "json", "-f", file])
    assert.strictEqual(run.code, 100, run.stderr)
    const lines = linesOf(run)
    const kinds = lines.flatMap((line) => (line.event === "started" ? [`${line.kind} ${path.basename(line.name)}`] : []))
    for (const kind of ["evaluate default.nix", "build names", "build goal-1", "build broken", "fetch archive"]) assert.include(kinds, kind)
    assert.isTrue(kinds.some((kind) => kind.startsWith("add-source ")))
    const events = new Set<string>(lines.map(({ event }) => event))
    for (const event of ["logline", "done", "failed", "planned", "dropped", "wanted", "awaits", "resumed", "message"])
      assert.isTrue(events.has(event), `no '${event}' in\n${run.stderr}`)
    assert.deepInclude(lines.at(-1), { event: "error", exitCode: 100 })

    // The evaluation waits for the build that it imports, and for as long as that takes.
    const awaits = lines.findIndex((line) => line.event === "awaits" && line.paths.some((name) => name.endsWith("-names.drv")))
    const resumed = lines.findIndex((line) => line.event === "resumed" && line.paths.some((name) => name.endsWith("-names.drv")))
    const started = lines.findIndex((line) => line.event === "started" && line.kind === "build" && line.name === "names")
    assert.isTrue(awaits >= 0 && awaits < started && started < resumed, [awaits, started, resumed].join(", "))
    // The fetch is found among the inputs of what is planned.
    const fetch = lines.find((line) => line.event === "started" && line.kind === "fetch") as { readonly path: string }
    const wanted = lines.find((line) => line.event === "wanted" && line.outputs.includes(fetch.path)) as { readonly path: string }
    const goal = lines.find((line) => line.event === "planned" && line.name === "goal-1") as Extract<ProgressLine, { event: "planned" }>
    assert.deepStrictEqual(goal.inputs, [wanted.path])
    assert.match(goal.sources.join(" "), /^\/nix\/store\/[0-9a-z]{32}-archive\.txt$/)

    const again = linesOf(await world.yix(["build", "--no-out-link", "--log-format", "json", "-f", file, "-A", "0"]))
    assert.isTrue(again.some(({ event }) => event === "reused" || event === "error"))
    assert.deepStrictEqual(await world.leftovers(), [])
  })

  it("is documented event by event and field by field", () => {
    const rows = fs
      .readFileSync(path.join(project, "docs/progress.md"), "utf8")
      .split("\n")
      .filter((row) => /^\| `[a-z]+` \| `/.test(row))
      .map((row) =>
        row
          .split("|")
          .slice(1, 3)
          .map((cell) => [...cell.matchAll(/`([^`]+)`(\?)?/g)].map(([, name, maybe]) => name + (maybe ?? "")))
      )
      .map(([event, fields]) => [event![0], fields])
    const schemas = ProgressLine.members.map(({ fields }) => [
      fields.event.literal,
      Object.entries(fields)
        .filter(([name]) => !["event", "version", "time"].includes(name))
        .map(([name, schema]) => `${name}${schema.ast.context?.isOptional === true ? "?" : ""}`)
    ])
    assert.deepStrictEqual(rows, schemas)
  })
})
