/**
 * What `yix store path-info --json` says about one store path.
 */
import type { World } from "./World.ts"

export interface Info {
  readonly path: string
  readonly references: ReadonlyArray<string>
  readonly narHash: string
  readonly narSize: number
}

/** Fails when the store does not have the path. */
export const pathInfo = async (world: World, path: string): Promise<Info> => {
  const answer = JSON.parse(await world.ok(["store", "path-info", "--json", path])) as unknown
  const found = (
    Array.isArray(answer) ? (answer as ReadonlyArray<Info>).find((info) => info.path === path) : (answer as Record<string, Info>)[path]
  ) as Info | undefined
  if (found === undefined || found === null) throw new Error(`path-info tells nothing about ${path}: ${JSON.stringify(answer)}`)
  return { ...found, path }
}

/** The path and all it needs, what is referred to before what refers to it. */
export const closure = async (world: World, ...roots: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const order = new Set<string>()
  const visit = async (path: string): Promise<void> => {
    if (order.has(path)) return
    for (const reference of (await pathInfo(world, path)).references) if (reference !== path) await visit(reference)
    order.add(path)
  }
  for (const root of roots) await visit(root)
  return [...order]
}
