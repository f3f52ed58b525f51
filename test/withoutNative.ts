/** Loaded before anything else, it makes a process one where no optional native package is installed. */
import { registerHooks } from "node:module"

registerHooks({
  resolve: (name, context, next) => {
    if (name.startsWith("@napi-rs/")) throw Object.assign(new Error(`Cannot find package '${name}'`), { code: "ERR_MODULE_NOT_FOUND" })
    return next(name, context)
  }
})
