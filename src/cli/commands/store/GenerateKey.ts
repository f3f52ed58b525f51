/**
 * `yix store generate-key`: a key pair to sign paths with, in the form of Nix.
 */
import { generateKeyPairSync } from "node:crypto"
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { fromUnicode } from "../../../nix/Bytes.ts"
import { printKey, publicKeyOf, type SecretKey } from "../../../nix/Keys.ts"
import { printTextLine } from "../../Output.ts"
import { UsageError } from "../../Usage.ts"

/** The file for a key cannot be made. */
export class KeyNotWritten extends Schema.TaggedError<KeyNotWritten>()("KeyNotWritten", { path: Schema.String, code: Schema.String }) {
  override get message(): string {
    const why =
      this.code === "EEXIST" ? "there is such a file already, and a key that is lost cannot be made again: name another" : this.code
    return `cannot write the secret key to '${this.path}': ${why}`
  }
}

/** Seed and public key in one, as libsodium has it. */
const generate = (name: string): SecretKey => {
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })
  return { name, key: Uint8Array.from(Buffer.concat([Buffer.from(d!, "base64url"), Buffer.from(x!, "base64url")])) }
}

/** Makes a key pair and writes the secret key to a file that must not exist; gives the text of the public one. */
export const writeKey = Effect.fnUntraced(function* (name: string, file: string) {
  if (!/^[^\s:]+$/.test(name)) return yield* new UsageError({ detail: `'${name}' cannot be the name of a key: no blanks, no colon` })
  const key = generate(fromUnicode(name))
  yield* Effect.try({
    try: () => fs.writeFileSync(file, printKey(key), { flag: "wx", mode: 0o600 }),
    catch: (error) => new KeyNotWritten({ path: file, code: (error as NodeJS.ErrnoException).code ?? String(error) })
  })
  return printKey(publicKeyOf(key))
})

export const generateKeyCommand = Command.make(
  "generate-key",
  {
    name: Argument.String("NAME").pipe(Argument.withDescription("What signatures call the key, such as cache.example.org-1")),
    file: Argument.String("FILE").pipe(Argument.withDescription("Where to write the secret key; it must not exist"))
  },
  Effect.fn("yix store generate-key")(function* ({ name, file }) {
    yield* printTextLine(yield* writeKey(name, file))
  })
).pipe(Command.withDescription("Make a key pair: writes the secret key to FILE and prints the public one"))
