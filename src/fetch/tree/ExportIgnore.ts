/**
 * What `.gitattributes` keeps out of an export (`export-ignore`, gitattributes(5)): asked of git itself, with the attributes that the commit holds.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { fromBytes, toBytes } from "../../nix/Bytes.ts"
import { failure, type GitFailed, type GitOptions, line, run } from "./GitProcess.ts"
import type { TreeLine } from "./GitTree.ts"

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
          const answers = fromBytes(
            yield* run(["check-attr", "--cached", "-z", "--stdin", "export-ignore"], {
              ...options,
              input: toBytes(lines.map((each) => `${each.path}\0`).join(""))
            })
          ).split("\0")
          const ignored = new Set<string>()
          for (let i = 0; i + 2 < answers.length; i += 3) if (answers[i + 2] === "set") ignored.add(answers[i]!)
          const out = (name: string): boolean => {
            for (let at = name.length; at !== -1; at = name.lastIndexOf("/", at - 1)) if (ignored.has(name.slice(0, at))) return true
            return false
          }
          return lines.filter((each) => !out(each.path))
        })
      )
    : Effect.succeed(lines)
