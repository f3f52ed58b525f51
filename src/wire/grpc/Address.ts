/**
 * Addresses of gRPC services, for those who connect and those who listen.
 *
 *     unix:/run/yix.sock    /run/yix.sock    grpc+unix:///run/yix.sock    host:8000    [::1]:8000    grpc+http://host:8000    grpc+https://host:8000
 *
 * The `grpc+` forms are those of Snix's service addresses (shared/reference/anchors.md §2.4), with port 8000 where none is named. Pure: loads no gRPC.
 */
import * as Schema from "effect/Schema"

export interface GrpcAddress {
  /** What gRPC libraries call the target: `unix:/path` or `host:port`. */
  readonly target: string
  /** Path of the socket, where it is one. */
  readonly socket: string | undefined
  readonly tls: boolean
  /** Connect when the channel is opened instead of at the first call (`?wait-connect=1`). */
  readonly waitConnect: boolean
}

/** A text is no address of a gRPC service. */
export class BadGrpcAddress extends Schema.TaggedError<BadGrpcAddress>()("BadGrpcAddress", {
  address: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return (
      `'${this.address}' is no gRPC address: ${this.detail}; ` +
      "write 'unix:/absolute/path', 'host:port', '[::1]:port', or 'grpc+unix://', 'grpc+http://' or 'grpc+https://' and one of them"
    )
  }
}

const defaultPort = 8000

/** Reads an address. Throws `BadGrpcAddress`. */
export const parse = (address: string): GrpcAddress => {
  const bad = (detail: string): never => {
    throw new BadGrpcAddress({ address, detail })
  }
  const query = address.indexOf("?")
  const base = query < 0 ? address : address.slice(0, query)
  let waitConnect = false
  for (const [key, value] of new URLSearchParams(query < 0 ? "" : address.slice(query + 1))) {
    if (key !== "wait-connect") bad(`it has the unknown option '${key}'`)
    if (value !== "0" && value !== "1") bad(`'wait-connect' is '${value}' instead of 0 or 1`)
    waitConnect = value === "1"
  }
  const socketOf = (path: string): GrpcAddress => {
    if (!path.startsWith("/")) bad("the path of a socket must be absolute")
    if (path.includes("\0") || path.endsWith("/")) bad("its path names no socket")
    return { target: `unix:${path}`, socket: path, tls: false, waitConnect }
  }
  if (base.startsWith("/")) return socketOf(base)
  if (base.startsWith("unix:")) return socketOf(base.startsWith("unix://") ? base.slice(7) : base.slice(5))
  if (base.startsWith("grpc+unix:")) {
    if (!base.startsWith("grpc+unix:///")) bad("a socket has no host: three slashes come before its path")
    return socketOf(base.slice(12))
  }
  const scheme = /^(?:grpc\+)?(https?):\/\//.exec(base)
  const authority = scheme === null ? base : base.slice(scheme[0].length).replace(/\/$/, "")
  const parts = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?$/.exec(authority)
  if (parts === null) return bad("it names no host")
  if (scheme === null && parts[2] === undefined) bad("it names no port")
  const port = parts[2] === undefined ? defaultPort : Number(parts[2])
  if (port > 65_535) bad(`${port} is no port`)
  return { target: `${parts[1]}:${port}`, socket: undefined, tls: scheme?.[1] === "https", waitConnect }
}
