/** A program that evaluates in a thread and then has nothing more to do: run by `EvaluatorThread.test.ts`. */
import { startThread } from "../../src/realise/EvaluatorThread.ts"
import { expression, job } from "../../src/realise/Jobs.ts"

const thread = startThread()
thread.listen({
  received: (message) => {
    if (message._tag !== "Result") return
    console.log(JSON.stringify(message.result))
    thread.listen(undefined)
  },
  ended: (reason) => console.log(reason)
})
const print = { kind: "print", strict: true, format: "nix" } as const
thread.begin({ _tag: "Run", job: job(expression("1 + 1", "/"), print, { system: "x86_64-linux" }), timed: false })
