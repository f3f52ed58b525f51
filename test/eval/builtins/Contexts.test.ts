import { assert, describe, it } from "@effect/vitest"
import { agrees } from "./world.ts"

// [expression, what Nix 2.34.8 prints or the last line of its error]
const recorded: ReadonlyArray<readonly [string, string]> = [
  ['builtins.hasContext (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath', "true"],
  ['builtins.hasContext "a"', "false"],
  [
    'builtins.flakeRefToString { type = "github"; owner = "o"; repo = "${derivation { name = "a"; system = "b"; builder = "c"; }}"; }',
    '"github:o/%2Fnix%2Fstore%2Fn1graip4nvxv1778rif8j3yapjdfgk8g-a"'
  ],
  ["builtins.hasContext 1", "error: expected a string but found an integer: 1"],
  [
    'builtins.getContext (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath',
    '{ "/nix/store/hx8vc8l2pwdjwp4wglkymq9988fy424a-d.drv" = { outputs = [ "out" ]; }; }'
  ],
  [
    'builtins.getContext "${(derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; })}${(derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).dev}${(derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).drvPath}"',
    '{ "/nix/store/hx8vc8l2pwdjwp4wglkymq9988fy424a-d.drv" = { allOutputs = true; outputs = [ "dev" "out" ]; }; }'
  ],
  [
    'builtins.hasContext (builtins.unsafeDiscardStringContext (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath)',
    "false"
  ],
  ["builtins.unsafeDiscardStringContext 1", "error: cannot coerce an integer to a string: 1"],
  [
    'builtins.getContext (builtins.unsafeDiscardOutputDependency (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).drvPath)',
    '{ "/nix/store/hx8vc8l2pwdjwp4wglkymq9988fy424a-d.drv" = { path = true; }; }'
  ],
  [
    'builtins.getContext (builtins.addDrvOutputDependencies (builtins.unsafeDiscardOutputDependency (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).drvPath))',
    '{ "/nix/store/hx8vc8l2pwdjwp4wglkymq9988fy424a-d.drv" = { allOutputs = true; }; }'
  ],
  [
    'builtins.addDrvOutputDependencies (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath',
    "error: `addDrvOutputDependencies` can only act on derivations, not on a derivation output such as 'out'"
  ],
  ['builtins.addDrvOutputDependencies "a"', "error: context of string 'a' must have exactly one element, but has 0"],
  [
    'builtins.getContext (builtins.appendContext "a" { "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-foo.drv" = { outputs = [ "b" "a" ]; allOutputs = true; path = true; }; })',
    '{ "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-foo.drv" = { allOutputs = true; outputs = [ "a" "b" ]; path = true; }; }'
  ],
  [
    'builtins.getContext (builtins.appendContext (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath { "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-foo" = { path = true; }; }) ? "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-foo"',
    "true"
  ],
  [
    'builtins.appendContext "a" { "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-foo" = { allOutputs = true; }; }',
    'error: tried to add all-outputs context of "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-foo", which is not a derivation, to a string'
  ],
  [
    'builtins.appendContext "a" { "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-foo" = { outputs = [ "a" ]; }; }',
    'error: tried to add derivation output context of "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-foo", which is not a derivation, to a string'
  ],
  ['builtins.appendContext "a" { foo = { }; }', "error: context key 'foo' is not a store path"],
  [
    'builtins.getAttr (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath { }',
    "error: the string '/nix/store/d9031d0yv8gpjyy5jrf0j523j81l0xhg-d' is not allowed to refer to a store path (such as '/nix/store/hx8vc8l2pwdjwp4wglkymq9988fy424a-d.drv^out')"
  ],
  [
    'builtins.getAttr (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).drvPath { }',
    "error: the string '/nix/store/hx8vc8l2pwdjwp4wglkymq9988fy424a-d.drv' is not allowed to refer to a store path (such as '/nix/store/hx8vc8l2pwdjwp4wglkymq9988fy424a-d.drv (deep)')"
  ],
  [
    'builtins.getContext (builtins.substring 0 0 (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath) == builtins.getContext (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath',
    "true"
  ],
  [
    'builtins.getContext (builtins.replaceStrings [ "a" ] [ (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath ] "a") == builtins.getContext (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath',
    "true"
  ],
  [
    'builtins.hasContext (builtins.replaceStrings [ "a" ] [ (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath ] "b")',
    "false"
  ],
  [
    'builtins.getContext (builtins.concatStringsSep (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath [ ]) == builtins.getContext (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath',
    "true"
  ],
  [
    'builtins.getContext (builtins.toJSON { a = (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }); }) == builtins.getContext (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath',
    "true"
  ],
  [
    'map builtins.hasContext (builtins.filter builtins.isString (builtins.split "-" (derivation { name = "d"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).outPath))',
    "[ false false ]"
  ]
]

describe("string contexts", () => {
  it("are seen and changed as in Nix", () => {
    for (const [expression, expected] of recorded) assert.strictEqual(agrees(expression, expected), expected, expression)
  })
})
