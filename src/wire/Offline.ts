/**
 * Whether those who ask want the network left alone: stores on it then have nothing, for as long as somebody else can give or make what is asked for.
 */
import * as Context from "effect/Context"

export const Offline = Context.Reference<boolean>("yix/wire/Offline", { defaultValue: () => false })
