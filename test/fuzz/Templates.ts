/**
 * What programs are made of: for each type, ways to get one. `<int>` is an argument, `<int!>` any expression, `<=int>` an operand at the template's level.
 *
 * Not generated, since the difference is known and meant: lengths by which builtins allocate (what Nix does when it runs out of memory is not compared); `system` of a
 * derivation with quotes or backslashes (Nix writes it into `.drv` files without escaping it, so that they cannot be read again); `break`, whose result Nix does not
 * evaluate, so that it prints as `<CODE>`; names of files in values (the oracle's lie elsewhere).
 */
import { Levels } from "./Tree.ts"
import { readType, type Type } from "./Types.ts"

export interface Template {
  readonly result: Type
  readonly level: number
  readonly text: string
}

const at = (level: number, result: string, ...texts: ReadonlyArray<string>): ReadonlyArray<Template> =>
  texts.map((text) => ({ result: readType(result), level, text }))

const calls = (result: string, ...texts: ReadonlyArray<string>): ReadonlyArray<Template> => at(Levels.call, result, ...texts)

const ints = [
  ...at(Levels.plus, "int", "<=int> + <=int>", "<=int> - <=int>"),
  ...at(Levels.times, "int", "<=int> * <=int>", "<=int> / <=int>"),
  ...at(Levels.negate, "int", "-<int>"),
  ...calls(
    "int",
    "builtins.add <int> <int>",
    "builtins.sub <int> <int>",
    "builtins.mul <int> <int>",
    "builtins.div <int> <int>",
    "builtins.bitAnd <int> <int>",
    "builtins.bitOr <int> <int>",
    "builtins.bitXor <int> <int>",
    "builtins.length <[any]>",
    "builtins.stringLength <string>",
    "builtins.ceil <float>",
    "builtins.floor <float>",
    "builtins.ceil <int>",
    "builtins.compareVersions <string> <string>",
    "builtins.foldl' <int->int->int> <int> <[int]>"
  )
]

const floats = [
  ...at(Levels.plus, "float", "<=float> + <=float>", "<=int> - <=float>", "<=float> + <=int>"),
  ...at(Levels.times, "float", "<=float> * <=float>", "<=float> / <=float>", "<=int> / <=float>"),
  ...at(Levels.negate, "float", "-<float>"),
  ...calls(
    "float",
    "builtins.add <float> <int>",
    "builtins.mul <float> <float>",
    "builtins.div <float> <float>",
    "builtins.sub <int> <float>"
  )
]

const bools = [
  ...at(Levels.and, "bool", "<=bool> && <=bool>"),
  ...at(Levels.or, "bool", "<=bool> || <=bool>"),
  ...at(Levels.implies, "bool", "<=bool> -> <=bool>"),
  ...at(Levels.not, "bool", "!<=bool>"),
  ...at(Levels.equal, "bool", "<=T> == <=T>", "<=T> != <=T>", "<=any> == <=any>", "<=int> == <=float>"),
  ...at(
    Levels.compare,
    "bool",
    "<=int> < <=int>",
    "<=int> >= <=float>",
    "<=string> <= <=string>",
    "<=[int]> < <=[int]>",
    "<=[string]> > <=[string]>",
    "<=path> < <=path>",
    "<=any> < <=any>"
  ),
  ...at(Levels.has, "bool", "<any> ? a", "<{a=T;b=U}> ? b", "<any> ? a.b", "<{a=T}> ? ${<string!>}", "<any> ? <string>"),
  ...calls(
    "bool",
    "builtins.lessThan <int> <int>",
    "builtins.lessThan <string> <string>",
    "builtins.all <T->bool> <[T]>",
    "builtins.any <T->bool> <[T]>",
    "builtins.elem <T> <[T]>",
    "builtins.elem <any> <[any]>",
    "builtins.hasAttr <string> <any>",
    "builtins.isInt <any>",
    "builtins.isFloat <any>",
    "builtins.isString <any>",
    "builtins.isList <any>",
    "builtins.isAttrs <any>",
    "builtins.isFunction <any>",
    "builtins.isNull <any>",
    "builtins.isBool <any>",
    "builtins.isPath <any>",
    "builtins.hasContext <string>",
    "builtins.pathExists <path>"
  ),
  ...at(Levels.select, "bool", "(builtins.tryEval <T>).success")
]

const strings = [
  ...at(
    Levels.plus,
    "string",
    "<=string> + <=string>",
    "<=string> + <=path>",
    "<=string> + { outPath = <string!>; __toString = self: <string!>; }"
  ),
  ...at(
    Levels.atom,
    "string",
    '"a${<string!>}b"',
    '"${<string!>}"',
    '"x ${<string!>} \\${ $$ ${<string!>}\\n"',
    "''\n  one\n    two ${<string!>}\n  ''${three} ''\\t $${\n  ''",
    "''${<string!>}\n   x''",
    '"${<any!>}"'
  ),
  ...calls(
    "string",
    "toString <any>",
    "toString <int>",
    "toString <float>",
    "toString <[any]>",
    "toString <bool>",
    "toString { __toString = self: <string!>; }",
    "builtins.substring <int> <int> <string>",
    "builtins.substring 1 2 <string>",
    "builtins.substring 0 (-1) <any>",
    "builtins.concatStringsSep <string> <[string]>",
    "builtins.toJSON <any>",
    "builtins.toJSON <T>",
    "builtins.toXML <any>",
    "builtins.typeOf <any>",
    "builtins.baseNameOf <path>",
    "builtins.baseNameOf <string>",
    "builtins.dirOf <string>",
    "builtins.unsafeDiscardStringContext <string>",
    "builtins.unsafeDiscardOutputDependency <string>",
    "builtins.replaceStrings <[string]> <[string]> <string>",
    'builtins.replaceStrings [ "a" "" ] [ <string> "<>" ] <string>',
    'builtins.replaceStrings [ "ab" "a" ] [ "x" <any> ] <string>',
    'builtins.hashString "sha256" <string>',
    'builtins.hashString "md5" <string>',
    'builtins.hashString "sha1" <string>',
    'builtins.hashString "sha512" <string>',
    "builtins.hashString <string> <string>",
    'builtins.convertHash { hash = builtins.hashString "sha256" <string>; hashAlgo = "sha256"; toHashFormat = "sri"; }',
    'builtins.convertHash { hash = builtins.hashString "sha1" <string>; hashAlgo = "sha1"; toHashFormat = "nix32"; }',
    'builtins.convertHash { hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; toHashFormat = "base16"; }',
    'builtins.convertHash { hash = <string>; hashAlgo = "sha256"; toHashFormat = <string>; }',
    "builtins.placeholder <string>",
    "builtins.addDrvOutputDependencies <string>",
    "builtins.toJSON { outPath = <any!>; a = <any!>; }",
    'builtins.toJSON (derivation { name = "n"; system = "s"; builder = <string>; })',
    "builtins.toXML { a = <any!>; b = { x, y ? 1, ... }@args: x; c = x: x; }",
    'builtins.toXML (derivation { name = "n"; system = "s"; builder = <string>; })',
    "builtins.getEnv <string>",
    "builtins.flakeRefToString <any>",
    'builtins.flakeRefToString { type = "github"; owner = <string>; repo = "r"; ref = <string>; }',
    "builtins.concatStringsSep <string> (builtins.splitVersion <string>)",
    'builtins.concatStringsSep ", " (builtins.sort (a: b: builtins.stringLength a < builtins.stringLength b) <[string]>)',
    "builtins.substring (builtins.stringLength <string>) <int> <string>",
    "baseNameOf (dirOf <path>)",
    "builtins.warn <string> <string>",
    'builtins.toFile "name" <string>',
    "builtins.head (builtins.split <string> <string>)",
    "toString (builtins.toPath <string>)",
    "builtins.foldl' (a: b: a + b) <string> <[string]>"
  ),
  ...at(
    Levels.select,
    "string",
    "(builtins.parseDrvName <string>).name",
    "(builtins.parseDrvName <string>).version",
    '(derivation { name = "n"; system = "s"; builder = <string>; }).outPath',
    '(derivation { name = <string>; system = "s"; builder = "b"; args = <[string]>; env = <any>; }).drvPath',
    '(derivation { name = "m"; system = "s"; builder = <string>; outputs = [ "out" "dev" ]; x = <any>; }).dev.outPath',
    '(derivation { name = "f"; system = "s"; builder = "b"; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; outputHashMode = "recursive"; v = <string>; }).outPath',
    '(derivation { name = "j"; system = "s"; builder = "b"; __structuredAttrs = true; v = <any>; }).outPath'
  )
]

const paths = [
  ...at(Levels.plus, "path", '<=path> + "/x"', "<=path> + <=string>"),
  ...calls("path", "builtins.dirOf <path>"),
  ...at(Levels.atom, "path", "/nowhere/${<string!>}", "/nowhere/p-${<string!>}/q")
]

const lists = [
  ...at(Levels.concat, "[T]", "<=[T]> ++ <=[T]>"),
  ...calls(
    "[T]",
    "map <int->T> <[int]>",
    "map <string->T> <[string]>",
    "builtins.genList <int->T> (builtins.bitAnd 7 <int>)",
    "builtins.genList <int->T> 3",
    "builtins.filter <T->bool> <[T]>",
    "builtins.tail <[T]>",
    "builtins.concatLists <[[T]]>",
    "builtins.concatMap <int->[T]> <[int]>",
    "builtins.attrValues { a = <T!>; b = <T!>; }",
    'builtins.catAttrs "a" <[{a=T}]>',
    "builtins.catAttrs <string> <[any]>",
    "builtins.sort <T->T->bool> <[T]>"
  ),
  ...calls(
    "[int]",
    "builtins.sort builtins.lessThan <[int]>",
    "builtins.sort (a: b: a > b) <[int]>",
    "builtins.sort <int->int->bool> <[int]>"
  ),
  ...calls(
    "[string]",
    "builtins.attrNames <any>",
    "builtins.attrNames <{b=T;a=U}>",
    "builtins.splitVersion <string>",
    "builtins.filter builtins.isString (builtins.split <string> <string>)",
    "builtins.sort (a: b: a < b) <[string]>"
  ),
  ...calls(
    "[any]",
    'builtins.split "(a)|b" <string>',
    'builtins.split "([[:space:]]+)" <string>',
    "builtins.split <string> <string>",
    'builtins.match "(.*)a(.*)" <string>',
    'builtins.match "[a-z]+(-([0-9.]+))?" <string>',
    "builtins.match <string> <string>",
    "builtins.genericClosure { startSet = [ { key = <int!>; } { key = 1; v = <any!>; } ]; operator = item: if item.key < 4 && item.key > (-2) then [ { key = item.key + 1; } ] else [ ]; }",
    "builtins.genericClosure { startSet = <[any]>; operator = <any->[any]>; }",
    'map (x: x.key) (builtins.genericClosure { startSet = map (key: { inherit key; }) <[string]>; operator = x: if builtins.stringLength x.key < 4 then [ { key = x.key + "z"; } ] else [ ]; })'
  ),
  ...at(Levels.select, "[T]", "(builtins.partition <T->bool> <[T]>).right", "(builtins.partition <T->bool> <[T]>).wrong")
]

const sets = [
  ...at(Levels.update, "{a=T;b=U}", "<={a=T}> // <={b=U}>", "<={a=T;b=U}> // <={a=T}>"),
  ...calls(
    "{a=T}",
    'removeAttrs <{a=T;b=U}> [ "b" ]',
    "removeAttrs <{a=T}> <[string]>",
    'builtins.listToAttrs [ { name = "a"; value = <T!>; } { name = "a"; value = <any!>; } ]',
    "builtins.intersectAttrs { a = 1; c = <any!>; } <{a=T;b=U}>",
    "builtins.mapAttrs <string->U->T> <{a=U}>",
    'builtins.mapAttrs (n: v: if n == "a" then <T!> else v) <{a=U}>'
  ),
  ...calls(
    "any",
    "builtins.zipAttrsWith (n: vs: vs) [ <{a=T;b=U}> <{b=T}> <{a=U}> ]",
    "builtins.zipAttrsWith <string->[any]->any> <[any]>",
    'builtins.groupBy (x: if x < 2 then "low" else "high") <[int]>',
    "builtins.groupBy <T->string> <[T]>",
    "builtins.functionArgs <any>",
    "builtins.functionArgs ({ a, b ? 1, ... }@args: a)",
    "builtins.tryEval <any>",
    "builtins.parseDrvName <string>",
    "builtins.parseFlakeRef <flake>",
    "builtins.findFile [ ] <string>",
    "builtins.findFile [ { prefix = <string>; path = <string>; } ] <string>",
    "builtins.genericClosure { startSet = [ { key = <any>; } { key = <any>; } ]; operator = item: [ ]; }",
    "builtins.sort (a: b: if a == b then <bool!> else a < b) <[int]>",
    "builtins.sort (a: b: builtins.bitAnd a 3 < builtins.bitAnd b 3) [ 5 1 4 8 2 9 3 12 7 6 0 <int> 13 ]",
    "builtins.groupBy builtins.typeOf <[any]>",
    "builtins.mapAttrs (n: v: builtins.tryEval v) <any>",
    "map (x: (builtins.tryEval x).value) [ <any> <T> <any> ]",
    'removeAttrs (builtins.unsafeGetAttrPos "a" (<{a=T;b=U}> // <{a=U}>)) [ "file" ]',
    "{ a.b.c = <T!>; a.b.d = <U!>; ${<string!>}.x = 1; }",
    "rec { inherit ({ x = <T!>; }) x; y.z = x; y.w = { inherit x; }; }",
    "{ __functor = self: self.f; f = x: <any!>; } <any>",
    "__curPos.line",
    "builtins.getContext <string>",
    "builtins.fromJSON (builtins.toJSON <any>)",
    "builtins.fromJSON <json>",
    "builtins.fromJSON <string>",
    "builtins.fromTOML <toml>",
    "builtins.listToAttrs <[any]>",
    "builtins.partition <T->bool> <[T]>",
    "builtins.intersectAttrs <any> <any>",
    "removeAttrs <any> <[string]>",
    "builtins.mapAttrs <any> <any>",
    "builtins.getAttr <string> <any>",
    "builtins.elemAt <[any]> <int>",
    'removeAttrs (builtins.unsafeGetAttrPos <string> { a = 1;\n  b = 2; }) [ "file" ]',
    "builtins.appendContext <string> <any>",
    "builtins.head <any>",
    "builtins.toJSON <any>",
    "builtins.foldl' <any> <any> <any>"
  ),
  ...at(Levels.select, "any", "<any>.a", "<any>.a.b or <any>", "<any>.${<string!>} or null", "<any>.a or <any>"),
  ...at(Levels.call, "any", "<any> <any>", "<any> <any> <any>", "{ __functor = self: x: <any!>; } <any>"),
  ...at(Levels.update, "any", "<=any> // <=any>"),
  ...at(Levels.concat, "any", "<=any> ++ <=any>"),
  ...at(
    Levels.expression,
    "any",
    "{ a, b ? <U!>, ... }@args: <T!>",
    "with { a = <T!>; }; with { b = <U!>; }; let b = 1; in [ a b ]",
    "let f = { a ? 1, b ? a + 1, ... }@s: [ a b (s ? a) ]; in [ (f { }) (f { a = <any!>; c = 2; }) ]",
    "{ a ? <T!>, ... }: a"
  ),
  ...at(Levels.plus, "any", "<=any> + <=any>", "<=any> - <=any>"),
  ...at(Levels.negate, "any", "-<any>"),
  ...at(Levels.times, "any", "<=any> * <=any>")
]

const anything = [
  ...at(
    Levels.expression,
    "T",
    "if <bool!> then <T!> else <T!>",
    "let x = <T!>; in x",
    "with { x = <T!>; y = <U!>; }; <T!>",
    "assert <bool!>; <T!>",
    "let inherit (<{a=T;b=U}!>) a b; in a",
    "let f = n: if n < 1 then <T!> else <T->T> (f (n - 1)); in f 3",
    "let a.b = <T!>; a.c = <U!>; in a.b",
    'let ${"x"} = <T!>; in x',
    "let body.x = <T!>; in with body; x"
  ),
  ...at(
    Levels.select,
    "T",
    "<{a=T;b=U}>.a",
    "<{b=T}>.b or <T>",
    "<{b=U}>.a or <T>",
    "<any>.a.b or <T>",
    "rec { a = b; b = <T!>; c = <U!>; }.a",
    "{ a.b.c = <T!>; a.d = <U!>; }.a.b.c",
    "{ ${<string!>} = <U!>; a = <T!>; }.a",
    '{ "a${"b"}" = <T!>; }.ab',
    "{ inherit (<{a=T}!>) a; }.a",
    "(builtins.tryEval <T>).value",
    "let { a = <U!>; body = <T!>; }"
  ),
  ...calls(
    "T",
    "builtins.head <[T]>",
    "builtins.elemAt <[T]> 1",
    "builtins.elemAt <[T]> 0",
    'builtins.getAttr "a" <{a=T;b=U}>',
    "builtins.seq <any> <T>",
    "builtins.deepSeq <any> <T>",
    "builtins.addErrorContext <string> <T>",
    'builtins.trace "" <T>',
    "<U->T> <U>",
    "builtins.warn <string> <T>",
    "builtins.traceVerbose <string> <T>",
    "<int->T> <int>",
    "({ a, b ? <U!>, ... }@args: args.a) { a = <T!>; c = 1; }",
    "({ a ? <T!>, b ? a }: b) { }",
    "({ a, b }: a) <{a=T;b=U}>",
    "(args@{ a, ... }: args.a) <{a=T;b=U}>",
    "{ __functor = self: x: self.v; v = <T!>; } <U>",
    "builtins.foldl' <T->int->T> <T> <[int]>",
    "builtins.throw <string>",
    "builtins.fromJSON (builtins.toJSON <T>)"
  )
]

const functions = [
  ...calls("int->int", "builtins.add <int>", "builtins.bitXor <int>"),
  ...at(Levels.select, "int->int->int", "builtins.add", "builtins.sub", "builtins.mul", "builtins.bitAnd"),
  ...at(Levels.select, "int->int->bool", "builtins.lessThan"),
  ...at(Levels.select, "any->bool", "builtins.isString", "builtins.isList"),
  ...at(Levels.select, "any", "builtins.add", "builtins.toString", "builtins.attrNames", "(builtins.add 1)"),
  ...at(Levels.select, "string->int", "builtins.stringLength"),
  ...at(Levels.select, "int->string", "toString", "builtins.toJSON")
]

export const templates: ReadonlyArray<Template> = [
  ...ints,
  ...floats,
  ...bools,
  ...strings,
  ...paths,
  ...lists,
  ...sets,
  ...anything,
  ...functions
]
