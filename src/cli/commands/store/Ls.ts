/**
 * `yix store ls`: what lies at a path in the store.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { Node } from "../../../castore/Node.ts"
import { fromUnicode, toUnicode } from "../../../nix/Bytes.ts"
import { list, type ListedEntry, locate } from "../../../store/Lookup.ts"
import { Switch } from "../../CommonFlags.ts"
import { print, printTextLine } from "../../Output.ts"
import { withStore } from "../../World.ts"

const modeOf = (node: Node): string =>
  node._tag === "Directory" ? "dr-xr-xr-x" : node._tag === "Symlink" ? "lrwxrwxrwx" : node.executable ? "-r-xr-xr-x" : "-r--r--r--"

const sizeOf = (node: Node): number => (node._tag === "File" ? node.size : node._tag === "Symlink" ? node.target.length : 0)

/** As `ls -l` would: mode, size, name, target. */
const longLine = ({ path, node }: ListedEntry): string =>
  `${modeOf(node)} ${String(sizeOf(node)).padStart(12)} ${path}${node._tag === "Symlink" ? ` -> ${node.target}` : ""}`

const jsonOf = ({ path, node }: ListedEntry) => {
  switch (node._tag) {
    case "Directory":
      return { path: toUnicode(path), type: "directory" }
    case "Symlink":
      return { path: toUnicode(path), type: "symlink", target: toUnicode(node.target) }
    case "File":
      return { path: toUnicode(path), type: "regular", size: node.size, executable: node.executable }
  }
}

export const lsCommand = Command.make(
  "ls",
  {
    path: Argument.String("PATH").pipe(Argument.withDescription("A store path, or a path below one")),
    long: Switch("long").pipe(Flag.withAlias("l"), Flag.withDescription("Show modes, sizes and targets")),
    recursive: Switch("recursive").pipe(Flag.withAlias("R"), Flag.withDescription("Go into directories")),
    json: Switch("json").pipe(Flag.withDescription("Print JSON"))
  },
  Effect.fn("yix store ls")(function* ({ path, long, recursive, json }) {
    yield* withStore(
      Effect.gen(function* () {
        const { node } = yield* locate(fromUnicode(path))
        // A file is shown under the name it was asked for.
        const named = (entry: ListedEntry): ListedEntry => (entry.path === "" ? { ...entry, path: fromUnicode(path) } : entry)
        const entries = Stream.map(list(node, { recursive }), named)
        if (json) return yield* printTextLine(JSON.stringify((yield* Stream.runCollect(entries)).map(jsonOf)))
        yield* Stream.runForEach(Stream.chunks(entries), (some) =>
          print(some.map((entry) => `${long ? longLine(entry) : entry.path}\n`).join(""))
        )
      })
    )
  })
).pipe(Command.withDescription("List a directory in the store"))
