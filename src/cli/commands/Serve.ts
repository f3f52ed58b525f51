/**
 * `yix serve`: opens the store to other programs, until it is interrupted.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Builder } from "../../build/Builder.ts"
import type { ServeOptions } from "../../serve/grpc/GrpcServer.ts"
import type { BinaryCacheOptions } from "../../serve/http/BinaryCache.ts"
import { LogLevelFlag, Switch, Verbose } from "../CommonFlags.ts"
import { tell } from "../StandardStreams.ts"
import { realiseFlags, realiseOptionsOf } from "../RealiseFlags.ts"
import { UsageError } from "../Usage.ts"
import { withStore, withWorkers } from "../World.ts"

/** `host:port`, `[host]:port` or `:port`, which is at this machine only. */
const parseAddress = (text: string) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65535) {
    return Effect.fail(new UsageError({ detail: `--http: '${text}' is no address; write HOST:PORT, [IPV6]:PORT or :PORT` }))
  }
  return Effect.succeed({ host: match[1] ?? (match[2] || "127.0.0.1"), port })
}

/** Requests are told to those who ask for more than usual: a server whose standard error nobody reads must not fill it and wait. */
const requestLevel = Effect.gen(function* () {
  return (yield* Verbose).length > 0 || Option.isSome(yield* LogLevelFlag) ? "Info" : "Debug"
})

const serveHttp = Effect.fnUntraced(function* (address: { readonly host: string; readonly port: number }, options: BinaryCacheOptions) {
  const [BinaryCache, HttpServer] = yield* Effect.promise(() =>
    Promise.all([import("../../serve/http/BinaryCache.ts"), import("../../serve/http/HttpServer.ts")])
  )
  const { host, port } = yield* HttpServer.listen(yield* BinaryCache.make(options), { ...address, requestLevel: yield* requestLevel })
  tell(`serving a Nix binary cache at http://${net.isIPv6(host) ? `[${host}]` : host}:${port}`)
})

const serveGrpc = Effect.fnUntraced(function* (address: string, options: ServeOptions) {
  const { serveStore } = yield* Effect.promise(() => import("../../serve/grpc/GrpcServer.ts"))
  const listening = yield* serveStore(address, options)
  if (options.builds !== undefined && !/^(unix:|127\.|localhost:|\[::1\]:)/.test(listening.address)) {
    yield* Effect.logWarning(`whoever can reach ${listening.address} can have commands run in the sandbox of this machine`)
  }
  tell(`serving the store${options.builds === undefined ? "" : " and a builder"} over gRPC at ${listening.address}`)
})

/** Why `--builds` does not go with the rest. */
const misuse = (overGrpc: boolean, readOnly: boolean): string | undefined => {
  if (!overGrpc) return "--builds is for servers over gRPC; add --grpc ADDRESS"
  return readOnly ? "--builds puts what it builds into the store, so it does not go with --read-only" : undefined
}

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
    readOnly: Switch("read-only").pipe(Flag.withDescription("Take no uploads")),
    priority: Flag.Int("priority").pipe(
      Flag.withDefault(39),
      Flag.withDescription("Over HTTP: of several caches Nix asks that with the lowest number first (default 39; cache.nixos.org has 40)")
    ),
    builds: Switch("builds").pipe(
      Flag.withDescription(
        "Build over gRPC, too: whoever can connect has commands run here, in the sandbox; with -j, --timeout, --max-silent-time"
      )
    ),
    buildsNetwork: Switch("builds-network").pipe(
      Flag.withDescription("Give builds the network that want it, as those with a declared hash do; without it they are refused")
    ),
    maxJobs: realiseFlags.maxJobs,
    timeout: realiseFlags.timeout,
    maxSilent: realiseFlags.maxSilent
  },
  Effect.fn("yix serve")(function* (input) {
    const { http, grpc, readOnly, priority, builds, buildsNetwork } = input
    if (priority < 0) return yield* new UsageError({ detail: "--priority must be at least 0" })
    if (Option.isNone(http) && Option.isNone(grpc)) {
      return yield* new UsageError({ detail: "say what to serve: --http HOST:PORT, --grpc ADDRESS, or both" })
    }
    const address = Option.isSome(http) ? yield* parseAddress(http.value) : undefined
    const { maxJobs, timeout, maxSilent, offline } = yield* realiseOptionsOf({ ...input, keepGoing: false }, false)
    const wrong = builds ? misuse(Option.isSome(grpc), readOnly) : buildsNetwork ? "--builds-network goes with --builds" : undefined
    if (wrong !== undefined) return yield* new UsageError({ detail: wrong })
    const served = <E, R>(options: Effect.Effect<ServeOptions, E, R>) =>
      Effect.gen(function* () {
        if (address !== undefined) yield* serveHttp(address, { readOnly, priority })
        if (Option.isSome(grpc)) yield* serveGrpc(grpc.value, yield* options)
        return yield* Effect.never
      }).pipe(Effect.scoped)
    if (!builds) return yield* withStore(served(Effect.succeed({ readOnly })))
    const network = buildsNetwork && !offline
    const building = Effect.map(Builder, (builder) => ({ builds: { builder, network, timeout, maxSilent } }))
    return yield* withWorkers(served(building), maxJobs)
  })
).pipe(Command.withDescription("Serve the store to other programs"))
