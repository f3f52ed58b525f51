/** Git repositories for tests: nothing of this machine's configuration, and fixed dates, so that commits are always the same. */
import { execFileSync } from "node:child_process"

/** Runs git in a directory, with `home` as the home; what it prints. */
export const gitIn =
  (home: string) =>
  (directory: string, ...args: ReadonlyArray<string>): string =>
    execFileSync("git", ["-C", directory, "-c", "protocol.file.allow=always", ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env["PATH"],
        HOME: home,
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: "a",
        GIT_AUTHOR_EMAIL: "a@b",
        GIT_COMMITTER_NAME: "a",
        GIT_COMMITTER_EMAIL: "a@b",
        GIT_AUTHOR_DATE: "2020-01-02T03:04:05Z",
        GIT_COMMITTER_DATE: "2020-01-02T03:04:05Z"
      }
    }).trim()
