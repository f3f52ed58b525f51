/**
 * The expressions that `eval.ts` times: what they ask of an evaluator, and where they come from. Those of packages need a checkout (nixpkgs 18.03 for the figures
 * of README.md), which environment variables name.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { makeGlobals } from "../src/eval/Builtins.ts"
import { nameOf } from "../src/eval/Symbols.ts"
import { parse } from "../src/lang/Parser.ts"
import { checkScopes } from "../src/lang/Scope.ts"
import * as Kind from "../src/lang/Kind.ts"

export interface Expression {
  readonly name: string
  /** The program; `undefined` where the checkout is missing that it needs. */
  readonly text: () => string | undefined
}

const nixpkgs = process.env["NIXPKGS"]
const corepkgs = process.env["COREPKGS"]

const args = `{ system = "x86_64-linux"; config = { }; overlays = [ ]; }`
const packages = `(import ${nixpkgs} ${args})`

/** The paths of all attributes that evaluate; a package that is broken counts as one that does not. */
const countPaths = (set: string, names: string): string =>
  `let p = ${set}; in builtins.length (builtins.filter (x: x.success) (map (n: builtins.tryEval (let d = p.\${n}; v = if builtins.isAttrs d && d ? drvPath then d.drvPath else ""; in builtins.seq v v)) (${names})))`

/** A container with a web server: a few thousand options, of which most are looked at. */
const container = `{ imports = [ ({ boot.isContainer = true; services.nixosManual.enable = false; networking.useDHCP = false; services.httpd = { enable = true; adminAddr = "a@example.org"; }; }) { system.nixos.versionSuffix = ".corpus"; system.nixos.revision = "0000000"; system.stateVersion = "18.03"; } ]; }`

/** Imports every file that is a function and calls none: reading, parsing, resolving names, and nothing else. */
const importAll = (root: string): string => {
  const files: Array<string> = []
  const walk = (directory: string): void => {
    for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
      const file = path.join(directory, entry.name)
      if (entry.isDirectory()) walk(file)
      // Names that a path literal can spell.
      else if (entry.isFile() && /^[\w./+-]+\.nix$/.test(file) && isFunction(file)) files.push(file)
    }
  }
  walk(root)
  return `builtins.length (builtins.filter builtins.isFunction [ ${files.map((file) => `(import ${file})`).join("\n")} ])`
}

const globals = new Set([...makeGlobals(false).keys()].map(nameOf))

/** Whether the file can be imported and is a function: some templates cannot. */
const isFunction = (file: string): boolean => {
  try {
    const syntax = parse(fs.readFileSync(file).toString("latin1"), { _tag: "File", path: file }, "/")
    checkScopes(syntax, (name) => globals.has(name))
    return syntax.nodes[syntax.root] === Kind.Lambda
  } catch {
    return false
  }
}

const ofNixpkgs = (text: () => string) => (): string | undefined => (nixpkgs === undefined ? undefined : text())

const always = (text: string) => (): string => text

export const expressions: ReadonlyArray<Expression> = [
  { name: "1 + 1", text: always("1 + 1") },
  { name: "parse nixpkgs", text: ofNixpkgs(() => importAll(nixpkgs!)) },
  { name: "lib tests", text: ofNixpkgs(() => `import ${nixpkgs}/lib/tests/misc.nix`) },
  { name: "hello", text: ofNixpkgs(() => `${packages}.hello.drvPath`) },
  { name: "firefox", text: ofNixpkgs(() => `${packages}.firefox.drvPath`) },
  { name: "python3Packages", text: ofNixpkgs(() => countPaths(`${packages}.python3Packages`, "builtins.attrNames p")) },
  {
    name: "NixOS system",
    text: ofNixpkgs(() => `(import ${nixpkgs}/nixos { system = "x86_64-linux"; configuration = ${container}; }).system.drvPath`)
  },
  { name: "corepkgs bash", text: () => (corepkgs === undefined ? undefined : `(import ${corepkgs} ${args}).bash.drvPath`) },
  ...[1, 10, 100, 1000].map((n) => ({
    name: `${n} package${n === 1 ? "" : "s"}`,
    text: ofNixpkgs(() =>
      countPaths(packages, `builtins.genList (i: builtins.elemAt (builtins.attrNames p.python3Packages) i) ${n}`).replace(
        "d = p.",
        "d = p.python3Packages."
      )
    )
  })),
  { name: "fib 25", text: always("let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in fib 25") },
  { name: "foldl' 1M", text: always("builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 1000000)") },
  {
    name: "listToAttrs 200k",
    text: always(
      `builtins.length (builtins.attrNames (builtins.listToAttrs (builtins.genList (i: { name = "k\${toString i}"; value = i; }) 200000)))`
    )
  },
  {
    name: "small // 600k",
    text: always("(builtins.foldl' (a: i: a // { x = i; y = a.x; }) { x = 0; y = 0; z = 1; } (builtins.genList (i: i) 600000)).x")
  },
  {
    name: "growing // 3000",
    text: always(
      `builtins.length (builtins.attrNames (builtins.foldl' (a: i: a // { "k\${toString i}" = i; }) { } (builtins.genList (i: i) 3000)))`
    )
  },
  {
    name: "sort 200k",
    text: always(
      "let l = builtins.genList (i: let x = i * 7919; in x - (x / 200003) * 200003) 200000; in builtins.elemAt (builtins.sort (a: b: a < b) l) 1000"
    )
  },
  {
    name: "strings 300k",
    text: always(
      `builtins.stringLength (builtins.concatStringsSep "," (builtins.genList (i: "item-\${toString i}-" + builtins.substring 0 3 "abcdef") 300000))`
    )
  },
  {
    name: "toJSON 50k",
    text: always(`builtins.stringLength (builtins.toJSON (builtins.genList (i: { name = "n\${toString i}"; l = [ i (i + 1) ]; }) 50000))`)
  },
  {
    name: "fromJSON 50k",
    text: always(
      `let one = builtins.toJSON (builtins.genList (i: { name = "n"; l = [ i (i + 1) ]; }) 50000); in builtins.length (builtins.fromJSON one)`
    )
  },
  {
    name: "recursion 9000",
    text: always("let f = n: if n == 0 then 0 else 1 + f (n - 1); in builtins.foldl' (a: i: a + f 9000) 0 (builtins.genList (i: i) 50)")
  },
  {
    name: "fix 100 overlays",
    text: always(
      `let fix = f: let x = f x; in x; extends = o: f: self: let super = f self; in super // o self super; base = self: builtins.listToAttrs (builtins.genList (i: { name = "p\${toString i}"; value = i; }) 500); overlay = i: self: super: { "p\${toString i}" = super."p\${toString i}" + self.p499; "q\${toString i}" = self."p\${toString i}"; }; all = builtins.foldl' (f: i: extends (overlay i) f) base (builtins.genList (i: i) 100); in builtins.foldl' (a: i: let s = fix all; in a + builtins.foldl' (b: n: b + s.\${n}) i (builtins.attrNames s)) 0 (builtins.genList (i: i) 20)`
    )
  }
]
