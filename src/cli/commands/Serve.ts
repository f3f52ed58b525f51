/**
 * `yix serve`: opens the store to other programs, until it is interrupted.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Switch } from "../CommonFlags.ts"
import { tell } from "../Output.ts"
import { UsageError } from "../Usage.ts"
import { withStore } from "../World.ts"

/** `host:port`, `[host]:port` or `:port`, which is at this machine only. */
const parseAddress = (text: string) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65535) {
    return Effect.fail(new UsageError({ detail: `--http: '${text}' is no address; write HOST:PORT, [IPV6]:PORT or :PORT` }))
  }
  return Effect.succeed({ host: match[1] ?? (match[2] || "127.0.0.1"), port })
}

const serveHttp = Effect.fnUntraced(function* (address: { readonly host: string; readonly port: number }, readOnly: boolean) {
  const [BinaryCache, HttpServer] = yield* Effect.promise(() =>
    Promise.all([import("../../serve/http/BinaryCache.ts"), import("../../serve/http/HttpServer.ts")])
  )
  const { host, port } = yield* HttpServer.listen(yield* BinaryCache.make({ readOnly }), address)
  tell(`serving a Nix binary cache at http://${net.isIPv6(host) ? `[${host}]` : host}:${port}`)
})

const serveGrpc = Effect.fnUntraced(function* (address: string, readOnly: boolean) {
  const { serveStore } = yield* Effect.promise(() => import("../../serve/grpc/GrpcServer.ts"))
  const listening = yield* serveStore(address, { readOnly })
  tell(`serving the store over gRPC at ${listening.address}`)
})

export const serveCommand = Command.make(
  "serve",
  {
    http: Flag.String("http").pipe(
      Flag.optional,
      Flag.withMetavar("HOST:PORT"),
      Flag.withDescription("Serve a Nix binary cache, which also takes uploads; :PORT is for this machine only, port 0 any free one")
    ),
    grpc: Flag.String("grpc").pipe(
      Flag.optional,
      Flag.withMetavar("ADDRESS"),
      Flag.withDescription("Serve blobs, directories and path infos over gRPC, as Snix does; unix:/PATH or HOST:PORT")
    ),
    readOnly: Switch("read-only").pipe(Flag.withDescription("Take no uploads"))
  },
  Effect.fn("yix serve")(function* (input) {
    const { http, grpc, readOnly } = input
    if (Option.isNone(http) && Option.isNone(grpc)) {
      return yield* new UsageError({ detail: "say what to serve: --http HOST:PORT, --grpc ADDRESS, or both" })
    }
    const address = Option.isSome(http) ? yield* parseAddress(http.value) : undefined
    return yield* withStore(
      Effect.gen(function* () {
        if (address !== undefined) yield* serveHttp(address, readOnly)
        if (Option.isSome(grpc)) yield* serveGrpc(grpc.value, readOnly)
        return yield* Effect.never
      }).pipe(Effect.scoped)
    )
  })
).pipe(Command.withDescription("Serve the store to other programs"))
