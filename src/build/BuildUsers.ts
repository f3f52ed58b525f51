/**
 * User ids for builders of a process that runs as root: each running build gets one of its own, so that no build can touch another's files or processes.
 *
 * Other processes on the machine draw from the same range. Who holds an id holds the abstract socket `yix-build-user-<uid>`, which the kernel gives to one process only and
 * takes back when it dies: nothing to clean up and nothing to be fooled by, apart from programs that hold such names out of malice, which cost us an id each.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { SandboxFailed } from "./BuildError.ts"

/** First user id, and group id of the same number. */
export const firstBuildUser = 30001
/** How many ids there are. */
export const buildUserCount = 1000

const claim = (uid: number): Effect.Effect<net.Server | undefined> =>
  Effect.callback((resume) => {
    const server = net.createServer((connection) => connection.destroy())
    server.once("error", () => resume(Effect.undefined))
    server.listen(`\0yix-build-user-${uid}`, () => {
      server.unref()
      resume(Effect.succeed(server))
    })
  })

/** A user id that no other build on this machine has, until the scope ends. */
export const acquire = (
  first: number = firstBuildUser,
  count: number = buildUserCount
): Effect.Effect<number, SandboxFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      for (let uid = first; uid < first + count; uid++) {
        const server = yield* claim(uid)
        if (server !== undefined) return { uid, server }
      }
      return yield* new SandboxFailed({
        driver: "build users",
        step: "finding a free user id",
        reason: `all of ${first} to ${first + count - 1} are in use`
      })
    }),
    ({ server }) => Effect.sync(() => server.close())
  ).pipe(Effect.map(({ uid }) => uid))
