/** Builds on machines of other kinds: as an ordinary user, without busybox, in a container, where it cannot be done. */
import { execFileSync } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { isStatic, readElf, runtimeFiles } from "../../src/build/ElfFile.ts"
import { findShell } from "../../src/build/SandboxShell.ts"
import type { Plain } from "./world.ts"

const isRoot = process.getuid!() === 0
const home = mkdtempSync(join(tmpdir(), "yix-machines-"))
afterAll(() => rmSync(home, { recursive: true, force: true }))

interface Built {
  readonly outputs?: ReadonlyArray<Plain>
  readonly _tag?: string
  readonly message?: string
}

const worker = join(import.meta.dirname, "BuildWorker.ts")
const buildBehind = (command: ReadonlyArray<string>, driver: string, shell: string, script: string, env: NodeJS.ProcessEnv = {}): Built => {
  const all = [...command, process.execPath, worker, driver, shell, script]
  return JSON.parse(execFileSync(all[0]!, all.slice(1), { encoding: "utf8", env: { ...process.env, ...env } })) as Built
}

const asNobody = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []

const drivers = ["bubblewrap", "util-linux", "oci"]

describe.each(drivers)("an ordinary user, by %s", (driver) => {
  it("gets the same outputs as root, also what the builder made unreadable", () => {
    const script =
      "mkdir -p $out/closed/d; echo s > $out/closed/s; echo x > $out/closed/d/x; chmod 111 $out/closed/d/x; chmod 000 $out/closed/s $out/closed/d $out/closed; chmod 400 $out"
    const { outputs, message } = buildBehind(asNobody, driver, "", script)
    assert.deepStrictEqual(outputs, [{ closed: { d: { x: "*x\n" }, s: "s\n" } }], message)
  })

  it("is refused the same things", () => {
    assert.strictEqual(buildBehind(asNobody, driver, "", "mkdir $out; mkfifo $out/p")._tag, "OutputRejected")
    assert.strictEqual(
      buildBehind(asNobody, driver, "", `perl -MFcntl -e 'sysopen(F, $ENV{out}, O_CREAT | O_WRONLY, 04755)'`)._tag,
      "OutputRejected"
    )
  })
})

describe("the shell of the sandbox", () => {
  const shells = ["/bin/dash", "/bin/bash", "/bin/sh"].filter((shell) => existsSync(shell) && !isStatic(realpathSync(shell)))
  for (const shell of shells) {
    it(`may be the host's ${shell} with the libraries that it names`, () => {
      for (const driver of drivers) {
        const { outputs, message } = buildBehind([], driver, shell, 'x=$((6 * 7)); echo "got $x" > $out')
        assert.deepStrictEqual(outputs, ["got 42\n"], message)
      }
    })
  }

  it("is refused, with the reason, when it is no program or lacks a library", () => {
    const text = join(home, "text")
    writeFileSync(text, "#!/bin/sh\n", { mode: 0o755 })
    assert.include(findShell(text) as string, "no program that this machine can run")
    assert.include(findShell(join(home, "gone")) as string, "not an executable file")
    assert.include(findShell(home) as string, "not an executable file")
    const { _tag, message } = buildBehind([], "auto", text, ":")
    assert.strictEqual(_tag, "SandboxUnavailable")
    assert.include(message, text)
  })

  it("is a static busybox where there is one", () => {
    const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path) && isStatic(realpathSync(path)))
    if (busybox === undefined) return
    const found = findShell(undefined)
    assert.isObject(found)
    assert.deepStrictEqual(
      (found as Exclude<typeof found, string>).files.map(({ path }) => path),
      ["/bin/sh"]
    )
  })
})

describe("ELF headers", () => {
  it("name the linker and the libraries of a program", () => {
    const needed = runtimeFiles(process.execPath)
    assert.isDefined(needed)
    assert.isTrue(needed!.some(({ path }) => /ld-linux|ld-musl/.test(path)))
    assert.isTrue(needed!.every(({ file }) => existsSync(file)))
    assert.isFalse(isStatic(process.execPath))
  })

  it("that are cut or no ELF at all are nothing", () => {
    for (const [index, contents] of [
      Buffer.alloc(0),
      Buffer.from("#!/bin/sh"),
      Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]),
      Buffer.alloc(70, 0xff)
    ].entries()) {
      const path = join(home, `elf-${index}`)
      writeFileSync(path, contents)
      assert.isUndefined(readElf(path))
    }
    const cut = join(home, "cut")
    copyFileSync("/bin/sh", cut)
    writeFileSync(cut, execFileSync("head", ["-c", "300", "/bin/sh"]))
    assert.isUndefined(readElf(cut))
  })
})

describe.runIf(isRoot)("a machine", () => {
  it("in which root has no other ids, as in a rootless container, builds as itself", () => {
    for (const driver of drivers) {
      const { outputs, message } = buildBehind(["unshare", "--user", "--map-root-user"], driver, "", "id -u > $out")
      assert.deepStrictEqual(outputs, ["1000\n"], message)
    }
  })

  it("with one kind of cgroups builds in containers, and one without is told what to do", () => {
    const behind = (mount: string) =>
      buildBehind(
        ["unshare", "--mount", "sh", "-c", `umount -R /sys/fs/cgroup; ${mount} exec "$0" "$@"`],
        "oci",
        "",
        `read -r line < /proc/self/cgroup; echo "$line" > $out`
      )
    const { outputs, message } = behind("mount -t cgroup2 none /sys/fs/cgroup &&")
    // The root of a namespace of its own.
    assert.match(String(outputs?.[0]), /:\/\n$/, message)
    const none = behind("")
    assert.strictEqual(none._tag, "SandboxUnavailable")
    assert.include(none.message, "mount -t cgroup2")
  })

  it("whose scratch directory cannot hold programs says so", () => {
    const mounted = join(home, "noexec")
    mkdirSync(mounted)
    const script = `mount -t tmpfs -o noexec none "${mounted}" && TMPDIR="${mounted}" exec "$0" "$@"`
    const { _tag, message } = buildBehind(["unshare", "--mount", "sh", "-c", script], "auto", "", ":")
    assert.strictEqual(_tag, "SandboxUnavailable")
    assert.include(message, "noexec")
  })

  it("whose root directory is private still builds, since nothing depends on reaching the scratch directory by path", () => {
    const hidden = join(home, "hidden")
    mkdirSync(hidden, { mode: 0o700 })
    for (const driver of drivers) {
      const { outputs, message } = buildBehind([], driver, "", "echo ok > $out", { TMPDIR: hidden })
      assert.deepStrictEqual(outputs, ["ok\n"], message)
    }
  })
})
