import { assert, describe, it } from "@effect/vitest"
import { failure, receivedIn } from "../../src/fetch/tree/GitProcess.ts"

describe("what git says of its progress", () => {
  it("tells how many bytes have come", () => {
    assert.strictEqual(
      receivedIn("Receiving objects:  45% (45/100), 1.25 MiB | 1.00 MiB/s\rReceiving objects:  46% (46/100), 1.50 MiB | 1.00 MiB/s\r"),
      1572864
    )
    assert.strictEqual(receivedIn("Unpacking objects: 100% (3/3), 212 bytes | 212.00 KiB/s, done.\n"), 212)
    assert.strictEqual(receivedIn("remote: Counting objects: 100% (3/3), done.\nReceiving objects:  1% (1/100)\r"), undefined)
  })

  it("is no part of what went wrong", () => {
    const said =
      "remote: Enumerating objects: 3, done.\nremote: Counting objects:  50% (1/2)\rremote: Counting objects: 100% (2/2), done.\nremote: Total 3 (delta 0), reused 0\n" +
      "Receiving objects:  45% (45/100), 1.25 MiB | 1.00 MiB/s\rfatal: early EOF\n"
    assert.strictEqual(failure(["fetch"], { url: "https://h/x" }, said).detail, "fatal: early EOF")
    assert.strictEqual(failure(["fetch"], { url: "https://h/x" }, "remote: Repository not found.\n").detail, "remote: Repository not found")
  })
})
