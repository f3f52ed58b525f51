/**
 * What can go wrong between us and an HTTP server. Every error names the address (without passwords), says how far things got, and
 * whether trying again could help (`isTransient`).
 */
import * as Schema from "effect/Schema"

/** The address as it may be shown: user name and password of the URL are left out. */
export const shownUrl = (url: string): string => {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/]*@/i.test(url)) return url
  try {
    const parsed = new URL(url)
    parsed.username = ""
    parsed.password = ""
    return parsed.href
  } catch {
    return url.replace(/\/\/[^/]*@/, "//")
  }
}

const statusHints: ReadonlyMap<number, string> = new Map([
  [401, "the server wants credentials; give them as https://user:password@host/…"],
  [403, "the server refuses; check that the address is public"],
  [404, "there is nothing at this address; check it for mistakes"],
  [407, "a proxy wants credentials"],
  [410, "it was removed for good; look for a mirror"],
  [429, "the server wants fewer requests; try again later"]
])

/** The server answered, but not with what was asked for. */
export class HttpStatus extends Schema.TaggedError<HttpStatus>()("HttpStatus", {
  url: Schema.String,
  method: Schema.String,
  status: Schema.Finite,
  /** Seconds that the server asked to wait, where it did. */
  retryAfter: Schema.UndefinedOr(Schema.Finite),
  /** The start of the answer's text, at most 1 KiB. */
  body: Schema.String
}) {
  override get message(): string {
    const hint = statusHints.get(this.status) ?? (this.status >= 500 ? "the server has a problem; try again later" : "")
    return `${this.method} '${this.url}' gave HTTP status ${this.status}${hint === "" ? "" : `: ${hint}`}`
  }
}

const certificateTrouble = /^(CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH)/

/** No connection came about, or it broke before an answer. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  url: Schema.String,
  /** Node's code, such as `ECONNREFUSED`, `ENOTFOUND`, `CERT_HAS_EXPIRED`. */
  code: Schema.String,
  detail: Schema.String,
  /** How often it was tried. */
  attempts: Schema.Finite
}) {
  override get message(): string {
    const host = URL.canParse(this.url) ? new URL(this.url).host : this.url
    const what =
      this.code === "ENOTFOUND"
        ? `host '${host}' is not known`
        : this.code === "ECONNREFUSED"
          ? `'${host}' refused the connection`
          : `no answer from '${host}': ${this.detail}`
    const tried = this.attempts > 1 ? ` (tried ${this.attempts} times)` : ""
    const hint = certificateTrouble.test(this.code)
      ? "the server's certificate is not trusted; if its authority is known to you, name its file in NIX_SSL_CERT_FILE"
      : "check the address and the network"
    return `cannot reach '${this.url}': ${what}${tried}; ${hint}`
  }
}

/** The server was too slow. */
export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", {
  url: Schema.String,
  phase: Schema.Literals(["connect", "answer", "body"]),
  /** The limit that was passed. */
  seconds: Schema.Finite,
  /** Bytes of the body that had come. */
  received: Schema.Finite
}) {
  override get message(): string {
    const what =
      this.phase === "connect"
        ? "no connection"
        : this.phase === "answer"
          ? "connected, but no answer"
          : `stalled after ${this.received} bytes: nearly nothing came`
    return `'${this.url}': ${what} within ${this.seconds} seconds; try again, or raise the limit if this server is known to be slow`
  }
}

/** The body ended before its announced length, and could not be resumed. */
export class Truncated extends Schema.TaggedError<Truncated>()("Truncated", {
  url: Schema.String,
  received: Schema.Finite,
  announced: Schema.UndefinedOr(Schema.Finite),
  detail: Schema.String
}) {
  override get message(): string {
    const of = this.announced === undefined ? "" : ` of ${this.announced}`
    return `'${this.url}' broke off after ${this.received}${of} bytes (${this.detail}); try again`
  }
}

/** While a broken download was being resumed the server offered something else under the same address. */
export class ContentChanged extends Schema.TaggedError<ContentChanged>()("ContentChanged", {
  url: Schema.String,
  received: Schema.Finite,
  detail: Schema.String
}) {
  override get message(): string {
    return `'${this.url}' broke off after ${this.received} bytes and cannot be continued: ${this.detail}; try again from the start`
  }
}

/** More bytes than the caller allows. */
export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", {
  url: Schema.String,
  /** Bytes. */
  limit: Schema.Finite,
  announced: Schema.UndefinedOr(Schema.Finite)
}) {
  override get message(): string {
    const size = this.announced === undefined ? "" : ` (it announces ${this.announced})`
    return `'${this.url}' is larger than the ${this.limit} bytes that are allowed here${size}`
  }
}

/** A redirect that must not or cannot be followed. */
export class RedirectRefused extends Schema.TaggedError<RedirectRefused>()("RedirectRefused", {
  url: Schema.String,
  location: Schema.String,
  reason: Schema.Literals(["too many", "insecure", "scheme", "no location"])
}) {
  override get message(): string {
    switch (this.reason) {
      case "too many":
        return `'${this.url}' redirects too often (last to '${this.location}'); it probably goes round in circles`
      case "insecure":
        return `'${this.url}' redirects from https to '${this.location}', which is not encrypted; ask for that address directly if that is wanted`
      case "scheme":
        return `'${this.url}' redirects to '${this.location}', which is neither http nor https`
      case "no location":
        return `'${this.url}' redirects without saying where`
    }
  }
}

/** The address is none that can be asked over HTTP. */
export class BadUrl extends Schema.TaggedError<BadUrl>()("BadUrl", { url: Schema.String, detail: Schema.String }) {
  override get message(): string {
    return `'${this.url}' is no address that can be fetched: ${this.detail}`
  }
}

/** Policy forbids this network address (`addresses = "public"`). */
export class AddressRefused extends Schema.TaggedError<AddressRefused>()("AddressRefused", {
  url: Schema.String,
  address: Schema.String
}) {
  override get message(): string {
    return `'${this.url}' leads to ${this.address}, which is not a public address; the configuration allows only public ones`
  }
}

/** The other side does not speak HTTP as it should. */
export class BadAnswer extends Schema.TaggedError<BadAnswer>()("BadAnswer", { url: Schema.String, detail: Schema.String }) {
  override get message(): string {
    return `'${this.url}' gave an answer that is not proper HTTP: ${this.detail}`
  }
}

export type HttpError =
  | HttpStatus
  | Unreachable
  | TimedOut
  | Truncated
  | ContentChanged
  | TooLarge
  | RedirectRefused
  | BadUrl
  | AddressRefused
  | BadAnswer

const transientStatus: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524])

/** Codes that stand for a fault of the address or of trust, which waiting does not cure. */
const lasting =
  /^(ENOENT|ENOTFOUND|EACCES|EPERM|CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO|ERR_INVALID)/

/** Whether the same request may well succeed a little later. */
export const isTransient = (error: HttpError): boolean => {
  switch (error._tag) {
    case "HttpStatus":
      return transientStatus.has(error.status)
    case "Unreachable":
      return !lasting.test(error.code)
    case "TimedOut":
    case "Truncated":
    case "ContentChanged":
      return true
    default:
      return false
  }
}
