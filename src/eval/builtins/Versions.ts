/**
 * Versions and derivation names.
 */
import { expectText, first, second } from "../Expect.ts"
import { record } from "../Record.ts"
import { compareVersions, parseDerivationName, splitVersion } from "../text/Versions.ts"
import { Builtin } from "../Value.ts"

const nameAndVersion = record("name", "version")

export const versions: ReadonlyArray<Builtin> = [
  new Builtin("compareVersions", 2, (a, b) => {
    const left = expectText(a, first("compareVersions"))
    return compareVersions(left, expectText(b, second("compareVersions")))
  }),
  new Builtin("splitVersion", 1, (version) => splitVersion(expectText(version, first("splitVersion")))),
  new Builtin("parseDrvName", 1, (name) => {
    const parsed = parseDerivationName(expectText(name, first("parseDrvName")))
    return nameAndVersion(parsed.name, parsed.version)
  })
]
