/**
 * The HTTP client: everything that yix brings over HTTP goes through this service.
 *
 * It promises: answers other than 2xx are errors; what may pass by waiting is tried again (full jitter, `Retry-After` respected); a body
 * that breaks off is continued by `Range` where that is safe; redirects are followed a few times, never from https to http, and credentials stay with the
 * host that they were meant for; bodies come as they were sent, undecoded, and never beyond `maxBytes`; everything is limited in time.
 * Methods other than GET and HEAD are repeated only when nothing was answered, or the server said that it did nothing (429, 503).
 *
 * Loading this file is cheap; the transport (`HttpExchange.ts`) is loaded by the first request.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { concatBytes } from "../nix/Bytes.ts"
import {
  BadAnswer,
  BadUrl,
  ContentChanged,
  HttpStatus,
  type HttpError,
  isTransient,
  RedirectRefused,
  shownUrl,
  TooLarge,
  Truncated,
  Unreachable
} from "./HttpError.ts"
import type { Answer, Body, ExchangeLimits, Exchanger } from "./HttpExchange.ts"
import { current as currentTrace, traceHeader } from "./TraceHeaders.ts"
import { isPropagated } from "./TracePropagation.ts"

export interface HttpOptions extends ExchangeLimits {
  /** Further attempts after the first; for a body, as many in a row without a MiB of progress. */
  readonly retries: number
  /** Milliseconds: attempt n waits a random time up to `base · 2ⁿ`, at most `cap`. */
  readonly backoff: { readonly base: number; readonly cap: number }
  /** Seconds: a `Retry-After` beyond this is not waited for. */
  readonly longestRetryAfter: number
  /** Redirects followed for one request. */
  readonly redirects: number
  readonly userAgent: string
}

export const defaultOptions: HttpOptions = {
  connectSeconds: 15,
  stallSeconds: 60,
  minimumRate: 100,
  headerBytes: 65_536,
  addresses: "any",
  certificates: undefined,
  retries: 5,
  backoff: { base: 250, cap: 10_000 },
  longestRetryAfter: 120,
  redirects: 10,
  userAgent: "yix/0.1.0"
}

export interface HttpRequest {
  /** `http:` or `https:`; a user name and password in it become an `Authorization` header. */
  readonly url: string
  readonly method?: "GET" | "HEAD" | "PUT" | "POST" | "DELETE"
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** A function is called anew for each attempt; give a `content-length` header where the length is known. */
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>)
  /** Only this part of the content, in bytes. Also honoured when the server ignores ranges. */
  readonly range?: { readonly offset: number; readonly length?: number }
  /** The body must not be longer (after `range`). Unlimited when absent. */
  readonly maxBytes?: number
  /** The caller checks the whole content against a hash: a broken body may be continued even when nothing proves that it is still the same. */
  readonly verified?: boolean
  /** Send the `traceparent` of the request's span. Default: where the run is traced and nobody switched it off (`TracePropagation.ts`). Never after a redirect to another host. */
  readonly traced?: boolean
}

export interface HttpResponse {
  /** After redirects. */
  readonly url: string
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Announced length of `body` in bytes. */
  readonly length: number | undefined
  /** `Content-Encoding`, lower case; undefined when absent or `identity`. The body is not decoded. */
  readonly contentEncoding: string | undefined
  /** To be consumed once, while the scope of `open` is open. */
  readonly body: Stream.Stream<Uint8Array, HttpError>
}

export class Http extends Context.Service<
  Http,
  {
    /** Sends a request; done when the headers of a 2xx answer are there. Closing the scope closes the connection. */
    open(request: HttpRequest): Effect.Effect<HttpResponse, HttpError, Scope.Scope>
    /** The whole body in memory. `maxBytes` is 16 MiB unless given. */
    bytes(request: HttpRequest): Effect.Effect<Omit<HttpResponse, "body"> & { readonly body: Uint8Array }, HttpError>
  }
>()("yix/wire/Http") {}

/** Headers that may follow a redirect to another host. */
const harmless: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "range",
  "user-agent"
])

const parseUrl = (text: string): URL | BadUrl => {
  if (!URL.canParse(text)) return new BadUrl({ url: shownUrl(text), detail: "it is not a URL" })
  const url = new URL(text)
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return new BadUrl({ url: shownUrl(text), detail: `'${url.protocol}' is neither http: nor https:` })
  }
  return url
}

/** Seconds to wait by a `Retry-After` header: a number of seconds or an HTTP date. */
export const parseRetryAfter = (value: string | undefined, now: number): number | undefined => {
  if (value === undefined) return undefined
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value)
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}

/** First byte, last byte and total length by a `Content-Range` header; the total is undefined when the server does not tell. */
export const parseContentRange = (
  value: string | undefined
): { readonly first: number; readonly last: number; readonly total: number | undefined } | undefined => {
  const match = /^\s*bytes\s+(\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)\s*$/i.exec(value ?? "")
  if (match === null) return undefined
  const [first, last] = [Number(match[1]), Number(match[2])]
  const total = match[3] === "*" ? undefined : Number(match[3])
  return last < first || (total !== undefined && last >= total) ? undefined : { first, last, total }
}

const lengthOf = (headers: Readonly<Record<string, string>>): number | undefined => {
  const value = headers["content-length"]
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}

/** What tells whether two answers carry the same content. */
interface Validators {
  /** Strong ones only. */
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** Of the whole content. */
  readonly total: number | undefined
}

const validatorsOf = (answer: Answer): Validators => {
  const etag = answer.headers["etag"]
  return {
    etag: etag === undefined || etag.startsWith("W/") ? undefined : etag,
    lastModified: answer.headers["last-modified"],
    total: answer.status === 206 ? parseContentRange(answer.headers["content-range"])?.total : lengthOf(answer.headers)
  }
}

/** Why these are not the same content; undefined when they are, or nothing speaks against it and `verified` says that this is enough. */
const difference = (before: Validators, after: Validators, verified: boolean): string | undefined => {
  if (before.etag !== undefined && after.etag !== undefined && before.etag !== after.etag) return "it has another ETag now"
  if (before.total !== undefined && after.total !== undefined && before.total !== after.total) return "it has another length now"
  if (before.etag !== undefined && before.etag === after.etag) return undefined
  if (before.lastModified !== undefined && after.lastModified !== undefined) {
    return before.lastModified === after.lastModified ? undefined : "it was modified meanwhile"
  }
  return verified ? undefined : "the server gives nothing that would tell whether it is still the same"
}

const isAbsent = (encoding: string | undefined): boolean => encoding === undefined || encoding === "" || encoding === "identity"

const nothing = new Uint8Array(0)

/** Progress after which the count of failures starts again. */
const progressThatCounts = 1 << 20

const make = (options: HttpOptions, exchanger: Effect.Effect<Exchanger>): typeof Http.Service => {
  /** Follows redirects from `request.url` to an answer 2xx. `onBody` hears of every body that was opened on the way. */
  const answerTo = Effect.fnUntraced(function* (
    request: HttpRequest,
    extra: Readonly<Record<string, string>>,
    onBody: (body: Body) => void
  ): Effect.fn.Return<{ readonly answer: Answer; readonly url: URL }, HttpError> {
    const { exchange } = yield* exchanger
    const method = request.method ?? "GET"
    const first = parseUrl(request.url)
    if (first instanceof BadUrl) return yield* first
    let url: URL = first
    let headers: Record<string, string> = {
      "user-agent": options.userAgent,
      accept: "*/*",
      "accept-encoding": "identity",
      ...request.headers,
      ...extra
    }
    for (let hop = 0; ; hop++) {
      const target = new URL(url)
      const own = { ...headers }
      if (target.username !== "" || target.password !== "") {
        const credentials = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`
        own["authorization"] = `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(credentials)))}`
        target.username = ""
        target.password = ""
      }
      target.hash = ""
      const answer = yield* exchange({ method, url: target, headers: own, body: request.body, onBody })
      const { status } = answer
      if (status >= 200 && status < 300) return { answer, url: target }
      const followed = (method === "GET" || method === "HEAD") && [301, 302, 303, 307, 308].includes(status)
      const text = yield* Effect.promise(() => answer.body.discard())
      if (!followed) {
        const retryAfter = parseRetryAfter(answer.headers["retry-after"], Date.now())
        return yield* new HttpStatus({ url: shownUrl(target.href), method, status, retryAfter, body: text })
      }
      const location = answer.headers["location"]
      const refused = (reason: RedirectRefused["reason"], to: string) =>
        new RedirectRefused({ url: shownUrl(request.url), location: shownUrl(to), reason })
      if (location === undefined || !URL.canParse(location, target)) return yield* refused("no location", location ?? "")
      const next = new URL(location, target)
      if (next.protocol !== "http:" && next.protocol !== "https:") return yield* refused("scheme", next.href)
      if (target.protocol === "https:" && next.protocol === "http:") return yield* refused("insecure", next.href)
      if (hop >= options.redirects) return yield* refused("too many", next.href)
      if (next.origin !== target.origin) {
        headers = Object.fromEntries(Object.entries(headers).filter(([name]) => harmless.has(name)))
      } else if (next.username === "" && next.password === "" && url.username !== "") {
        next.username = url.username
        next.password = url.password
      }
      url = next
    }
  })

  const pause = (attempt: number, error: HttpError): Effect.Effect<void, HttpError> =>
    Effect.gen(function* () {
      const asked = error._tag === "HttpStatus" && error.retryAfter !== undefined ? error.retryAfter * 1000 : 0
      if (asked > options.longestRetryAfter * 1000) return yield* error
      const jitter = (yield* Random.next) * Math.min(options.backoff.cap, options.backoff.base * 2 ** attempt)
      yield* Effect.sleep(Math.max(asked, jitter))
    })

  const repeatable = (method: string, error: HttpError): boolean =>
    method === "GET" ||
    method === "HEAD" ||
    error._tag === "Unreachable" ||
    (error._tag === "HttpStatus" && [429, 503].includes(error.status))

  const retrying = <A>(method: string, failures: { count: number }, run: Effect.Effect<A, HttpError>): Effect.Effect<A, HttpError> =>
    Effect.catch(run, (error) => {
      if (failures.count >= options.retries || !isTransient(error) || !repeatable(method, error)) {
        return Effect.fail(error._tag === "Unreachable" ? new Unreachable({ ...error, attempts: failures.count + 1 }) : error)
      }
      return Effect.logDebug(`trying again: ${error.message}`).pipe(
        Effect.andThen(pause(failures.count++, error)),
        Effect.andThen(retrying(method, failures, run))
      )
    })

  const opened = Effect.fnUntraced(function* (request: HttpRequest): Effect.fn.Return<HttpResponse, HttpError, Scope.Scope> {
    const method = request.method ?? "GET"
    const traceparent = (request.traced ?? (yield* isPropagated)) ? Option.getOrUndefined(yield* currentTrace) : undefined
    const trace: Record<string, string> = traceparent === undefined ? {} : { [traceHeader]: traceparent }
    const offset = request.range?.offset ?? 0
    const wanted = request.range?.length
    const shown = shownUrl(request.url)
    let current: Body | undefined
    const bodies = new Set<Body>()
    const onBody = (body: Body): void => void bodies.add(body)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const body of bodies) body.cancel()
      })
    )

    /** Asks for the content from byte `from` on, and says how many bytes of the answer to drop. */
    const openAt = (from: number, conditions: Readonly<Record<string, string>>) =>
      Effect.gen(function* () {
        const end = wanted === undefined ? "" : String(offset + wanted - 1)
        const range = from > 0 || wanted !== undefined ? { range: `bytes=${from}-${end}` } : {}
        const { answer, url } = yield* answerTo(request, { ...trace, ...range, ...conditions }, onBody)
        if (answer.status !== 206) return { answer, url, skip: from }
        const part = parseContentRange(answer.headers["content-range"])
        if (part?.first !== from) {
          answer.body.cancel()
          const got = answer.headers["content-range"] ?? "none"
          return yield* new BadAnswer({ url: shown, detail: `asked for bytes from ${from}, it gave content range '${got}'` })
        }
        return { answer, url, skip: 0 }
      })

    const failures = { count: 0 }
    const begun = yield* retrying(
      method,
      failures,
      wanted === 0 ? answerTo(request, trace, onBody).pipe(Effect.map((a) => ({ ...a, skip: 0 }))) : openAt(offset, {})
    )
    const { answer } = begun
    yield* Effect.annotateCurrentSpan({
      "http.response.status_code": answer.status,
      ...(failures.count === 0 ? {} : { "http.request.resend_count": failures.count })
    })
    current = answer.body
    const before = validatorsOf(answer)
    const part = answer.status === 206 ? parseContentRange(answer.headers["content-range"]) : undefined
    const whole = part === undefined ? lengthOf(answer.headers) : part.last + 1
    const available = whole === undefined ? undefined : Math.max(0, whole - offset)
    const length = method === "HEAD" || wanted === undefined ? available : available === undefined ? undefined : Math.min(wanted, available)
    if (request.maxBytes !== undefined && length !== undefined && length > request.maxBytes && method !== "HEAD") {
      return yield* new TooLarge({ url: shown, limit: request.maxBytes, announced: length })
    }

    if (length !== undefined) yield* Effect.annotateCurrentSpan("http.response.body.size", length)
    let received = 0
    let skip = begun.skip
    let milestone = 0
    failures.count = 0

    const resume = (cause: HttpError): Effect.Effect<void, HttpError> => {
      current?.cancel()
      const conditions: Record<string, string> =
        before.etag !== undefined
          ? { "if-range": before.etag }
          : before.lastModified !== undefined
            ? { "if-range": before.lastModified }
            : {}
      const truncated = (detail: string) => new Truncated({ url: shown, received, announced: length, detail })
      if (received - milestone >= progressThatCounts) failures.count = 0
      milestone = received
      if (method !== "GET" || !isTransient(cause)) return Effect.fail(cause)
      if (failures.count >= options.retries) {
        return Effect.fail(cause._tag === "Truncated" ? truncated(cause.detail) : cause)
      }
      return Effect.gen(function* () {
        yield* pause(failures.count++, cause)
        const again = yield* retrying(method, failures, openAt(offset + received, conditions)).pipe(
          Effect.mapError((error) =>
            error._tag === "HttpStatus" && error.status === 416 ? truncated("the server says that there is no more") : error
          )
        )
        current = again.answer.body
        const changed = difference(before, validatorsOf(again.answer), request.verified === true)
        if (changed !== undefined) return yield* new ContentChanged({ url: shown, received, detail: changed })
        skip = again.skip
      })
    }

    /** What the connection gives next, continued on another one when it breaks; `undefined` at the end. */
    const read: Effect.Effect<Uint8Array | undefined, HttpError> = Effect.suspend(() =>
      Effect.tryPromise({ try: () => current!.next(), catch: (error) => error as HttpError }).pipe(
        Effect.flatMap((piece) =>
          piece === undefined && length !== undefined && received < length && method !== "HEAD"
            ? Effect.fail(new Truncated({ url: shown, received, announced: length, detail: "the body ended early" }))
            : Effect.succeed(piece)
        ),
        Effect.catch((error) => Effect.as(resume(error), nothing))
      )
    )

    /** The next piece that has bytes for the caller; `undefined` at the end. */
    const next: Effect.Effect<Uint8Array | undefined, HttpError> = Effect.suspend(() =>
      wanted !== undefined && received >= wanted
        ? Effect.undefined
        : Effect.flatMap(read, (piece) => {
            if (piece === undefined) return Effect.undefined
            const dropped = Math.min(skip, piece.length)
            skip -= dropped
            let rest = piece.subarray(dropped)
            if (wanted !== undefined && received + rest.length > wanted) rest = rest.subarray(0, wanted - received)
            if (rest.length === 0) return next
            if (request.maxBytes !== undefined && received + rest.length > request.maxBytes) {
              return Effect.fail(new TooLarge({ url: shown, limit: request.maxBytes, announced: length }))
            }
            received += rest.length
            return Effect.succeed(rest)
          })
    )

    const encoding = answer.headers["content-encoding"]?.trim().toLowerCase()
    return {
      url: begun.url.href,
      status: answer.status,
      headers: answer.headers,
      length,
      contentEncoding: isAbsent(encoding) ? undefined : encoding,
      body: Stream.fromPull(
        Effect.succeed(Effect.flatMap(next, (piece) => (piece === undefined ? Cause.done() : Effect.succeed([piece] as const))))
      )
    }
  })

  const open = (request: HttpRequest): Effect.Effect<HttpResponse, HttpError, Scope.Scope> => {
    const method = request.method ?? "GET"
    const url = URL.parse(request.url)
    return opened(request).pipe(
      Effect.tapError((error) =>
        error._tag === "HttpStatus" ? Effect.annotateCurrentSpan("http.response.status_code", error.status) : Effect.void
      ),
      Effect.withSpan(`http ${method}`, {
        kind: "client",
        attributes: {
          "http.request.method": method,
          "url.full": shownUrl(request.url),
          ...(url === null ? {} : { "server.address": url.hostname, ...(url.port === "" ? {} : { "server.port": Number(url.port) }) })
        }
      })
    )
  }

  const bytes = Effect.fnUntraced(function* (request: HttpRequest) {
    const response = yield* open({ ...request, maxBytes: request.maxBytes ?? 16 * 1024 * 1024 })
    return { ...response, body: concatBytes(yield* Stream.runCollect(response.body)) }
  }, Effect.scoped)

  return {
    open,
    bytes: (request) => Effect.retry(bytes(request), { times: 2, while: (error) => error._tag === "ContentChanged" })
  }
}

/** The client, with `options` over `defaultOptions`. Connections are closed with the layer. */
export const layer = (options: Partial<HttpOptions> = {}): Layer.Layer<Http> =>
  Layer.effect(
    Http,
    Effect.gen(function* () {
      const all: HttpOptions = { ...defaultOptions, ...options }
      let opened: Promise<Exchanger> | undefined
      yield* Effect.addFinalizer(() => Effect.promise(async () => (await opened)?.close()))
      const exchanger = Effect.promise(() => (opened ??= import("./HttpExchange.ts").then(({ makeExchanger }) => makeExchanger(all))))
      return make(all, exchanger)
    })
  )
