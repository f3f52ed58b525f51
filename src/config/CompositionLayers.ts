/**
 * The layers of a composition: one layer object for each name, so that an instance which several others refer to opens once, and only when something uses it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LocalDatabase from "../castore/local/LocalDatabase.ts"
import { type Composition, idOf, type InstanceId } from "./Composition.ts"
import { InstanceNotOpened } from "./ConfigError.ts"
import type { OpenError, ServiceLayer, Surroundings } from "./Driver.ts"
import type { Kind, Needs, Services } from "./Kinds.ts"

type AnyLayer = Layer.Layer<Services[Kind], OpenError, Needs[Kind]>

export interface CompositionLayers {
  /** The service of that name, which the composition must have. */
  readonly service: Surroundings["service"]
  /** The database of the local store in a directory; the same layer that local instances there use. */
  readonly database: Surroundings["database"]
}

/** Nothing is opened until a layer is built. */
export const layersOf = (composition: Composition): CompositionLayers => {
  const services = new Map<InstanceId, AnyLayer>()
  const databases = new Map<string, Layer.Layer<LocalDatabase.LocalDatabase, OpenError>>()
  const open = (id: InstanceId): AnyLayer => {
    const instance = composition.instances.get(id)
    if (instance === undefined) throw new Error(`the composition has no ${id}`)
    const failed = (cause: OpenError): AnyLayer =>
      Layer.effectContext(Effect.fail(cause instanceof InstanceNotOpened ? cause : new InstanceNotOpened({ instance: id, cause })))
    const opened = Layer.catch(instance.layer(around) as AnyLayer, failed)
    // `catch` remembers nothing, and a driver's layer need not: without this, every name that refers to a memory would have one of its own.
    return Layer.fromBuildMemo((memoMap, scope) => Layer.buildWithMemoMap(opened, memoMap, scope))
  }
  const service = <K extends Kind>(kind: K, name: string): ServiceLayer<K> => {
    const id = idOf(kind, name)
    let layer = services.get(id)
    if (layer === undefined) services.set(id, (layer = open(id)))
    // An instance is of the kind that its name begins with.
    return layer as unknown as ServiceLayer<K>
  }
  const database = (directory: string) => {
    let layer = databases.get(directory)
    if (layer === undefined) databases.set(directory, (layer = LocalDatabase.layer(directory)))
    return layer
  }
  const around: Surroundings = { ...composition.place, service, database }
  return { service, database }
}
