/**
 * `nix-store`: operations on the store.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { installNode } from "../../castore/crypto/Node.ts"
import { isSourceError } from "../../castore/ingest/SourceError.ts"
import { type ByteString, fromUnicode } from "../../nix/Bytes.ts"
import { parseAlgorithm, parseHash } from "../../nix/Hash.ts"
import { NarError } from "../../nix/Nar.ts"
import { isDerivationPath, isStorePath, makeFixedOutput, type StorePath } from "../../nix/StorePath.ts"
import { Realiser, type Target } from "../../realise/Realiser.ts"
import { addPath } from "../../store/Add.ts"
import { writeNar } from "../../store/HashPath.ts"
import { restoreNar } from "../../store/HostNar.ts"
import { render } from "../../store/Nar.ts"
import { PathInfoService } from "../../store/PathInfoService.ts"
import { exportPaths, importPaths } from "../../store/Transfer.ts"
import { verify } from "../../store/Verify.ts"
import { readLog } from "../commands/Log.ts"
import { writeKey } from "../commands/store/GenerateKey.ts"
import { ImportFailed } from "../commands/store/Import.ts"
import { StoreDamaged } from "../commands/store/Verify.ts"
import { parseStoreTarget } from "../Installables.ts"
import { linkName, makeLink } from "../OutLink.ts"
import { print, printBytes, printLine, printPieces, printTextLine } from "../Output.ts"
import { standardInput } from "../StandardInput.ts"
import { tell } from "../StandardStreams.ts"
import { withRealiser, withStore } from "../World.ts"
import { withCaches } from "./Caches.ts"
import { answered, type CommonKey, CompatError, NotThere, parseProgram, realiseOptionsIn, settingsIn, withCommon } from "./Common.ts"
import { BadUsage, type CommandLine, type FlagTable } from "./Flags.ts"
import { hashing } from "./NixHash.ts"
import { planOf, tellPlan } from "./Plan.ts"
import type { Settings } from "./Settings.ts"
import { answerQuery, bindingOf, deriverOf, outputPaths, type Query, validInfo } from "./StoreQueries.ts"

const operationTable = {
  realise: ["--realise --realize -r", "", "Build or fetch derivations (PATH.drv, PATH.drv!OUTPUT) and paths; print what they give"],
  query: ["--query -q", "", "Tell something about paths; see the queries below"],
  add: ["--add -A", "", "Copy files of this machine into the store"],
  addFixed: ["--add-fixed", "", "ALGORITHM FILE…: the same, under their flat hash; with --recursive the NAR's"],
  delete: ["--delete", "", "Delete paths (only such as are not there)"],
  readLog: ["--read-log -l", "", "Print logs of builds"],
  dump: ["--dump", "", "Print the NAR of a file or directory of this machine, or of a store path"],
  restore: ["--restore", "", "Unpack a NAR from standard input"],
  export: ["--export", "", "Print paths for --import"],
  import: ["--import", "", "Take in from standard input what --export printed"],
  checkValidity: ["--check-validity", "", "Fail unless the store has the paths"],
  verify: ["--verify", "", "Check the store; contents are always checked"],
  verifyPath: ["--verify-path", "", "Check paths"],
  printEnv: ["--print-env", "", "Print the environment of a derivation's builder as shell commands"],
  generateKey: ["--generate-binary-cache-key", "", "NAME SECRET-FILE PUBLIC-FILE: make a key pair"],
  printFixedPath: ["--print-fixed-path", "", "ALGORITHM HASH NAME: print the store path that this would have"],
  init: ["--init", "", "Make the store, which happens by itself"],
  optimise: ["--optimise --optimize", "", "Changes nothing: equal files are stored once anyway"],
  gc: ["--gc", "", "Not there yet"],
  dumpDb: ["--dump-db", "", "Not there"],
  loadDb: ["--load-db", "", "Not there"],
  registerValidity: ["--register-validity", "", "Not there"],
  repairPath: ["--repair-path", "", "Not there"],
  serve: ["--serve", "", "Not there"]
} as const satisfies FlagTable

const queryTable = {
  outputs: ["--outputs", "", "Query: outputs of derivations (the default)"],
  references: ["--references", "", "Query: what paths refer to"],
  requisites: ["--requisites -R", "", "Query: all that they refer to, directly or not, and they themselves"],
  referrers: ["--referrers", "", "Query: what refers to them"],
  referrersClosure: ["--referrers-closure", "", "Query: the same, directly or not, and they themselves"],
  deriver: ["--deriver -d", "", "Query: the derivation that made them"],
  validDerivers: ["--valid-derivers", "", "Query: the same, where the store has it"],
  hash: ["--hash", "", "Query: SHA-256 of the NAR"],
  size: ["--size", "", "Query: bytes of the NAR"],
  tree: ["--tree", "", "Query: references as a tree"],
  graph: ["--graph", "", "Query: references for Graphviz"]
} as const satisfies FlagTable<Query>

const otherTable = {
  binding: ["--binding -b", "NAME", "Query: a variable of a derivation's environment"],
  graphml: ["--graphml", "", "Not there"],
  roots: ["--roots", "", "Not there yet"],
  resolve: ["--resolve", "", "Not there"],
  useOutput: ["--use-output -u", "", "With --query: of derivations take the outputs"],
  forceRealise: ["--force-realise -f", "", "With --query: realise the paths before"],
  includeOutputs: ["--include-outputs", "", "With --requisites: outputs of derivations, too"],
  addRoot: ["--add-root", "LINK", "With --realise: make links to the outputs"],
  indirect: ["--indirect", "", "Changes nothing: all links are of this kind"],
  dryRun: ["--dry-run", "", "With --realise: only say what would be done"],
  check: ["--check", "", "With --realise: build again what is there, and compare"],
  ignoreUnknown: ["--ignore-unknown", "", "With --realise: leave out what nobody knows how to make"],
  recursive: ["--recursive", "", "With --add-fixed and --print-fixed-path: the hash is that of the NAR"],
  checkContents: ["--check-contents", "", "With --verify: contents, too, as always"],
  printInvalid: ["--print-invalid", "", "With --check-validity: print those that are not valid instead of failing"],
  ignoreLiveness: ["--ignore-liveness", "", "With --delete: no matter who needs it"],
  repair: ["--repair", "", "Not there"]
} as const satisfies FlagTable

export const storeTable = { ...operationTable, ...queryTable, ...otherTable }

type Operation = keyof typeof operationTable
type Line = CommandLine<keyof typeof storeTable | CommonKey>

const program = "nix-store"
const bad = (detail: string) => new BadUsage({ detail, program })

const parsePath = (text: string): Effect.Effect<StorePath, CompatError> => {
  const given = fromUnicode(text)
  return isStorePath(given) ? Effect.succeed(given) : Effect.fail(new CompatError({ detail: `path '${text}' is not in the Nix store` }))
}

const parsePaths = (words: ReadonlyArray<string>) => Effect.forEach(words, parsePath)

const parseTarget = (text: string): Effect.Effect<Target, CompatError> => {
  const target = parseStoreTarget(text)
  return target === undefined ? Effect.fail(new CompatError({ detail: `path '${text}' is not in the Nix store` })) : Effect.succeed(target)
}

const realise = Effect.fnUntraced(function* (line: Line) {
  let targets = yield* Effect.forEach(line.words, parseTarget)
  if (line.has("dryRun")) return yield* tellPlan(targets)
  if (line.has("ignoreUnknown")) {
    const { unknown } = yield* planOf(targets)
    targets = targets.filter((target) => target._tag === "Derivation" || !unknown.includes(target.path))
  }
  const root = line.last("addRoot")
  const realised = yield* (yield* Realiser).realise(targets)
  for (const [i, { outputs }] of realised.entries()) {
    for (const { name, path: outPath, info } of [...outputs].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (root === undefined) yield* printLine(outPath)
      else {
        const link = linkName(root, i, name)
        yield* makeLink(link, info)
        yield* printTextLine(link)
      }
    }
  }
})

const query = Effect.fnUntraced(function* (line: Line) {
  if (line.has("graphml")) return yield* new NotThere({ what: "--graphml", instead: "--graph prints the graph for Graphviz" })
  if (line.has("roots"))
    return yield* new NotThere({ what: "--query --roots", instead: "yix collects no garbage yet, so nothing is kept by roots" })
  if (line.has("resolve")) return yield* new NotThere({ what: "--query --resolve" })
  const [asked = line.has("binding") ? undefined : "outputs", other] = line.used(Object.keys(queryTable) as Array<Query>)
  if (other !== undefined || (line.has("binding") && asked !== undefined)) return yield* bad("only one query can be asked at a time")
  let paths: ReadonlyArray<StorePath> = yield* parsePaths(line.words)
  if (line.has("forceRealise")) {
    yield* (yield* Realiser).realise(yield* Effect.forEach(line.words, parseTarget))
  }
  if ((line.has("useOutput") || line.has("forceRealise")) && asked !== "outputs" && asked !== undefined) {
    paths = (yield* Effect.forEach(paths, (one) => (isDerivationPath(one) ? outputPaths(one) : Effect.succeed([one])))).flat()
  }
  if (asked === undefined) {
    const name = fromUnicode(line.last("binding")!)
    for (const one of paths) yield* printLine(yield* bindingOf(one, name))
    return
  }
  for (const text of yield* answerQuery(asked, paths, line.has("includeOutputs"))) yield* printTextLine(text)
})

const addFiles = (files: ReadonlyArray<string>, options: Parameters<typeof addPath>[2]) =>
  Effect.forEach(
    files,
    Effect.fnUntraced(function* (file) {
      const absolute = path.resolve(file)
      const info = yield* addPath(fromUnicode(path.basename(absolute)), fromUnicode(absolute), options)
      yield* printLine(info.path)
    })
  )

const addFixed = Effect.fnUntraced(function* (line: Line) {
  const [name, ...files] = line.words
  if (name === undefined) return yield* bad("first argument must be hash algorithm")
  const algorithm = yield* hashing(() => parseAlgorithm(name))
  yield* addFiles(files, { method: line.has("recursive") ? "recursive" : "flat", algorithm })
})

const printFixedPath = Effect.fnUntraced(function* (line: Line) {
  const [algorithmName, text, name] = line.words
  if (line.words.length !== 3) return yield* bad("'--print-fixed-path' requires three arguments")
  installNode()
  const method = line.has("recursive") ? "recursive" : "flat"
  yield* printLine(yield* hashing(() => makeFixedOutput(fromUnicode(name!), method, parseHash(text!, parseAlgorithm(algorithmName!)))))
})

/** There is no deleting; of what is not there nothing would be left either. */
const remove = Effect.fnUntraced(function* (line: Line) {
  const service = yield* PathInfoService
  const paths = yield* parsePaths(line.words)
  for (const one of paths) {
    if (Option.isSome(yield* service.get(one)))
      return yield* new NotThere({ what: "deleting paths", instead: `'${one}' stays in the store` })
  }
  yield* printTextLine(`${paths.length} store paths deleted, 0.0 KiB freed`)
})

/** Prints the NAR of a file or directory of this machine. */
export const writeHostNar = Effect.fnUntraced(function* (file: string) {
  installNode()
  yield* printPieces(
    (put) => writeNar(fromUnicode(path.resolve(file)), put, { reuse: true }),
    (cause) =>
      isSourceError(cause) || cause instanceof NarError ? Effect.fail(new CompatError({ detail: cause.message })) : Effect.die(cause)
  )
})

const dump = Effect.fnUntraced(function* (line: Line) {
  const [file] = line.words
  if (file === undefined || line.words.length > 1) return yield* bad("only one argument allowed")
  const stored = fromUnicode(file)
  if (isStorePath(stored) && !fs.existsSync(file)) {
    return yield* withStore(Effect.flatMap(validInfo(stored), ({ node }) => Stream.runForEach(render(node), printBytes)))
  }
  yield* writeHostNar(file)
})

const restore = Effect.fnUntraced(function* (line: Line) {
  const [destination] = line.words
  if (destination === undefined || line.words.length > 1) return yield* bad("only one argument allowed")
  yield* restoreNar(standardInput, destination)
})

const exportAll = Effect.fnUntraced(function* (line: Line) {
  const infos = yield* Effect.forEach(yield* parsePaths(line.words), validInfo)
  yield* Stream.runForEach(exportPaths(infos), printBytes)
})

const importAll = Effect.gen(function* () {
  const infos = yield* Effect.mapError(importPaths(standardInput), (error) => new ImportFailed({ detail: error.message }))
  for (const info of infos) yield* printLine(info.path)
})

const checkValidity = Effect.fnUntraced(function* (line: Line) {
  const service = yield* PathInfoService
  for (const one of yield* parsePaths(line.words)) {
    if (Option.isSome(yield* service.get(one))) continue
    if (!line.has("printInvalid")) return yield* new CompatError({ detail: `path '${one}' is not valid` })
    yield* printLine(one)
  }
})

/** Checks paths, or the whole store. */
export const verifyAll = Effect.fnUntraced(function* (paths: ReadonlyArray<StorePath> | undefined) {
  if (paths !== undefined) yield* Effect.forEach(paths, validInfo)
  const report = yield* verify({
    ...(paths === undefined ? {} : { paths }),
    onProblem: (problem) => Effect.sync(() => tell(problem.message))
  })
  if (report.problems.length > 0) return yield* new StoreDamaged({ problems: report.problems.length })
})

const quoted = (text: ByteString): ByteString => `'${text.replaceAll("'", `'\\''`)}'`

const printEnvironment = Effect.fnUntraced(function* (line: Line) {
  const [one] = yield* parsePaths(line.words)
  if (one === undefined || line.words.length > 1) return yield* bad("'--print-env' requires one derivation store path")
  const { env, args } = yield* (yield* Realiser).derivation(yield* deriverOf(one))
  for (const [name, value] of env) yield* print(`export ${name}; ${name}=${quoted(value)}\n\n`)
  yield* print(`export _args; _args='${args.map((arg) => arg.replaceAll("'", `'\\''`)).join(" ")}'\n`)
})

const generateKey = Effect.fnUntraced(function* (line: Line) {
  const [name, secretFile, publicFile] = line.words
  if (line.words.length !== 3) return yield* bad("three arguments expected")
  const text = yield* writeKey(name!, secretFile!)
  yield* Effect.try({
    try: () => fs.writeFileSync(publicFile!, text),
    catch: (error) => new CompatError({ detail: `cannot write '${publicFile}': ${(error as NodeJS.ErrnoException).code}` })
  })
})

const absent: { readonly [operation in Operation]?: string } = {
  gc: "yix collects no garbage yet",
  dumpDb: "'nix-store --export' moves paths with all that is known of them",
  loadDb: "'nix-store --import' takes in paths with all that is known of them",
  registerValidity: "'nix-store --import' takes in paths with all that is known of them",
  repairPath: "'yix store verify' finds damage",
  serve: "'yix serve' opens the store to other programs"
}

const perform = (operation: Operation, line: Line, settings: Settings) => {
  const realising = <A, E, R>(use: Effect.Effect<A, E, R>) =>
    Effect.flatMap(realiseOptionsIn(settings, line.has("check")), (options) => withRealiser(withCaches(settings, use), options))
  switch (operation) {
    case "realise":
      return realising(realise(line))
    case "query":
      return realising(query(line))
    case "printEnv":
      return realising(printEnvironment(line))
    case "add":
      return withStore(addFiles(line.words, {}))
    case "addFixed":
      return withStore(addFixed(line))
    case "delete":
      return withStore(remove(line))
    case "readLog":
      return withStore(
        Effect.flatMap(parsePaths(line.words), (paths) => Effect.forEach(paths, (one) => Effect.flatMap(readLog(one), printBytes)))
      )
    case "dump":
      return dump(line)
    case "restore":
      return restore(line)
    case "export":
      return withStore(exportAll(line))
    case "import":
      return withStore(importAll)
    case "checkValidity":
      return withStore(checkValidity(line))
    case "verify":
      return withStore(verifyAll(undefined))
    case "verifyPath":
      return withStore(Effect.flatMap(parsePaths(line.words), verifyAll))
    case "generateKey":
      return generateKey(line)
    case "printFixedPath":
      return printFixedPath(line)
    case "init":
      return withStore(Effect.void)
    case "optimise":
      return Effect.void
    default:
      return new NotThere({ what: operationTable[operation][0].split(" ")[0]!, instead: absent[operation] })
  }
}

type Performed = ReturnType<typeof perform>

export const nixStore = Effect.fn("yix compat nix-store")(function* (words: ReadonlyArray<string>) {
  const line = yield* parseProgram(program, storeTable, words)
  if (yield* answered(program, "OPERATION [FLAG]… [WORD]…", line, storeTable)) return
  if (line.has("repair"))
    return yield* new NotThere({ what: "--repair", instead: "what 'yix store verify' finds damaged can be built or fetched again" })
  const [operation, other] = line.used(Object.keys(operationTable) as Array<Operation>)
  if (operation === undefined) return yield* bad("no operation specified")
  if (other !== undefined) return yield* bad("only one operation may be specified")
  const settings = settingsIn(line)
  return yield* withCommon<unknown, Effect.Error<Performed>, Effect.Services<Performed>>(line, settings, perform(operation, line, settings))
})
