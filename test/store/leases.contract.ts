/** What leases promise within one process, whatever keeps them. */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import { Leases } from "../../src/store/Leases.ts"

export const leasesContract = (layer: () => Layer.Layer<Leases, unknown>): void => {
  const test = (name: string, body: () => Effect.Effect<unknown, unknown, Leases>) =>
    it.live(name, () => Effect.provide(Effect.suspend(body), layer()))

  test("one holder at a time for one key, others for other keys and kinds at the same time", () =>
    Effect.gen(function* () {
      const leases = yield* Leases
      let inside = 0
      let most = 0
      const work = Effect.gen(function* () {
        most = Math.max(most, ++inside)
        yield* Effect.sleep(2)
        inside--
      })
      yield* Effect.forEach(Array.from({ length: 10 }), () => leases.withLease({ kind: "build", key: "a" }, work), {
        concurrency: "unbounded"
      })
      assert.strictEqual(most, 1)
      const both = yield* Deferred.make<void>()
      let waiting = 0
      const meet = Effect.suspend(() => (++waiting === 3 ? Deferred.succeed(both, undefined) : Deferred.await(both)))
      yield* Effect.all(
        [
          leases.withLease({ kind: "build", key: "a" }, meet),
          leases.withLease({ kind: "build", key: "b" }, meet),
          leases.withLease({ kind: "fetch", key: "a" }, meet)
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...(yield* leases.list())], [])
    }))

  test("is given up when the work fails, is interrupted or dies", () =>
    Effect.gen(function* () {
      const leases = yield* Leases
      const request = { kind: "build", key: "a" }
      assert.strictEqual(yield* Effect.flip(leases.withLease(request, Effect.fail("no" as const))), "no")
      assert.isTrue(Exit.hasDies(yield* Effect.exit(leases.withLease(request, Effect.die("bug")))))
      const fiber = yield* Effect.forkChild(leases.withLease(request, Effect.never), { startImmediately: true })
      while ((yield* leases.list()).length === 0) yield* Effect.sleep(1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([...(yield* leases.list())], [])
      assert.strictEqual(yield* leases.withLease(request, Effect.succeed(1)), 1)
    }))

  test("is listed with what is known of its holder, whom a waiter is told once and need not wait for", () =>
    Effect.gen(function* () {
      const leases = yield* Leases
      const holder = yield* Effect.forkChild(leases.withLease({ kind: "build", key: "a", scratch: "/tmp/x" }, Effect.never), {
        startImmediately: true
      })
      while ((yield* leases.list()).length === 0) yield* Effect.sleep(1)
      const [listed] = yield* leases.list()
      assert.deepInclude(listed, { kind: "build", key: "a", scratch: "/tmp/x", pid: process.pid })
      const told: Array<string> = []
      const waiter = yield* Effect.forkChild(
        leases.withLease(
          { kind: "build", key: "a", onWait: ({ key, pid }) => Effect.sync(() => void told.push(`${key} ${pid}`)) },
          Effect.succeed(1)
        ),
        { startImmediately: true }
      )
      while (told.length === 0) yield* Effect.sleep(1)
      yield* Effect.sleep(30)
      yield* Fiber.interrupt(waiter)
      assert.deepStrictEqual(told, [`a ${process.pid}`])
      assert.strictEqual((yield* leases.list()).length, 1)
      assert.deepStrictEqual([...(yield* leases.collectDead())], [])
      assert.strictEqual((yield* leases.list()).length, 1)
      yield* Fiber.interrupt(holder)
    }))
}
