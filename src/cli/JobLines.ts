/**
 * What `yix eval-jobs` prints: one JSON object a line, with the names that nix-eval-jobs has made known, in the order of the names. Pure.
 */
import { DerivationAttributes } from "../build/DerivationAttributes.ts"
import { type ByteString, toUnicode } from "../nix/Bytes.ts"
import type { StorePath } from "../nix/StorePath.ts"
import { type AttributeDerivation, attributeName, type AttributePath } from "../realise/jobs/AttributeJob.ts"

/** Where the outputs of a derivation are, and what would have to be done to have them. */
export interface CacheStatus {
  /** The others come after those that they need. */
  readonly builds: ReadonlyArray<StorePath>
  readonly substitutes: ReadonlyArray<StorePath>
  /** Neither there, nor to be had, nor is it known how to make them. */
  readonly unknown: ReadonlyArray<StorePath>
}

/** An object whose values are JSON texts already. */
const object = (entries: Iterable<readonly [name: string, json: string]>): string =>
  `{${[...entries]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(",")}}`

const placeOf = (path: AttributePath): ReadonlyArray<readonly [string, string]> => [
  ["attr", JSON.stringify(toUnicode(attributeName(path)))],
  ["attrPath", JSON.stringify(path.map(toUnicode))]
]

const statusOf = ({ builds, substitutes, unknown }: CacheStatus): ReadonlyArray<readonly [string, string]> => {
  const makeable = builds.length + unknown.length === 0
  const status = !makeable ? "notBuilt" : substitutes.length > 0 ? "cached" : "local"
  return [
    ["cacheStatus", JSON.stringify(status)],
    ["isCached", String(makeable)],
    ["neededBuilds", JSON.stringify(builds)],
    ["neededSubstitutes", JSON.stringify(substitutes)]
  ]
}

const sortedObject = <A>(entries: Iterable<readonly [ByteString, A]>, json: (value: A) => unknown): string =>
  object([...entries].map(([name, value]) => [toUnicode(name), JSON.stringify(json(value))]))

/** Throws `InvalidDerivation` where the features that it needs cannot be read. */
export const derivationLine = (path: AttributePath, derivation: AttributeDerivation, status: CacheStatus | undefined): string => {
  const { name, drvPath, system, outputs, inputs, meta, applied } = derivation
  const features = new DerivationAttributes({ name, env: derivation.featureVariables }).strings("requiredSystemFeatures")
  return object([
    ...placeOf(path),
    ["name", JSON.stringify(toUnicode(name))],
    ["drvPath", JSON.stringify(drvPath)],
    ["system", JSON.stringify(toUnicode(system))],
    ["outputs", sortedObject(outputs.map((output) => [output.name, output.path]), (path) => path ?? null)], // prettier-ignore
    ["requiredSystemFeatures", JSON.stringify([...new Set(features)].sort().map(toUnicode))],
    ...(inputs === undefined ? [] : [["inputDrvs", sortedObject(inputs, (names) => [...names].sort().map(toUnicode))] as const]),
    ...(meta === undefined ? [] : [["meta", toUnicode(meta)] as const]),
    ...(applied === undefined ? [] : [["extraValue", toUnicode(applied)] as const]),
    ...(status === undefined ? [] : statusOf(status))
  ])
}

/** `error` is JSON: a text, or an object where errors are wanted as such. `fatal`: it is not known whether evaluating it again would give the same. */
export const errorLine = (path: AttributePath, error: string, fatal: boolean): string =>
  object([...placeOf(path), ["error", error], ["fatal", String(fatal)]])
