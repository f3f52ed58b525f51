/**
 * Spans made by the OpenTelemetry SDK, for those who have span processors, samplers or resources of their own: `@effect/opentelemetry`, which yix does not bring along,
 * over a module of the user's.
 *
 * The module's default export is a tracer provider (anything with `getTracer`), or the options of one (`spanProcessors`, `resource`, `sampler`), or a function that
 * returns either, perhaps later. The same names as exports of their own do as well.
 */
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import { type Route, TraceRemarks } from "./TraceRoute.ts"

/** The SDK, or the module that configures it, cannot be used. */
export class SdkNotUsable extends Schema.TaggedError<SdkNotUsable>()("SdkNotUsable", {
  module: Schema.String,
  detail: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `cannot trace with the OpenTelemetry SDK as '${this.module}' says: ${this.detail}; ${this.advice}`
  }
}

/** What is used of a tracer provider. */
interface Provider {
  getTracer(name: string, version?: string): unknown
  forceFlush?(): Promise<void>
  shutdown?(): Promise<void>
}

/** What is used of `@effect/opentelemetry`. */
interface OtelTracerModule {
  readonly OtelTracer: typeof import("@effect/opentelemetry/OtelTracer").OtelTracer
  readonly make: typeof import("@effect/opentelemetry/OtelTracer").make
}

interface BaseSdk {
  readonly BasicTracerProvider: new (options: object) => Provider
}

/** Milliseconds that the processors may take when the program ends. */
const patience = 3000

const textOf = (error: unknown): string => (error instanceof Error ? error.message.split("\n")[0]! : String(error))

const isProvider = (value: unknown): value is Provider =>
  typeof value === "object" && value !== null && "getTracer" in value && typeof value.getTracer === "function"

/** A package as yix finds it, else as the user's module does. */
const importPackage = async <A>(name: string, module: string): Promise<A> => {
  try {
    return (await import(name)) as A
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error
    return (await import(pathToFileURL(createRequire(module).resolve(name)).href)) as A
  }
}

const advice = "npm install @effect/opentelemetry @opentelemetry/api @opentelemetry/sdk-trace-base"

const needed = <A>(name: string, module: string) =>
  Effect.tryPromise({
    try: () => importPackage<A>(name, module),
    catch: (error) =>
      new SdkNotUsable({ module, detail: `the package of '${name}' cannot be loaded (${textOf(error)})`, advice: `run: ${advice}` })
  })

/** The provider that the user's module exports or describes. */
const providerOf = Effect.fnUntraced(function* (module: string): Effect.fn.Return<Provider, SdkNotUsable> {
  const wrong = (
    detail: string,
    advice = "export default { spanProcessors: [...] }, a tracer provider, or a function that returns one of them"
  ) => new SdkNotUsable({ module, detail, advice })
  const loaded = yield* Effect.tryPromise({
    try: () => import(pathToFileURL(module).href) as Promise<Readonly<Record<string, unknown>>>,
    catch: (error) => wrong(`it cannot be loaded (${textOf(error)})`, `correct it, or if it lacks a package run: ${advice}`)
  })
  const exported = loaded["default"] ?? loaded
  const value = yield* Effect.tryPromise({
    try: async () => (typeof exported === "function" ? ((await (exported as () => unknown)()) as unknown) : exported),
    catch: (error) => wrong(`its function failed (${textOf(error)})`)
  })
  if (isProvider(value)) return value
  if (typeof value !== "object" || value === null || !("spanProcessors" in value) || !Array.isArray(value.spanProcessors)) {
    return yield* wrong("it exports neither a tracer provider nor a list 'spanProcessors'")
  }
  const options = value
  const { BasicTracerProvider } = yield* needed<BaseSdk>("@opentelemetry/sdk-trace-base", module)
  return yield* Effect.try({
    try: () => new BasicTracerProvider({ ...options }),
    catch: (error) => wrong(`the SDK does not take what it exports (${textOf(error)})`)
  })
})

/** The route through the SDK, as the user's module (absolute path) sets it up. Closing its scope flushes and ends the processors. */
export const sdkRoute = Effect.fnUntraced(function* (module: string): Effect.fn.Return<Route, SdkNotUsable, Scope.Scope> {
  const remark = yield* TraceRemarks
  const { OtelTracer, make } = yield* needed<OtelTracerModule>("@effect/opentelemetry/OtelTracer", module)
  const provider = yield* providerOf(module)
  yield* Effect.addFinalizer(() =>
    Effect.tryPromise({
      try: async () => {
        await provider.forceFlush?.()
        await provider.shutdown?.()
      },
      catch: textOf
    }).pipe(
      Effect.timeoutOption(patience),
      Effect.matchEffect({
        onFailure: (detail) => Effect.sync(() => remark(`traces could not be handed over by '${module}': ${detail}`)),
        onSuccess: (ended) =>
          Effect.sync(() => {
            if (Option.isNone(ended)) remark(`traces were not handed over by '${module}' within ${patience / 1000} seconds`)
          })
      })
    )
  )
  const tracer = provider.getTracer("yix") as (typeof OtelTracer)["Service"]
  const maker: Tracer.Tracer = yield* Effect.provideService(make, OtelTracer, tracer)
  return { maker, sinks: [], loggers: [] }
})
