/**
 * The language suites of Nix and Snix, found in checkouts of theirs: files whose names say what is expected of them, with the expected output beside them.
 *
 *     parse-okay-*   prints its syntax as `.exp` has it        parse-fail-*   is refused
 *     eval-okay-*    its value prints as `.exp` or `.exp.xml`  eval-fail-*    fails; `.err.exp` has Nix's report
 *     identity-*     its value prints as the file itself
 *
 * Nothing of them is copied into this tree. Snix's folders are copied to a scratch directory, since its flags name places that only its own runner lays out.
 */
import * as fs from "node:fs"
import * as path from "node:path"

export type Kind = "parse-okay" | "parse-fail" | "eval-okay" | "eval-fail" | "identity"

export interface Case {
  readonly suite: string
  /** `SUITE/FILE` without `.nix`; what the skip list names. */
  readonly name: string
  readonly kind: Kind
  readonly file: string
  /** Where the program runs; paths in flags and expected outputs start here. */
  readonly directory: string
  /** Arguments as for `nix-instantiate --eval --strict`. */
  readonly flags: ReadonlyArray<string>
  /** Expected standard output; absent where only success counts. */
  readonly expected: string | undefined
  readonly xml: boolean
  /** Nix's report of the failure, where it is recorded. */
  readonly report: string | undefined
}

const kinds: ReadonlyArray<Kind> = ["parse-okay", "parse-fail", "eval-okay", "eval-fail", "identity"]

const kindOf = (file: string): Kind | undefined => kinds.find((kind) => file.startsWith(`${kind}-`))

const readIfThere = (file: string): string | undefined => (fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined)

/** Words of a `.flags` file: blanks separate, `#` begins a comment, quotes hold together. */
export const splitWords = (text: string): Array<string> =>
  [...text.replace(/#.*$/gm, "").matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_, single: string | undefined, double: string | undefined) => single ?? double ?? "")
  )

const caseOf = (suite: string, source: string, file: string, directory: string, fixFlags: (flags: string) => string): Case | undefined => {
  const kind = kindOf(path.basename(source))
  if (kind === undefined) return undefined
  const base = source.slice(0, -".nix".length)
  const xml = readIfThere(`${base}.exp.xml`)
  const expected = kind === "identity" ? fs.readFileSync(source, "utf8") : (xml ?? readIfThere(`${base}.exp`))
  // Upstream has disabled these.
  if (kind === "eval-okay" && expected === undefined) return undefined
  return {
    suite,
    name: `${suite}/${path.basename(base)}`,
    kind,
    file,
    directory,
    flags: splitWords(fixFlags(readIfThere(`${base}.flags`) ?? "")).filter((word) => word !== "--eval" && word !== "--strict"),
    expected,
    xml: xml !== undefined,
    report: readIfThere(`${base}.err.exp`)
  }
}

const nixFiles = (directory: string): Array<string> =>
  fs.existsSync(directory)
    ? fs
        .readdirSync(directory)
        .filter((name) => name.endsWith(".nix"))
        .sort()
        .map((name) => path.join(directory, name))
    : []

/** The cases of Nix's `tests/functional/lang`. */
export const nixCases = (checkout: string): Array<Case> => {
  const directory = path.resolve(checkout, "tests/functional")
  return nixFiles(path.join(directory, "lang")).flatMap((file) => caseOf("nix", file, file, directory, (flags) => flags) ?? [])
}

/** Where Snix keeps its suites: crate, folder, and what they are called here. */
const snixFolders = [
  ["eval", "nix_tests", "snix-nix"],
  ["eval", "snix_tests", "snix"],
  ["glue", "nix_tests", "snix-glue"],
  ["glue", "snix_tests", "snix-glue"]
] as const

/** The cases of Snix, laid out in `scratch`. */
export const snixCases = (checkout: string, scratch: string): Array<Case> => {
  const root = fs.existsSync(path.join(checkout, "snix")) ? path.join(checkout, "snix") : checkout
  return snixFolders.flatMap(([crate, folder, suite]) => {
    const tests = path.resolve(root, crate, "src/tests")
    const from = path.join(tests, folder)
    const directory = path.join(scratch, crate)
    const to = path.join(directory, folder)
    const pending = path.join(from, "notyetpassing")
    fs.mkdirSync(directory, { recursive: true })
    fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true })
    // Cases that Snix does not pass yet use files of the folder around them, as if they lay in it.
    if (fs.existsSync(pending)) fs.cpSync(pending, to, { recursive: true, verbatimSymlinks: true })
    const around = fs.readdirSync(tests).filter((name) => !name.endsWith(".rs") && !name.endsWith("_tests"))
    const beside = [...around.map((name) => path.join(tests, name)), ...nixFiles(from)]
    for (const file of beside) {
      const name = path.basename(file)
      if (kindOf(name) === undefined && !fs.existsSync(path.join(directory, name))) {
        fs.cpSync(file, path.join(directory, name), { recursive: true })
      }
    }
    const flags = (text: string): string => text.replace(/(?:lang|nix_tests\/notyetpassing)\//g, "nix_tests/")
    return [...nixFiles(from), ...nixFiles(pending)].flatMap((source) => {
      const named = source.startsWith(pending) ? `${suite}-notyet` : suite
      return caseOf(named, source, path.join(to, path.basename(source)), directory, flags) ?? []
    })
  })
}
