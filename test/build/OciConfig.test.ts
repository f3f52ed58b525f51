import { assert, describe, it } from "@effect/vitest"
import { type OciConfig, ociConfig, type OciConfigInput } from "../../src/build/OciConfig.ts"

const input: OciConfigInput = {
  layout: {
    tree: "/scratch/t",
    areas: [
      { inside: "build", name: "area-0" },
      { inside: "nix/store", name: "area-1" }
    ],
    mounts: [{ source: "/cache/in", inside: "nix/store/in" }]
  },
  user: { uid: 30001, gid: 30001 },
  capabilities: [],
  program: "/proc/self/fd/5",
  workingDir: "build",
  network: false,
  cgroupNamespace: true,
  inherited: () => [],
  hasDevice: (name) => name === "null"
}

const configOf = (changes: Partial<OciConfigInput> = {}): OciConfig => {
  const config = ociConfig({ ...input, ...changes })
  assert(typeof config !== "string", String(config))
  return config
}

describe("the configuration of a container", () => {
  it("has what the specification requires, and mounts outer places before inner ones", () => {
    const { ociVersion, process, root, mounts, hostname } = configOf()
    assert.strictEqual(ociVersion, "1.0.2")
    assert.deepStrictEqual(root, { path: "/scratch/t/root", readonly: true })
    assert.deepStrictEqual(
      [process.args, process.cwd, process.user],
      [["/proc/self/fd/5"], "/build", { uid: 30001, gid: 30001, umask: 0o22 }]
    )
    assert.isTrue(process.noNewPrivileges)
    assert.strictEqual(hostname, "localhost")
    assert.isTrue(mounts.every(({ destination }) => destination.startsWith("/")))
    const destinations = mounts.map(({ destination }) => destination)
    for (const [index, destination] of destinations.entries())
      for (const later of destinations.slice(index + 1))
        assert.isFalse(destination.startsWith(`${later}/`), `${later} would cover ${destination}`)
    assert.deepStrictEqual(
      destinations.filter((destination) => destination.startsWith("/dev")),
      ["/dev", "/dev/null", "/dev/pts", "/dev/shm"]
    )
  })

  it("lets the builder write to its places and to nothing else, and to devices and setuid programs nowhere", () => {
    const binds = configOf().mounts.filter(({ type, destination }) => type === "bind" && destination !== "/dev/null")
    const writable = binds.filter(({ options }) => !options.includes("ro"))
    assert.deepStrictEqual(
      writable.map(({ destination }) => destination),
      ["/build", "/nix/store"]
    )
    for (const { options } of binds) assert.includeMembers([...options], ["bind", "nosuid", "nodev"])
  })

  it("repeats options that a mount must keep, each once", () => {
    const mounts = configOf({ inherited: (source) => (source === "/cache/in" ? ["nosuid", "noexec"] : []) }).mounts
    const [mount] = mounts.filter(({ destination }) => destination === "/nix/store/in")
    assert.deepStrictEqual(mount?.options, ["bind", "nosuid", "nodev", "ro", "noexec"])
  })

  it("shares the host's network only when that is asked for, and everything else never", () => {
    const types = (config: OciConfig) => config.linux.namespaces.map(({ type }) => type)
    assert.deepStrictEqual(types(configOf()), ["pid", "mount", "ipc", "uts", "network", "cgroup"])
    assert.deepStrictEqual(types(configOf({ network: true })), ["pid", "mount", "ipc", "uts", "cgroup"])
    assert.deepStrictEqual(types(configOf({ cgroupNamespace: false })), ["pid", "mount", "ipc", "uts", "network"])
  })

  it("holds paths in any script, and says which path is no text", () => {
    const utf8 = Buffer.from("/cache/größe").toString("latin1")
    const config = configOf({ layout: { ...input.layout, mounts: [{ source: utf8, inside: "x" }] } })
    assert.isTrue(config.mounts.some(({ source }) => source === "/cache/größe"))
    const wrong = ociConfig({ ...input, layout: { ...input.layout, mounts: [{ source: "/cache/\xff", inside: "x" }] } })
    assert.match(String(wrong), /'\/cache\/.' is not UTF-8/)
  })
})
