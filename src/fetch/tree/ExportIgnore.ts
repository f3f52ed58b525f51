/**
 * What `.gitattributes` keeps out of an export (`export-ignore`, gitattributes(5)): asked of git itself, with the attributes that the commit holds.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { type ByteString, fromBytes, toBytes } from "../../nix/Bytes.ts"
import { failure, type GitFailed, type GitOptions, line, run } from "./GitProcess.ts"
import type { TreeLine } from "./GitTree.ts"

/**
 * Whether one of these paths is exported: neither it nor a directory that it lies in is ignored. The attributes are those of the work tree, with `--cached` those of the index.
 */
export const exported = (
  paths: ReadonlyArray<ByteString>,
  repository: GitOptions,
  ...from: ReadonlyArray<"--cached">
): Effect.Effect<(path: ByteString) => boolean, GitFailed> =>
  Effect.map(
    run(["check-attr", ...from, "-z", "--stdin", "export-ignore"], {
      ...repository,
      input: toBytes(paths.map((each) => `${each}\0`).join(""))
    }),
    (bytes) => {
      const answers = fromBytes(bytes).split("\0")
      const ignored = new Set<ByteString>()
      for (let i = 0; i + 2 < answers.length; i += 3) if (answers[i + 2] === "set") ignored.add(answers[i]!)
      return (path) => {
        for (let at = path.length; at !== -1; at = path.lastIndexOf("/", at - 1)) if (ignored.has(path.slice(0, at))) return false
        return true
      }
    }
  )

/** The lines without those that are, or lie in, what is not exported. */
export const withoutIgnored = (
  lines: ReadonlyArray<TreeLine>,
  rev: string,
  repository: GitOptions
): Effect.Effect<ReadonlyArray<TreeLine>, GitFailed> =>
  lines.some((each) => /(?:^|\/)\.gitattributes$/.test(each.path))
    ? Effect.scoped(
        Effect.gen(function* () {
          const scratch = yield* Effect.acquireRelease(
            Effect.try({
              try: () => fs.mkdtempSync(path.join(os.tmpdir(), "yix-git-")),
              catch: (error) => failure(["check-attr"], repository, (error as Error).message)
            }),
            (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
          )
          const gitDir = repository.gitDir ?? (yield* line(["rev-parse", "--absolute-git-dir"], repository))
          const work = path.join(scratch, "work")
          fs.mkdirSync(work)
          const options: GitOptions = {
            url: repository.url,
            gitDir,
            environment: { GIT_INDEX_FILE: path.join(scratch, "index"), GIT_WORK_TREE: work }
          }
          yield* run(["read-tree", rev], options)
          const isExported = yield* exported(
            lines.map((each) => each.path),
            options,
            "--cached"
          )
          return lines.filter((each) => isExported(each.path))
        })
      )
    : Effect.succeed(lines)
