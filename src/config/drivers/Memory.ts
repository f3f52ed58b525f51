/** Type `memory`: a service that lives as long as the command. */
import * as MemoryBlobs from "../../castore/blob/Memory.ts"
import * as MemoryDirectories from "../../castore/directory/Memory.ts"
import * as MemoryPathInfos from "../../store/pathinfo/Memory.ts"
import * as Layer from "effect/Layer"
import { driver } from "../Driver.ts"

// `fresh`: each name has a memory of its own.
const type = "memory"
const fields = {}
export const blobs = driver({ kind: "blobservices", type, fields, layer: () => Layer.fresh(MemoryBlobs.layer) })
export const directories = driver({ kind: "directoryservices", type, fields, layer: () => Layer.fresh(MemoryDirectories.layer) })
export const pathInfos = driver({ kind: "pathinfoservices", type, fields, layer: () => Layer.fresh(MemoryPathInfos.layer) })
