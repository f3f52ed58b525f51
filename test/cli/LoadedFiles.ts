/** Tells on standard error which files of the bundle a thread loads: to be imported before the program. */
import * as fs from "node:fs"
import { registerHooks } from "node:module"
import { isMainThread } from "node:worker_threads"

registerHooks({
  load: (url, context, next) => {
    if (url.includes("/dist/")) fs.writeSync(2, `${isMainThread ? "main" : "thread"} ${url.replace(/^.*\/|-[\w-]{8}\.js$/g, "")}\n`)
    return next(url, context)
  }
})
