/**
 * Everything that the documentation shows is tried: README.md, docs/*.md and the READMEs of the examples.
 *
 * - ```sh blocks are run, each document from top to bottom in a fresh folder that looks like the checkout (see Reader.ts), and must succeed. `# → text` behind a command
 *   is a line that the block prints, and a ```text block that comes next in the same section is all that it prints (to standard output, or to standard error). `…` stands for
 *   anything within a line, a line of only `…` for any lines.
 * - ```text blocks with `yix> ` in them are sessions: what stands behind the prompts is given to `yix repl`, and the rest is all that it prints (but for its greeting, and the line that starts it).
 * - ```toml blocks are written to `yix.toml` in that folder and held to `yix config check`; ```ts blocks are type-checked against the sources (`yix/store/Add` is src/store/Add.ts);
 *   ```nix blocks are parsed; ```json blocks too, those with one value a line as well.
 *
 * An HTML comment directly before a block says more about it, and is not seen by readers:
 *
 *     <!-- not run: needs the network -->      nothing of the above; the reason is required, and the block must be listed in `notRun` below
 *     <!-- file: lib/default.nix -->           is written to that file in the folder, whatever its language
 *     <!-- more of: yix.toml -->               is added to the end of that file
 *     <!-- exit: 100 -->                       the commands end with that status
 *     <!-- keeps running -->                   a server in a second terminal: the next block begins when it has said something
 *
 * To try one document with the program as it is in your tree: `/w/sync.sh NAME && YIX_BUNDLE=/w/c-NAME DOCS=docs/repl.md vitest run test/docs` (without YIX_BUNDLE: with this
 * checkout's dist/).
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { parse } from "../../src/lang/Parser.ts"
import { fromUnicode } from "../../src/nix/Bytes.ts"
import { bundle, project } from "../acceptance/World.ts"
import { type Block, type Document, matches, parseDocument } from "./Markdown.ts"
import { isolated, type Ran, Reader } from "./Reader.ts"

/** The blocks that are not run, by document and first line. Nothing else may say so. */
const notRun: ReadonlyArray<string> = [
  "README.md: npm ci",
  "README.md: examples/hello/fetch-mirror.sh /tmp/mirror     # on Debian; downloads about 45 MB, no root needed",
  "README.md: npm test            # unit, property and contract tests, and the bundled program end to end",
  "examples/README.md: cd examples/hello",
  "examples/embedding/README.md: node compose.ts ./store                 # asks https://cache.nixos.org for what it would build",
  "bench/README.md: npm run build"
]

const known = new Set(["not run", "file", "more of", "exit", "keeps running"])
const languages = new Set(["", "text", "sh", "toml", "ts", "nix", "json"])
const atOnce = isolated ? 2 : 1

const files = ["README.md", ...fs.globSync("{docs,examples/**,bench}/*.md", { cwd: project })].sort()
const asked = process.env["DOCS"]?.split(/[\s,]+/)
const documents: ReadonlyArray<Document> = files
  .filter((file) => asked === undefined || asked.includes(file))
  .map((file) => parseDocument(file, fs.readFileSync(path.join(project, file), "utf8")))

const placeOf = ({ file, line }: Block) => `${file}:${line}`
const firstLine = (block: Block) => `${block.file}: ${block.text.split("\n")[0]}`
const skipped = (block: Block) => block.marks.has("not run")

/** What a block is, in the name of its test. */
const title = (block: Block) =>
  `${placeOf(block)} ${
    block.text
      .split("\n")
      .find((line) => /^[^#]/.test(line))
      ?.slice(0, 80) ?? ""
  }`

const isSession = (block: Block) => block.language === "text" && /^yix> /m.test(block.text)
const isFollowed = (block: Block) => block.language === "sh" || block.language === "toml" || isSession(block)

/** The block that says what `block` prints. */
const outputOf = (document: Document, block: Block): Block | undefined => {
  const next = document.blocks[document.blocks.indexOf(block) + 1]
  return next !== undefined && next.section === block.section && next.language === "text" && !isSession(next) && !next.marks.has("file")
    ? next
    : undefined
}

/** Throws where a run is not what the document says. */
const judge = (document: Document, block: Block, ran: Ran): void => {
  const expected = Number(block.marks.get("exit") ?? 0)
  assert.strictEqual(ran.code, expected, `standard error:\n${ran.stderr}`)
  let rest = ran.stdout.split("\n")
  for (const [, text] of block.text.matchAll(/# → (.*)$/gm)) {
    const at = rest.findIndex((line) => matches(line, text!))
    if (at < 0)
      assert.fail(`it does not print '${text}', or not in this order; standard output:\n${ran.stdout}\nstandard error:\n${ran.stderr}`)
    rest = rest.slice(at + 1)
  }
  const output = outputOf(document, block)
  if (output !== undefined && !matches(ran.stdout, output.text) && !matches(ran.stderr, output.text))
    assert.fail(
      `it prints\n${ran.stdout}\nto standard output and\n${ran.stderr}\nto standard error, where ${placeOf(output)} has\n${output.text}`
    )
}

/** Follows a document; what went wrong with each block, or nothing. */
const follow = async (document: Document): Promise<ReadonlyMap<Block, unknown>> => {
  const failures = new Map<Block, unknown>()
  if (!document.blocks.some(isFollowed)) return failures
  using reader = new Reader()
  for (const block of document.blocks) {
    if (skipped(block)) continue
    const file = block.marks.get("file") ?? block.marks.get("more of") ?? (block.language === "toml" ? "yix.toml" : undefined)
    try {
      if (file !== undefined) reader.write(file, block.text, block.marks.has("more of"))
      if (block.language === "toml") {
        const { code, stderr } = await reader.run(`yix config check --config '${file}'`)
        assert.strictEqual(code, 0, stderr)
      } else if (isSession(block)) {
        const lines = block.text.split("\n")
        reader.write(".session", lines.flatMap((line) => /^(?:yix>| {4}>) (.*)$/.exec(line)?.[1] ?? []).join("\n"))
        const { stdout, stderr } = await reader.run("yix repl < .session")
        const expected = lines.filter((line) => !/^(yix>| {4}>|\$) |^Type :\? for help/.test(line)).join("\n")
        if (!matches(stdout.replace(/^\n+/gm, ""), expected)) assert.fail(`the session gives\n${stdout}\n${stderr}`)
      } else if (block.language === "sh" && file === undefined)
        judge(document, block, await (block.marks.has("keeps running") ? reader.leaveRunning(block.text) : reader.run(block.text)))
    } catch (error) {
      failures.set(block, error)
    }
  }
  return failures
}

/** Runs at most `limit` at a time, in their order. */
const bounded = (limit: number) => {
  let free = limit
  const waiting: Array<() => void> = []
  return async <A>(work: () => Promise<A>): Promise<A> => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    else free--
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}

describe("the documentation", () => {
  const all = documents.flatMap(({ blocks }) => blocks)
  const runs = new Map<Document, Promise<ReadonlyMap<Block, unknown>>>()
  let types: ReturnType<typeof typeCheck>
  beforeAll(() => {
    const slot = bounded(atOnce)
    types = slot(() => typeCheck(all.filter((block) => block.language === "ts" && !skipped(block))))
    types.catch(() => {})
    for (const document of documents) {
      const run = slot(() => follow(document))
      run.catch(() => {})
      runs.set(document, run)
    }
  })
  // A test that was broken off must not leave servers behind.
  afterAll(() => Promise.allSettled([types, ...runs.values()]))

  for (const document of documents) {
    const tried = document.blocks.filter((block) => !skipped(block) && isFollowed(block))
    if (tried.length === 0) continue
    describe(`${document.file}: the reader's commands`, () => {
      for (const block of tried)
        it(title(block), { timeout: 300_000 }, async () => {
          const failures = await runs.get(document)!
          if (failures.has(block)) throw failures.get(block)
        })
    })
  }

  it("marks blocks in words that these tests know, in languages that they try", () => {
    const unknown = all.flatMap((block) =>
      [...block.marks.keys()].filter((key) => !known.has(key)).map((key) => `${placeOf(block)}: ${key}`)
    )
    assert.deepStrictEqual(unknown, [])
    const untried = all.filter(({ language }) => !languages.has(language)).map((block) => `${placeOf(block)}: ${block.language}`)
    assert.deepStrictEqual(untried, [])
    // What is without a language is a picture.
    const commands = all.filter(({ language, text }) => /^(text)?$/.test(language) && /^(yix|npx|npm|node|nix|nix-\w+) /m.test(text))
    assert.deepStrictEqual(commands.map(placeOf), [], "commands in blocks that are not called sh")
  })

  it("leaves out few commands, each with a reason", () => {
    const left = all.filter(skipped)
    assert.deepStrictEqual(left.filter((block) => block.marks.get("not run")!.length < 10).map(placeOf), [])
    assert.deepStrictEqual(
      left.map(firstLine).filter((line) => !notRun.includes(line)),
      [],
      "not in the list of blocks that are not run"
    )
    if (asked === undefined)
      assert.deepStrictEqual(
        notRun.filter((line) => !left.map(firstLine).includes(line)),
        [],
        "run after all"
      )
  })

  it("has Nix that parses and JSON that is JSON", () => {
    for (const block of all) {
      if (skipped(block)) continue
      try {
        if (block.language === "nix") parse(fromUnicode(block.text), { _tag: "String" }, "/")
        if (block.language === "json") json(block.text)
      } catch (error) {
        assert.fail(`${placeOf(block)}: ${String(error instanceof Error ? error.message : error)}`)
      }
    }
  })

  it("has TypeScript that type-checks", { timeout: 300_000 }, async () => {
    assert.strictEqual(await types, "")
  })

  it("links to files and headings that are there", () => {
    const broken: Array<string> = []
    const anchors = new Map<string, ReadonlySet<string>>()
    const anchorsOf = (file: string) => {
      if (!anchors.has(file)) anchors.set(file, parseDocument(file, fs.readFileSync(path.join(project, file), "utf8")).anchors)
      return anchors.get(file)!
    }
    for (const { file, links } of documents) {
      for (const { line, target } of links) {
        if (/^[a-z][a-z0-9+.-]*:/.test(target)) continue
        const [name, anchor] = target.split("#") as [string, string | undefined]
        const other = name === "" ? file : path.join(path.dirname(file), name)
        if (!fs.existsSync(path.join(project, other))) broken.push(`${file}:${line}: ${target}: no such file`)
        else if (anchor !== undefined && other.endsWith(".md") && !anchorsOf(other).has(anchor))
          broken.push(`${file}:${line}: ${target}: no such heading`)
      }
    }
    assert.deepStrictEqual(broken, [])
    const readme = documents.find(({ file }) => file === "README.md")
    if (asked !== undefined || readme === undefined) return
    const unlinked = files.filter((file) => file.startsWith("docs/") && !readme.links.some(({ target }) => target.split("#")[0] === file))
    assert.deepStrictEqual(unlinked, [], "pages that the README does not name")
  })
})

/** Type-checks blocks against the sources; what the compiler says of the blocks. */
const typeCheck = async (blocks: ReadonlyArray<Block>): Promise<string> => {
  if (blocks.length === 0) return ""
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "yix-docs-ts-"))
  try {
    fs.symlinkSync(path.join(project, "node_modules"), path.join(folder, "node_modules"))
    fs.writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }')
    const compilerOptions = { paths: { "yix/*": [path.join(project, "src/*.ts")] }, noUnusedLocals: false, skipLibCheck: true }
    fs.writeFileSync(
      path.join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: path.join(project, "tsconfig.json"),
        compilerOptions,
        include: ["**/*.ts", path.join(project, "src/**/*.d.ts")]
      })
    )
    for (const block of blocks) {
      // Blocks of one document that name files may import each other.
      const name = block.marks.get("file") ?? `line-${block.line}.ts`
      const file = path.join(folder, block.file.replaceAll("/", "-"), name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, block.text)
    }
    const compiler = spawn(path.join(project, "node_modules/.bin/tsc"), ["-p", folder], { stdio: ["ignore", "pipe", "inherit"] })
    let said = ""
    compiler.stdout.on("data", (bytes: Buffer) => (said += bytes.toString()))
    const status = await new Promise<number | null>((resolve, reject) => compiler.on("close", resolve).on("error", reject))
    // Faults of the sources are told where these are checked.
    const errors = said.split(/\n(?! )/).filter((error) => error.includes(path.basename(folder)))
    return status === 0 ? "" : status === null || status > 2 ? `the compiler ended with ${status}:\n${said}` : errors.join("\n")
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** One value, or one a line. */
const json = (text: string): void => {
  try {
    JSON.parse(text)
  } catch (error) {
    const lines = text.split("\n").filter((line) => line.trim() !== "")
    if (lines.length < 2 || !lines.every((line) => line.startsWith("{"))) throw error
    for (const line of lines) JSON.parse(line)
  }
}

assert.isTrue(fs.existsSync(path.join(bundle, "dist/yix.js")), `no program in ${bundle}`)
