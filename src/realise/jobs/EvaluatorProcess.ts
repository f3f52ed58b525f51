/**
 * A worker process: an evaluator's thread, and between it and the parent a main thread that passes on what they say to each other. It evaluates and asks; stores,
 * builds and fetches are the parent's. It ends when the parent does, however that ends, or when its thread does, which then was out of memory or came upon a defect.
 */
import * as fs from "node:fs"
import { ownProcess, startThread } from "../EvaluatorThread.ts"
import type { AttributeSettings, FromProcess, ToProcess } from "./AttributeJob.ts"

// Programs that are evaluated see the environment of the parent, not how this process was started.
delete process.env["NODE_COMPILE_CACHE"]

try {
  // Where the machine has no memory left, this process goes rather than others: it can be replaced.
  fs.writeFileSync("/proc/self/oom_score_adj", "500")
} catch {
  // Not Linux, or not allowed.
}

// The terminal sends these to everybody; the parent says what is to happen.
for (const signal of ["SIGINT", "SIGHUP"]) process.on(signal, () => {})

/** At once: whatever runs in the thread, nobody wants it. */
const leave = (): void => void process.kill(process.pid, "SIGKILL")
process.on("disconnect", leave)

ownProcess()
const thread = startThread()
// What it asks is loaded in the parent.
thread.leaveAlone(true)

const tell = (message: FromProcess, told: () => void = () => {}): void => void process.send?.(message, told)

const endings: ReadonlySet<string> = new Set<FromProcess["_tag"]>(["Attribute", "Failed", "Interrupted"])

thread.listen({
  received: (message) => {
    tell(endings.has(message._tag) ? { ...message, resident: process.memoryUsage.rss() } : message)
  },
  // After what was said before.
  ended: (reason) => tell({ _tag: "Ended", reason }, leave)
})

const stop = async (): Promise<void> => {
  thread.begin({ _tag: "Save" })
  await thread.saved()
  leave()
}

let settings: AttributeSettings

process.on("message", (message: ToProcess) => {
  switch (message._tag) {
    case "Settings":
      settings = message.settings
      return
    case "Attribute":
      return thread.begin({ ...message, settings })
    case "Answer":
      return thread.answer(message)
    case "Stop":
      return void stop()
  }
})
