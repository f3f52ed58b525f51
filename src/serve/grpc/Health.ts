/**
 * The standard health service, `grpc.health.v1.Health`: whatever is served here is serving as long as the server lives.
 */
import { create } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { unknown } from "../../castore/GrpcFaults.ts"
import {
  Health as Service,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema
} from "../../wire/gen/grpc/health/v1/health_pb.ts"
import { rpc } from "../../wire/grpc/Rpc.ts"
import { type Handler, serverStream, unary } from "../../wire/grpc/Server.ts"

/** Answers for the services that these handlers belong to, and for the server as a whole. */
export const healthHandlers = (handlers: ReadonlyArray<{ readonly path: string }>): ReadonlyArray<Handler<never>> => {
  const services = new Set(["", ...handlers.map(({ path }) => path.split("/")[1]!)])
  const answer = (status: Status) => create(HealthCheckResponseSchema, { status })
  return [
    unary(rpc(Service.method.check), ({ service }) =>
      services.has(service) ? Effect.succeed(answer(Status.SERVING)) : Effect.fail(unknown(`'${service}' is not served here`))
    ),
    serverStream(rpc(Service.method.watch), ({ service }) =>
      Stream.concat(Stream.succeed(answer(services.has(service) ? Status.SERVING : Status.SERVICE_UNKNOWN)), Stream.never)
    )
  ]
}
