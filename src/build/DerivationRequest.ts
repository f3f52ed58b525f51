/**
 * From a derivation and the closure of its inputs to a build request: the environment, files and needles that Nix gives the build.
 *
 * Pure but for the defaults of the options. Compared with builds by Nix 2.34.8. What cannot be built by any builder of ours fails here: floating content-addressed outputs,
 * `builtin:` builders, `__noChroot`, required features that nobody has.
 */
import { availableParallelism } from "node:os"
import * as Effect from "effect/Effect"
import * as Base32 from "../nix/Base32.ts"
import { type ByteString, fromUnicode, toBytes, toUnicode } from "../nix/Bytes.ts"
import * as Crypto from "../nix/Crypto.ts"
import { type Derivation, DerivationError, kindOf } from "../nix/Derivation.ts"
import { baseName, hashPart, isDerivationPath, placeholder, storeDir, type StorePath } from "../nix/StorePath.ts"
import { InvalidDerivation, UnsupportedFeatures, UnsupportedSystem } from "./BuildError.ts"
import type { BuildRequest } from "./BuildRequest.ts"
import { DerivationAttributes } from "./DerivationAttributes.ts"
import { type Closure, graphJson, printGraph, reachable } from "./ReferencesGraph.ts"
import { type Json, printJson, printShell } from "./StructuredAttrs.ts"

export interface DerivationRequestOptions {
  /** Value of NIX_BUILD_CORES. Default: the processors of this machine. */
  readonly cores?: number | undefined
  /** What `requiredSystemFeatures` may ask for. Default: `defaultFeatures`. */
  readonly systemFeatures?: ReadonlyArray<string> | undefined
  /** Where `impureEnvVars` of a fixed-output derivation come from. Default: our environment. */
  readonly impureVariable?: ((name: ByteString) => ByteString | undefined) | undefined
  /** Output paths of derivations in the closure, for `exportReferencesGraph` of a `.drv`. Default: none are known. */
  readonly outputsOf?: ((drvPath: StorePath) => ReadonlyArray<StorePath>) | undefined
}

export interface DerivationRequest {
  readonly request: BuildRequest
  /** Names of `request.outputs`, in its order (that of the paths). */
  readonly outputNames: ReadonlyArray<ByteString>
  /** Outputs whose references are to be dropped (`unsafeDiscardReferences`). */
  readonly discardedReferences: ReadonlySet<ByteString>
}

/** Features that mean no more than that the build is large, or that any machine has. */
export const defaultFeatures: ReadonlyArray<string> = ["benchmark", "big-parallel", "nixos-test"]

const buildDirectory = "build"
const buildTop = `/${buildDirectory}`

const byBytes = (a: ByteString, b: ByteString): number => (a < b ? -1 : a > b ? 1 : 0)

const fileOf = (variable: ByteString): ByteString => `.attr-${Base32.encode(Crypto.hash("sha256", toBytes(variable)))}`

const ownVariable = (name: ByteString): ByteString | undefined => {
  const value = process.env[toUnicode(name)]
  return value === undefined ? undefined : fromUnicode(value)
}

/** Throws the errors that `derivationRequest` fails with. */
const translate = (derivation: Derivation, closure: Closure, options: DerivationRequestOptions): DerivationRequest => {
  const invalid = (attribute: string, problem: string) => new InvalidDerivation({ name: toUnicode(derivation.name), attribute, problem })
  if (derivation.system === "builtin" || derivation.builder.startsWith("builtin:")) {
    throw new UnsupportedSystem({ system: "builtin", supported: [] })
  }
  const attributes = new DerivationAttributes(derivation)
  const features = options.systemFeatures ?? defaultFeatures
  const lacking = attributes
    .strings("requiredSystemFeatures")
    .map(toUnicode)
    .filter((feature) => !features.includes(feature))
  if (lacking.length > 0) throw new UnsupportedFeatures({ features: lacking, supported: [...features] })
  if (attributes.boolean("__noChroot")) throw invalid("__noChroot", "asks for a build without a sandbox, which is not done here")

  const outputs: Array<readonly [ByteString, StorePath]> = []
  for (const [name, { path }] of derivation.outputs) {
    if (path === "")
      throw invalid(
        "outputs",
        "are content-addressed without a known hash, which is not supported; set outputHash or make it input-addressed"
      )
    outputs.push([name, path])
  }
  outputs.sort(([, a], [, b]) => byBytes(a, b))
  const isFixed = kindOf(derivation) === "fixed"
  const isOpen = isFixed || kindOf(derivation) === "impure"

  const rewrites = outputs.map(([name, path]) => [placeholder(name), path] as const)
  const rewrite = (text: ByteString): ByteString =>
    rewrites.reduce((result, [from, to]) => (result.includes(from) ? result.replaceAll(from, to) : result), text)

  const environment = new Map<ByteString, ByteString>([
    ["PATH", "/path-not-set"],
    ["HOME", "/homeless-shelter"],
    ["NIX_STORE", storeDir],
    ["NIX_BUILD_CORES", String(options.cores ?? availableParallelism())]
  ])
  const files = new Map<ByteString, ByteString>()
  const graphs = new Map(
    [...attributes.referencesGraphs()].map(([key, roots]) => {
      const missing = roots.find((root) => !closure.has(root))
      if (missing !== undefined) throw invalid("exportReferencesGraph", `names '${missing}', which is not among the inputs`)
      const outputsOfDerivations = reachable(roots, closure)
        .filter(({ path }) => isDerivationPath(path))
        .flatMap(({ path }) => options.outputsOf?.(path) ?? [])
      return [key, reachable([...roots, ...outputsOfDerivations], closure)] as const
    })
  )
  if (attributes.structured === undefined) {
    const passed = attributes.passAsFile()
    for (const [name, value] of derivation.env) {
      if (!passed.has(name)) environment.set(name, value)
      else {
        files.set(fileOf(name), value)
        environment.set(`${name}Path`, `${buildTop}/${fileOf(name)}`)
      }
    }
    for (const [name, infos] of graphs) files.set(name, printGraph(infos))
  } else {
    const json = new Map<ByteString, Json>(attributes.structured)
    json.set("outputs", new Map(outputs))
    for (const [key, infos] of graphs) json.set(key, graphJson(infos, closure))
    files.set(".attrs.json", printJson(json))
    files.set(".attrs.sh", printShell(json))
    environment.set("NIX_ATTRS_JSON_FILE", `${buildTop}/.attrs.json`)
    environment.set("NIX_ATTRS_SH_FILE", `${buildTop}/.attrs.sh`)
  }
  for (const name of ["NIX_BUILD_TOP", "TMPDIR", "TEMPDIR", "TMP", "TEMP", "PWD"]) environment.set(name, buildTop)
  if (isFixed) environment.set("NIX_OUTPUT_CHECKED", "1")
  if (isOpen) {
    const variable = options.impureVariable ?? ownVariable
    for (const name of attributes.strings("impureEnvVars")) environment.set(name, variable(name) ?? "")
  }
  environment.set("NIX_LOG_FD", "2")
  environment.set("TERM", "xterm-256color")

  const inputs = [...closure.values()].sort((a, b) => byBytes(a.path, b.path))
  return {
    request: {
      inputs: inputs.map(({ path, node }) => ({ name: baseName(path), node })),
      commandArgs: [derivation.builder, ...derivation.args.map(rewrite)],
      workingDir: buildDirectory,
      scratchPaths: [buildDirectory, storeDir.slice(1)],
      inputsDir: storeDir.slice(1),
      outputs: outputs.map(([, path]) => path.slice(1)),
      environmentVars: [...environment].map(([key, value]) => ({ key, value: rewrite(value) })).sort((a, b) => byBytes(a.key, b.key)),
      constraints: {
        system: derivation.system,
        minMemory: 0,
        availableReadOnlyPaths: [],
        networkAccess: isOpen,
        provideBinSh: true
      },
      additionalFiles: [...files]
        .map(([name, contents]) => ({ path: `${buildDirectory}/${name}`, contents: toBytes(rewrite(contents)) }))
        .sort((a, b) => byBytes(a.path, b.path)),
      refscanNeedles: [...outputs.map(([, path]) => hashPart(path)), ...inputs.map(({ path }) => hashPart(path))]
    },
    outputNames: outputs.map(([name]) => name),
    discardedReferences: attributes.discardedReferences()
  }
}

/**
 * The build request of a derivation. `closure` holds the path infos of its inputs and of everything they refer to, nothing else: exactly that will be visible.
 */
export const derivationRequest = (
  derivation: Derivation,
  closure: Closure,
  options: DerivationRequestOptions = {}
): Effect.Effect<DerivationRequest, InvalidDerivation | UnsupportedFeatures | UnsupportedSystem> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(translate(derivation, closure, options))
    } catch (cause) {
      if (cause instanceof InvalidDerivation || cause instanceof UnsupportedFeatures || cause instanceof UnsupportedSystem) {
        return Effect.fail(cause)
      }
      const wrong = (attribute: string, problem: string) =>
        Effect.fail(new InvalidDerivation({ name: toUnicode(derivation.name), attribute, problem }))
      if (cause instanceof DerivationError) return wrong("outputs", `are wrong: ${cause.message}`)
      // Structured attributes nested deeper than our stack.
      if (cause instanceof RangeError) return wrong("__structuredAttrs", "is nested too deeply")
      return Effect.die(cause)
    }
  })
