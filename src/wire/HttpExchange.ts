/**
 * One HTTP request and its answer over `node:http`: no retries, no redirects, no decoding. `Http.ts` builds those on top and loads this file
 * only when the first request is made.
 *
 * Why `node:http` and not fetch or undici: nothing is decoded or followed behind our back, addresses can be checked at the moment of
 * connecting, and loading costs 15–60 ms instead of 110 (undici) or 270 (Effect's client).
 *
 * Promises: connecting, waiting for the answer and every wait for body bytes are limited in time; header size is capped; bytes are only taken from
 * the socket when somebody asks for them; cancelling closes the connection.
 */
import { lookup as dnsLookup, type LookupAddress, type LookupOptions } from "node:dns"
import { existsSync, readFileSync } from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import { BlockList, isIP } from "node:net"
import * as tls from "node:tls"
import * as Effect from "effect/Effect"
import { AddressRefused, BadAnswer, type HttpError, shownUrl, TimedOut, Truncated, Unreachable } from "./HttpError.ts"

export interface ExchangeLimits {
  /** Seconds until a connection (with TLS) must stand. */
  readonly connectSeconds: number
  /** Seconds of waiting in which an answer, or `minimumRate` bytes a second of its body, must come. */
  readonly stallSeconds: number
  /** Bytes a second, on average over `stallSeconds` of waiting, below which a body counts as stalled. */
  readonly minimumRate: number
  /** All headers of an answer together, in bytes. */
  readonly headerBytes: number
  /** `public` refuses loopback, private, link-local and other special addresses, checked at the moment of connecting. */
  readonly addresses: "any" | "public"
  /** A PEM file with further certificate authorities; by default what `NIX_SSL_CERT_FILE` or `SSL_CERT_FILE` names, where that exists. */
  readonly certificates: string | undefined
}

export interface Exchange {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** A function is called anew for every attempt. */
  readonly body: Uint8Array | (() => AsyncIterable<Uint8Array>) | undefined
  /** Told of the answer's body before the effect succeeds, so that whoever is interrupted in between can still close it. */
  readonly onBody: (body: Body) => void
}

export interface Answer {
  readonly status: number
  /** Names in lower case; repeated headers joined with a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body
}

export interface Exchanger {
  exchange(request: Exchange): Effect.Effect<Answer, HttpError>
  /** Closes idle connections. */
  close(): void
}

/** Address ranges that are not reachable over the public internet (IANA special-purpose registries). */
const specialAddresses = (): BlockList => {
  const list = new BlockList()
  const subnets4 =
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 " +
    "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
  const subnets6 = "::/128 ::1/128 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8"
  for (const subnet of subnets4.split(" "))
    list.addSubnet(subnet.slice(0, subnet.indexOf("/")), Number(subnet.slice(subnet.indexOf("/") + 1)))
  for (const subnet of subnets6.split(" "))
    list.addSubnet(subnet.slice(0, subnet.indexOf("/")), Number(subnet.slice(subnet.indexOf("/") + 1)), "ipv6")
  return list
}

let special: BlockList | undefined

/** Whether an IP address (v4, v6, v4 in v6) is reachable over the public internet. */
export const isPublicAddress = (address: string): boolean => {
  special ??= specialAddresses()
  // NAT64 (64:ff9b::/96) carries an IPv4 address in its last 32 bits: judge that one.
  const nat64 = /^64:ff9b::(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})$/i.exec(address)
  if (nat64 !== null) {
    const high = Number.parseInt(nat64[1] ?? "0", 16)
    const low = Number.parseInt(nat64[2] ?? "0", 16)
    return isPublicAddress(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`)
  }
  return !special.check(address, isIP(address) === 6 ? "ipv6" : "ipv4")
}

const refusedCode = "YIX_ADDRESS_REFUSED"

/** Resolves as `dns.lookup`, but fails when any address found is not public: what was checked is what is connected to. */
const publicLookup = (
  hostname: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, address: string | Array<LookupAddress>, family?: number) => void
): void => {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, [])
    const bad = addresses.find((found) => !isPublicAddress(found.address))
    if (bad !== undefined) return callback(Object.assign(new Error(bad.address), { code: refusedCode }), [])
    if (options.all === true) return callback(null, addresses)
    const first = addresses[0]!
    return callback(null, first.address, first.family)
  })
}

const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === "string") return code
  const inner = (error as { errors?: ReadonlyArray<unknown> } | null)?.errors?.[0]
  return inner === undefined ? "UNKNOWN" : codeOf(inner)
}

const connectFailure = (url: URL, error: unknown): HttpError => {
  const code = codeOf(error)
  const detail = error instanceof Error && error.message !== "" ? error.message : code
  if (code === refusedCode) return new AddressRefused({ url: shownUrl(url.href), address: detail })
  if (code.startsWith("HPE_")) return new BadAnswer({ url: shownUrl(url.href), detail })
  return new Unreachable({ url: shownUrl(url.href), code, detail, attempts: 1 })
}

/** The body of one answer, pulled piece by piece. Not for concurrent use. */
export class Body {
  private wake: (() => void) | undefined
  private failure: unknown
  private ended = false
  private received = 0
  private waited = 0
  private windowBytes = 0
  readonly url: URL
  private readonly message: http.IncomingMessage
  private readonly limits: ExchangeLimits

  constructor(url: URL, message: http.IncomingMessage, limits: ExchangeLimits) {
    this.url = url
    this.message = message
    this.limits = limits
    const notify = () => {
      const wake = this.wake
      this.wake = undefined
      wake?.()
    }
    message.on("readable", notify)
    message.on("end", () => {
      this.ended = true
      notify()
    })
    message.on("error", (error) => {
      this.failure ??= error
      notify()
    })
    message.on("close", () => {
      if (!this.ended) this.failure ??= new Error("connection closed")
      notify()
    })
  }

  /** The next piece, at most some 64 KiB; `undefined` at the end. Rejects with an `HttpError`. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.message.read() as Buffer | null
      if (piece !== null) {
        this.received += piece.length
        this.windowBytes += piece.length
        return piece
      }
      if (this.ended) {
        if (!this.message.complete) throw this.truncated("connection closed")
        return undefined
      }
      if (this.failure !== undefined) {
        const code = codeOf(this.failure)
        if (code.startsWith("HPE_")) {
          throw new BadAnswer({ url: shownUrl(this.url.href), detail: (this.failure as Error).message })
        }
        throw this.truncated(this.failure instanceof Error ? this.failure.message : code)
      }
      await this.wait()
    }
  }

  private truncated(detail: string): Truncated {
    return new Truncated({ url: shownUrl(this.url.href), received: this.received, announced: undefined, detail })
  }

  /** Waits for an event. Only time spent here counts towards the stall limit: a slow consumer is no slow server. */
  private async wait(): Promise<void> {
    const started = performance.now()
    const limit = this.limits.stallSeconds * 1000
    let timer: NodeJS.Timeout | undefined
    const onTime = await new Promise<boolean>((resolve) => {
      this.wake = () => resolve(true)
      timer = setTimeout(() => resolve(false), Math.max(0, limit - this.waited))
    })
    clearTimeout(timer)
    this.waited += performance.now() - started
    if (onTime) return
    this.wake = undefined
    const enough = this.limits.minimumRate * this.limits.stallSeconds
    if (this.windowBytes < Math.max(1, enough)) {
      this.cancel()
      throw new TimedOut({
        url: shownUrl(this.url.href),
        phase: "body",
        seconds: this.limits.stallSeconds,
        received: this.received
      })
    }
    this.waited = 0
    this.windowBytes = 0
  }

  /** Closes the connection, unless the body was read to its end. */
  cancel(): void {
    if (!this.ended) this.message.destroy()
  }

  /** Reads what remains if it is little and comes soon, so that the connection can be used again; gives the first KiB as text. Never rejects. */
  async discard(): Promise<string> {
    let text = ""
    let size = 0
    const timer = setTimeout(() => this.cancel(), 2000)
    try {
      for (;;) {
        const piece = await this.next()
        if (piece === undefined) break
        if (text.length < 1024) text += new TextDecoder().decode(piece.subarray(0, 1024 - text.length))
        size += piece.length
        if (size > 65_536) break
      }
    } catch {
      // What came before the failure is enough for a message.
    }
    clearTimeout(timer)
    this.cancel()
    return text
  }
}

const joinHeaders = (headers: http.IncomingHttpHeaders): Record<string, string> => {
  const joined: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(", ") : value
  }
  return joined
}

/** Writes a body piece by piece, no faster than the socket takes it. */
const writeBody = async (request: http.ClientRequest, pieces: AsyncIterable<Uint8Array>, onProgress: () => void): Promise<void> => {
  for await (const piece of pieces) {
    if (request.destroyed) return
    if (!request.write(piece)) {
      await new Promise<void>((resolve) => {
        request.once("drain", resolve)
        request.once("close", resolve)
      })
    }
    onProgress()
  }
  request.end()
}

const extraCertificates = (file: string | undefined): string | undefined => {
  if (file !== undefined) return readFileSync(file, "latin1")
  for (const name of ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"]) {
    const path = process.env[name]
    if (path !== undefined && existsSync(path)) return readFileSync(path, "latin1")
  }
  return undefined
}

/** An exchanger with its own pool of kept-alive connections. */
export const makeExchanger = (limits: ExchangeLimits): Exchanger => {
  const plainAgent = new http.Agent({ keepAlive: true, maxFreeSockets: 16 })
  let secureAgent: https.Agent | undefined
  /** Made for the first https request. Throws where the certificates cannot be read. */
  const makeSecureAgent = (): https.Agent => {
    const extra = extraCertificates(limits.certificates)
    const ca = extra === undefined ? undefined : [...tls.getCACertificates("default"), extra]
    return new https.Agent({ keepAlive: true, maxFreeSockets: 16, ...(ca === undefined ? {} : { ca }) })
  }

  const once = (request: Exchange, resume: (result: Effect.Effect<Answer, HttpError>) => void): (() => void) => {
    const { url } = request
    const secure = url.protocol === "https:"
    const shown = shownUrl(url.href)
    const options: http.RequestOptions = {
      method: request.method,
      agent: secure ? (secureAgent ??= makeSecureAgent()) : plainAgent,
      headers: request.headers,
      maxHeaderSize: limits.headerBytes,
      ...(limits.addresses === "public" ? { lookup: publicLookup as NonNullable<http.RequestOptions["lookup"]> } : {})
    }
    let settled = false
    let timer: NodeJS.Timeout | undefined
    const settle = (result: Effect.Effect<Answer, HttpError>): void => {
      clearTimeout(timer)
      if (settled) return
      settled = true
      resume(result)
    }
    const clientRequest = (secure ? https : http).request(url, options)
    const limitTo = (phase: "connect" | "answer", seconds: number): void => {
      clearTimeout(timer)
      if (settled) return
      timer = setTimeout(() => {
        settle(Effect.fail(new TimedOut({ url: shown, phase, seconds, received: 0 })))
        clientRequest.destroy()
      }, seconds * 1000)
    }
    limitTo("connect", limits.connectSeconds)
    clientRequest.on("socket", (socket) => {
      const connected = () => limitTo("answer", limits.stallSeconds)
      if (clientRequest.reusedSocket) connected()
      else socket.once(secure ? "secureConnect" : "connect", connected)
    })
    clientRequest.on("response", (message) => {
      const body = new Body(url, message, limits)
      request.onBody(body)
      settle(Effect.succeed({ status: message.statusCode ?? 0, headers: joinHeaders(message.headers), body }))
    })
    clientRequest.on("error", (error) => {
      // A kept-alive connection that the server closed meanwhile says nothing about the server: ask on another one.
      const stale = clientRequest.reusedSocket && (codeOf(error) === "ECONNRESET" || codeOf(error) === "EPIPE")
      if (stale && !settled) {
        clearTimeout(timer)
        settled = true
        cancel = once(request, resume)
        return
      }
      settle(Effect.fail(connectFailure(url, error)))
    })
    let cancel = (): void => {
      settled = true
      clearTimeout(timer)
      clientRequest.destroy()
    }
    if (request.body === undefined) clientRequest.end()
    else if (request.body instanceof Uint8Array) clientRequest.end(request.body)
    else {
      writeBody(clientRequest, request.body(), () => limitTo("answer", limits.stallSeconds)).catch((error: unknown) => {
        clientRequest.destroy(error instanceof Error ? error : new Error(String(error)))
      })
    }
    return () => cancel()
  }

  return {
    exchange: (request) =>
      Effect.callback<Answer, HttpError>((resume) => {
        const host = request.url.hostname.replace(/^\[|\]$/g, "")
        if (limits.addresses === "public" && isIP(host) !== 0 && !isPublicAddress(host)) {
          return resume(Effect.fail(new AddressRefused({ url: shownUrl(request.url.href), address: host })))
        }
        let cancel: (() => void) | undefined
        try {
          cancel = once(request, resume)
        } catch (error) {
          // Before anything is sent: Node refuses header values with line ends and such; certificates cannot be read.
          return resume(Effect.fail(connectFailure(request.url, error)))
        }
        return Effect.sync(cancel)
      }),
    close: () => {
      plainAgent.destroy()
      secureAgent?.destroy()
    }
  }
}
