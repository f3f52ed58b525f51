/**
 * Throughput of the Nix formats: NAR writing and reading, derivations, nix32, reference scan, hashing. `node bench/nix.ts [filter]`; best of five, one line each.
 */
import { blake3Implementation, prepareNode } from "../src/castore/crypto/Node.ts"
import { parseDerivation, printDerivation } from "../src/nix/Aterm.ts"
import * as Base32 from "../src/nix/Base32.ts"
import * as Crypto from "../src/nix/Crypto.ts"
import type { Derivation } from "../src/nix/Derivation.ts"
import { instantiate } from "../src/nix/HashModulo.ts"
import type { NarHandler } from "../src/nix/Nar.ts"
import { NarReader } from "../src/nix/NarReader.ts"
import { NarWriter } from "../src/nix/NarWriter.ts"
import { ReferenceScanner } from "../src/nix/References.ts"
import { fromDigestAndName } from "../src/nix/StorePath.ts"

await prepareNode()
const filter = process.argv[2] ?? ""

/** Prints `amount / seconds` of the best of five runs. */
const measure = (name: string, amount: number, unit: string, run: () => void): void => {
  if (!name.includes(filter)) return
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5; i++) {
    const start = performance.now()
    run()
    best = Math.min(best, performance.now() - start)
  }
  console.log(`${name.padEnd(44)} ${((amount / best) * 1000).toFixed(0).padStart(12)} ${unit}/s`)
}

const sha = (text: string): Uint8Array => Crypto.hash("sha256", new TextEncoder().encode(text))
const megabyte = 1_000_000

// A tree like a package: many small files, some large ones.
const small = new Uint8Array(3000).fill(120)
const large = new Uint8Array(4_000_000).fill(121)
const writeTree = (writer: NarWriter): number => {
  writer.directoryStart("")
  for (let i = 0; i < 20_000; i++) writer.file(`f${String(i).padStart(6, "0")}`, small, i % 3 === 0)
  for (let i = 0; i < 20; i++) writer.file(`g${String(i).padStart(6, "0")}`, large, false)
  writer.directoryEnd()
  return writer.end()
}
const chunks: Array<Uint8Array> = []
const narSize = writeTree(new NarWriter((chunk) => void chunks.push(chunk)))
const nothing = () => {}
const handler: NarHandler = {
  directoryStart: nothing,
  directoryEnd: nothing,
  fileStart: nothing,
  fileData: nothing,
  fileEnd: nothing,
  symlink: nothing
}

measure("NAR write (20 020 files)", narSize / megabyte, "MB", () => void writeTree(new NarWriter(nothing, { reuse: true })))
measure("NAR write and sha256", narSize / megabyte, "MB", () => {
  const hasher = Crypto.hasher("sha256")
  writeTree(new NarWriter((chunk) => hasher.update(chunk), { reuse: true }))
  hasher.digest()
})
measure("NAR read (20 020 files)", narSize / megabyte, "MB", () => {
  const reader = new NarReader(handler)
  for (const chunk of chunks) reader.push(chunk)
  reader.end()
})
measure("NAR read, files", 20_020, "files", () => {
  const reader = new NarReader(handler)
  for (const chunk of chunks) reader.push(chunk)
  reader.end()
})

// A derivation like those of nixpkgs: 5 KB of text, 12 inputs.
const inputs = new Map(
  Array.from({ length: 12 }, (_, i) => [fromDigestAndName(sha(`i${i}`).subarray(0, 20), `input-${i}.drv`), ["out", "dev"]])
)
const env = new Map<string, string>([["name", "package-1.0"]])
for (let i = 0; i < 40; i++) env.set(`variable${i}`, [...inputs.keys()].slice(0, i % 4).join(" "))
env.set("buildPhase", 'echo "building"\nmake -j4 \\\n\tall\n'.repeat(40))
const draft: Derivation = {
  name: "package-1.0",
  outputs: new Map(["out", "dev"].map((name) => [name, { path: "", hashAlgorithm: "", hash: "" }])),
  inputDerivations: inputs,
  inputSources: [fromDigestAndName(sha("s").subarray(0, 20), "source")],
  system: "x86_64-linux",
  builder: "/bin/sh",
  args: ["-e", "builder.sh"],
  env
}
const lookup = (path: string) => path.slice(11, 43).repeat(2)
const { text } = instantiate(draft, lookup)
console.log(`derivation text: ${text.length} bytes`)
measure("derivation instantiate", 2000, "drv", () => {
  for (let i = 0; i < 2000; i++) {
    // Every value a new string, as in an evaluation: nothing flattened or encoded before.
    const fresh = new Map(env)
    fresh.set("buildPhase", `${env.get("buildPhase")!}${i}`)
    instantiate({ ...draft, env: fresh }, lookup).hashModulo()
  }
})
measure("derivation print", 2000, "drv", () => {
  for (let i = 0; i < 2000; i++) printDerivation(draft)
})
measure("derivation parse", 2000, "drv", () => {
  for (let i = 0; i < 2000; i++) parseDerivation(text, "package-1.0")
})

const digest = sha("x").subarray(0, 20)
const encoded = Base32.encode(digest)
measure("nix32 encode, 20 bytes", 200_000, "op", () => {
  for (let i = 0; i < 200_000; i++) Base32.encode(digest)
})
measure("nix32 decode, 32 characters", 200_000, "op", () => {
  for (let i = 0; i < 200_000; i++) Base32.decode(encoded)
})

const needles = Array.from({ length: 2000 }, (_, i) => Base32.encode(sha(`r${i}`).subarray(0, 20)))
const binary = new Uint8Array(64 * megabyte)
for (let i = 0; i < binary.length; i++) binary[i] = (Math.imul(i, 0x9e3779b1) >>> 13) & 255
const hex = new TextEncoder().encode(Array.from({ length: 500_000 }, (_, i) => Buffer.from(sha(String(i))).toString("hex")).join(""))
const scan = (bytes: Uint8Array) => () => {
  const scanner = new ReferenceScanner(needles)
  for (let at = 0; at < bytes.length; at += 65_536) scanner.update(bytes.subarray(at, at + 65_536))
}
measure("reference scan, 2000 needles, binary", binary.length / megabyte, "MB", scan(binary))
measure("reference scan, 2000 needles, hex", hex.length / megabyte, "MB", scan(hex))

measure(`BLAKE3 (${blake3Implementation()}), 1 MB`, 64, "MB", () => {
  for (let i = 0; i < 64; i++) Crypto.hash("blake3", binary.subarray(i * megabyte, (i + 1) * megabyte))
})
measure("sha256 of 200 bytes", 100_000, "op", () => {
  for (let i = 0; i < 100_000; i++) Crypto.hash("sha256", binary.subarray(i, i + 200))
})
