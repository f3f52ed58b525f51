import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, chmodSync, chownSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { TestContext } from "vitest"
import type { SandboxInput } from "../../src/build/SandboxLayout.ts"
import type { Answer, Job } from "./SandboxWorker.ts"

const isRoot = process.getuid!() === 0
const nobody = 65534

/** Programs of the host, so that scripts can use them whatever /bin/sh is. */
const hostTools = ["/lib", "/lib32", "/lib64", "/usr"].filter((path) => existsSync(path))
const toolPath = "/usr/bin:/usr/sbin:/bin"

/** A worker process and what it says. */
class Worker {
  readonly child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(command: ReadonlyArray<string>) {
    // With another stack than builds have.
    const raised = ["-c", 'ulimit -S -s 65536; exec "$@"', "sh", ...command]
    this.child = spawn("/bin/sh", raised, { stdio: ["pipe", "pipe", "inherit"], cwd: "/" })
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    const next = await this.#lines.next()
    if (next.done === true) throw new Error("the worker ended")
    return next.value
  }

  send(job: Job): void {
    this.child.stdin!.write(`${JSON.stringify(job)}\n`)
  }

  async run(job: Job): Promise<Answer> {
    this.send(job)
    return JSON.parse(await this.line()) as Answer
  }

  end(): void {
    this.child.stdin?.end()
    this.child.kill("SIGKILL")
  }
}

interface Settings {
  readonly inputs?: ReadonlyArray<SandboxInput>
  readonly environment?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly timeout?: number
  readonly maxSilent?: number
  readonly maxLog?: number
  readonly network?: boolean
  readonly tools?: boolean
  readonly interruptAt?: string
  readonly builder?: string
  readonly shell?: boolean
}

const job = (script: string, settings: Settings = {}): Job => {
  const environment = { PATH: toolPath, out: "/nix/store/0000-out", ...settings.environment }
  return {
    request: {
      inputs: [],
      commandArgs: settings.builder === undefined ? ["/bin/sh", "-c", script, "zero"] : [settings.builder],
      workingDir: "build",
      scratchPaths: ["build", "nix/store"],
      inputsDir: "nix/store",
      outputs: ["nix/store/0000-out"],
      environmentVars: Object.entries(environment)
        .map(([key, value]) => ({ key, value }))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),
      constraints: {
        system: "x86_64-linux",
        minMemory: 0,
        availableReadOnlyPaths: settings.tools === false ? [] : hostTools,
        networkAccess: settings.network ?? false,
        provideBinSh: settings.shell ?? true
      },
      additionalFiles: Object.entries(settings.files ?? {}).map(([path, contents]) => ({ path, contents })),
      refscanNeedles: []
    },
    inputs: settings.inputs ?? [],
    timeout: settings.timeout ?? 60,
    maxSilent: settings.maxSilent ?? 0,
    maxLog: settings.maxLog ?? 0,
    interruptAt: settings.interruptAt
  }
}

/** Processes on this machine whose command line holds a text. */
const processesWith = (text: string): ReadonlyArray<string> =>
  readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(text)
      } catch {
        return false
      }
    })

const eventually = async (condition: () => boolean, milliseconds: number): Promise<boolean> => {
  const deadline = performance.now() + milliseconds
  while (!condition()) {
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return true
}

let counter = 0
/** A number of seconds to sleep that nobody else sleeps. */
const uniqueSleep = () => String(1_000_000 + process.pid * 1000 + counter++)

const ways = [
  { driver: "bubblewrap", as: "self" },
  { driver: "util-linux", as: "self" },
  { driver: "oci", as: "self" },
  ...(isRoot
    ? [
        { driver: "bubblewrap", as: "nobody" },
        { driver: "util-linux", as: "nobody" },
        { driver: "oci", as: "nobody" },
        { driver: "util-linux", as: "self", namespaces: "no-user-namespaces" },
        { driver: "oci", as: "self", namespaces: "no-user-namespaces" }
      ]
    : [])
] as ReadonlyArray<{ driver: "bubblewrap" | "util-linux" | "oci"; as: "self" | "nobody"; namespaces?: string }>

describe.each(ways)("a sandbox by $driver as $as $namespaces", ({ driver, as, namespaces }) => {
  const home = mkdtempSync(join(tmpdir(), "yix-sandbox-"))
  const scratchRoot = join(home, "scratch")
  const user = as === "self" ? process.getuid!() : nobody
  let worker: Worker
  let unavailable: string | undefined

  const start = async (): Promise<Worker> => {
    const program = join(import.meta.dirname, "SandboxWorker.ts")
    const become = as === "self" ? [] : ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"]
    const started = new Worker([...become, process.execPath, program, driver, scratchRoot, namespaces ?? ""])
    const greeting = JSON.parse(await started.line()) as { driver?: string; unavailable?: string }
    unavailable = greeting.unavailable
    if (unavailable === undefined) assert.strictEqual(greeting.driver, driver)
    return started
  }

  beforeAll(async () => {
    chmodSync(home, 0o755)
    chownSync(home, user, as === "self" ? process.getgid!() : nobody)
    worker = await start()
    if (unavailable !== undefined) console.warn(`skipping ${driver} as ${as}: ${unavailable}`)
  })

  afterAll(() => {
    worker.end()
    rmSync(home, { recursive: true, force: true })
  })

  const test = (name: string, body: (context: TestContext) => Promise<void>, timeout?: number) =>
    it(
      name,
      async (context) => {
        if (unavailable !== undefined) context.skip(unavailable)
        await body(context)
        if (!context.task.name.includes("killed with the process"))
          assert.deepStrictEqual(readdirSync(scratchRoot), [], "nothing is left in scratch")
      },
      timeout
    )

  const succeed = async (script: string, settings?: Settings): Promise<Answer> => {
    const answer = await worker.run(job(script, settings))
    assert.isUndefined(answer.error, `${answer.error?.message}\n${answer.log}`)
    return answer
  }
  const fail = async (script: string, settings?: Settings) => {
    const answer = await worker.run(job(script, settings))
    assert.isDefined(answer.error, answer.log)
    return { ...answer, error: answer.error! }
  }

  test("gives the builder exactly the environment asked for, even what would steer a linker or is no name for a shell", async () => {
    const environment = {
      PATH: toolPath,
      out: "/nix/store/0000-out",
      LD_PRELOAD: "/nonexistent.so",
      "odd-name": "a\nb",
      "with.dot": "",
      bytes: "\xff\xfe=\x01"
    }
    // What the first program got, as the kernel tells it: shells add to theirs and drop what they cannot name.
    const { log } = await succeed("LD_PRELOAD= exec 2>/dev/null; LD_PRELOAD= tr '\\0' '|' < /proc/1/environ; :", { environment })
    const expected = Object.entries(environment)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${value}|`)
    assert.strictEqual(log, expected.join(""))
  })

  test("shows the closure and nothing else of the host", async () => {
    const inputs: ReadonlyArray<SandboxInput> = [
      { _tag: "Directory", name: "aaaa-dir", host: import.meta.dirname },
      { _tag: "File", name: "bbbb-file", host: join(import.meta.dirname, "Sandbox.test.ts") },
      { _tag: "Symlink", name: "cccc-link", target: "aaaa-dir/x" }
    ]
    const { log } = await succeed(
      'echo /* /nix/* /nix/store/* /etc/* /bin/*; echo /build/* /build/.[!.]* /tmp/*; read l < /nix/store/bbbb-file; echo "$l"',
      {
        inputs,
        tools: false,
        files: { "build/.attr-x": "hello" }
      }
    )
    const [all, build, line] = log.split("\n")
    const paths = all!.split(" ").filter((path) => !/^\/lib|^\/usr/.test(path))
    assert.deepStrictEqual(paths, [
      ...["/bin", "/build", "/dev", "/etc", "/nix", "/proc", "/tmp", "/nix/store"],
      ...["/nix/store/aaaa-dir", "/nix/store/bbbb-file", "/nix/store/cccc-link"],
      ...["/etc/group", "/etc/hosts", "/etc/passwd", "/bin/sh"]
    ])
    assert.strictEqual(build, "/build/* /build/.attr-x /tmp/*")
    assert.match(line!, /^import /)
  })

  test("lets nobody write to inputs, to the root or to the system", async () => {
    const host = join(home, "input")
    mkdirSync(host, { recursive: true })
    chownSync(host, user, as === "self" ? process.getgid!() : nobody)
    const script = `
      for f in /nix/store/aaaa-in/new /new /etc/new /proc/sys/kernel/hostname /bin/sh /usr/new; do
        (echo x > $f) 2>/dev/null && echo "wrote $f"
      done
      rmdir /nix/store/aaaa-in 2>/dev/null && echo removed
      mv /nix/store/aaaa-in /nix/store/other 2>/dev/null && echo moved
      mount -t tmpfs none /tmp 2>/dev/null && echo mounted
      chroot / /bin/sh -c : 2>/dev/null && echo chrooted
      echo done`
    const { log } = await succeed(script, { inputs: [{ _tag: "Directory", name: "aaaa-in", host }] })
    assert.strictEqual(log, "done\n")
    assert.deepStrictEqual(readdirSync(host), [])
  })

  test("runs the builder without privileges, as a user of its own, in a place called localhost", async () => {
    const { log } = await succeed(
      "grep -E '^(CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs|Uid|Gid|Groups):' /proc/self/status; uname -n; id -un; umask; ulimit -S -s; ulimit -H -s; tr '\\0' '\\n' < /proc/1/cmdline | head -n 1; echo $0"
    )
    const lines = log.split("\n").map((line) => line.replaceAll(/\s+/g, " ").trim())
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) assert.include(lines, `${set}: 0000000000000000`)
    assert.include(lines, "NoNewPrivs: 1")
    assert.includeMembers(lines, ["localhost", "nixbld", "0022", "8192", "unlimited", "sh", "zero"])
    if (namespaces === undefined) assert.includeMembers(lines, ["Uid: 1000 1000 1000 1000", "Gid: 100 100 100 100"])
    else assert.match(log, /Uid:\s+30\d\d\d\s/)
    if (isRoot && as === "self")
      assert.match(
        lines.find((line) => line.startsWith("Groups:"))!,
        /^Groups:( 65534)?$/
      )
  })

  test("refuses modes and attributes that a store cannot hold, and nothing else", async () => {
    const number = { x64: 188, arm64: 5 }[process.arch as "x64"]
    const perl = `my ($p, $n, $v) = ("plain", "user.x", "v"); print syscall(${number}, $p, $n, $v, 1, 0) . " " . ($!{EOPNOTSUPP} ? "ENOTSUP" : $!) . "\n"`
    const { log } = await succeed(
      `: > plain; for mode in 4755 2755 6755 u+s g+s; do chmod $mode plain 2>/dev/null && echo "got $mode"; done
      for mode in 755 1777 600 a-w; do chmod $mode plain || echo "no $mode"; done
      mkdir -m 1755 sticky; perl -MErrno -e "$perl"; grep ^Seccomp: /proc/self/status | tr -d '\t'`,
      { environment: { perl } }
    )
    assert.deepStrictEqual(log.split("\n"), ["-1 ENOTSUP", "Seccomp:2", ""])
  })

  test("hands on no descriptors but input, output and error, and these are a null device and a real pipe", async () => {
    const { log } = await succeed(
      "ls /proc/1/fd; readlink /proc/1/fd/0; echo to-stderr > /dev/stderr; [ -p /dev/stdout ] && echo pipe; read x || echo empty"
    )
    assert.deepStrictEqual(log.split("\n"), ["0", "1", "2", "/dev/null", "to-stderr", "pipe", "empty", ""])
  })

  test("has the usual devices and nothing more", async () => {
    const { log } = await succeed(
      "cd /dev; echo *; echo x > null; head -c 3 zero | od -An -tx1; head -c 4 urandom | wc -c; echo y > shm/f && cat shm/f; ls pts"
    )
    const [names, ...rest] = log.split("\n")
    const expected = ["fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"]
    assert.deepStrictEqual(
      names!.split(" ").filter((name) => name !== "core"),
      expected
    )
    assert.deepStrictEqual(
      rest.slice(0, 3).map((line) => line.trim()),
      ["00 00 00", "4", "y"]
    )
  })

  test("reaches no network, not even this machine's, unless it is allowed to", async () => {
    const server = createServer((socket) => socket.end("reached\n"))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as { port: number }
    // Everything a shell can do without tools: look at the interfaces; connect by bash where there is one.
    const script = `tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort | tr '\\n' ' '; echo
      if [ -x /usr/bin/bash ]; then /usr/bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && cat <&3' 2>/dev/null || echo unreachable; else echo skipped; fi`
    try {
      const closed = await succeed(script)
      assert.strictEqual(closed.log.split("\n")[0], "lo ")
      assert.include(["unreachable", "skipped"], closed.log.split("\n")[1])
      const open = await succeed(`${script}; ls /etc`, { network: true })
      assert.include(["reached", "skipped"], open.log.split("\n")[1])
      assert.include(open.log, "nsswitch.conf\n")
    } finally {
      server.close()
    }
  })

  test("has a loopback interface that works", async () => {
    if (!existsSync("/usr/bin/perl")) return
    const perl = `use Socket; socket(S,PF_INET,SOCK_STREAM,0); bind(S,sockaddr_in(0,inet_aton("127.0.0.1"))) or die; listen(S,1);
      my ($port) = sockaddr_in(getsockname(S)); socket(C,PF_INET,SOCK_STREAM,0); connect(C,sockaddr_in($port,inet_aton("127.0.0.1"))) or die "down"; print "up\\n"`
    writeFileSync(join(home, "p.pl"), perl)
    const { log } = await succeed("perl /nix/store/aaaa-p", { inputs: [{ _tag: "File", name: "aaaa-p", host: join(home, "p.pl") }] })
    assert.strictEqual(log, "up\n")
  })

  test("does not let the builder see processes of the host or of itself before", async () => {
    const { log } = await succeed("echo /proc/[0-9]*; echo $$")
    assert.strictEqual(log, "/proc/1\n1\n")
  })

  test("tells the builder's exit code and the end of its log", async () => {
    const { error } = await fail("echo one; echo two >&2; exit 7")
    assert.strictEqual(error._tag, "BuilderFailed")
    assert.strictEqual(error["status"], 7)
    assert.strictEqual(error["exitCode"], 100)
    assert.deepStrictEqual(error["lastLines"], ["one", "two"])
  })

  test("tells the signal that a fault of the builder's ended it with", async () => {
    const { error } = await fail(`exec perl -e 'print unpack "p", pack "J", 1'`)
    assert.strictEqual(error._tag, "BuilderFailed", error.message)
    assert.deepStrictEqual([error["signal"], error["status"]], ["SIGSEGV", undefined])
  })

  test("says so when the builder cannot be executed", async () => {
    const { error } = await fail("", { builder: "/nix/store/gone/bin/sh" })
    assert.strictEqual(error._tag, "BuilderNotExecutable")
    assert.include(error.message, "/nix/store/gone/bin/sh")
    const none = await fail(":", { shell: false, tools: false })
    assert.strictEqual(none.error._tag, "BuilderNotExecutable")
  })

  test("keeps the order of output and error, byte for byte", async () => {
    const { log } = await succeed("i=0; while [ $i -lt 300 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done; printf '\\377\\000\\n'")
    const expected = Array.from({ length: 300 }, (_, i) => `o${i}\ne${i}\n`).join("")
    assert.strictEqual(log, `${expected}\xff\0\n`)
  })

  test("takes a large log in little memory, and stops one that is larger than allowed", async () => {
    const before = (await succeed(":")).memory
    const big = await succeed("head -c 200000000 /dev/zero")
    assert.strictEqual(big.logSize, 200_000_000)
    assert.isBelow(big.memory - before, 120_000_000)
    const { error, took } = await fail("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done", { maxLog: 100_000 })
    assert.strictEqual(error._tag, "LogTooLarge")
    assert.isBelow(took, 10_000)
  }, 120_000)

  test("kills what the builder leaves behind, before it returns", async () => {
    const seconds = uniqueSleep()
    const { took } = await succeed(`sleep ${seconds} & (setsid sleep ${seconds} </dev/null >/dev/null 2>&1 &) ; sleep 0.2; echo ok`)
    assert.deepStrictEqual(processesWith(seconds), [])
    assert.isBelow(took, 15_000)
  })

  test("stops a builder that never ends, whatever it ignores", async () => {
    const seconds = uniqueSleep()
    const script = `trap '' TERM INT HUP QUIT; (setsid sh -c "trap '' TERM; exec sleep ${seconds}" >/dev/null 2>&1 &); sleep ${seconds} & while :; do sleep ${seconds}; done`
    const { error, took } = await fail(script, { timeout: 1 })
    assert.strictEqual(error._tag, "BuildTimedOut")
    assert.strictEqual(error["kind"], "timeout")
    assert.strictEqual(error["exitCode"], 101)
    assert.deepStrictEqual(processesWith(seconds), [])
    assert.isBelow(took, 8_000)
  })

  test("stops a builder that is silent for too long, but not one that speaks", async () => {
    await succeed("for i in 1 2 3 4 5 6; do echo $i; sleep 0.3; done", { maxSilent: 1.5 })
    const { error, log } = await fail("echo hello; sleep 1000", { maxSilent: 1 })
    assert.strictEqual(error._tag, "BuildTimedOut")
    assert.strictEqual(error["kind"], "silence")
    assert.strictEqual(log, "hello\n")
  })

  test("is gone within two seconds of being interrupted", async () => {
    const seconds = uniqueSleep()
    const started = performance.now()
    const answer = await worker.run(
      job(`mkdir -p /build/a/b; chmod 000 /build/a/b /build/a; trap '' TERM; (setsid sleep ${seconds} &); echo READY; sleep ${seconds}`, {
        interruptAt: "READY"
      })
    )
    assert.isTrue(answer.interrupted)
    assert.isBelow(performance.now() - started, 6_000)
    assert.deepStrictEqual(processesWith(seconds), [])
  })

  test("removes what a builder made inaccessible, deep or oddly named", async () => {
    const { outputs } = await succeed(`
      mkdir -p $out/d /build/x/y; touch "$out/new
line" "$out/$(printf 'bad\\377')"; chmod 000 /build/x/y /build/x
      ln -s / /build/root; ln -s .. $out/d/up; cd /build; i=0
      while [ $i -lt 300 ]; do mkdir dddddddddddddddddddd && cd dddddddddddddddddddd || break; i=$((i+1)); done; chmod 000 . ; chmod 000 $out/d`)
    assert.deepStrictEqual(outputs, [{ path: "nix/store/0000-out", names: ["bad\xff", "d", "new\nline"] }])
  })

  test("has room for five hundred inputs", async () => {
    const directory = join(home, "in")
    mkdirSync(directory, { recursive: true })
    const inputs = Array.from({ length: 500 }, (_, i): SandboxInput => ({
      _tag: "Directory",
      name: `${String(i).padStart(4, "0")}-in`,
      host: directory
    }))
    const { log, took } = await succeed("set -- /nix/store/*-in; echo $#", { inputs })
    assert.strictEqual(log, "500\n")
    assert.isBelow(took, 10_000)
  })

  test("dies with the process that started it, whose leavings the next one removes: killed with the process", async () => {
    const seconds = uniqueSleep()
    const victim = await start()
    victim.send(job(`mkdir -p /build/a; chmod 000 /build/a; trap '' TERM; (setsid sleep ${seconds} &); echo TELL; sleep ${seconds}`))
    assert.strictEqual(await victim.line(), "told")
    assert.isAbove(processesWith(seconds).length, 0)
    victim.child.kill("SIGKILL")
    assert.isTrue(await eventually(() => processesWith(seconds).length === 0, 2_000), "everything died")
    assert.strictEqual(readdirSync(scratchRoot).length, 1)
    const next = await start()
    next.end()
    assert.deepStrictEqual(readdirSync(scratchRoot), [])
  })
})

describe("a machine on which nothing works", () => {
  it.skipIf(!isRoot)("is told what to do", () => {
    const scratch = mkdtempSync(join(tmpdir(), "yix-none-"))
    const script = `echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" "$@"`
    const program = join(import.meta.dirname, "SandboxWorker.ts")
    const { stdout } = spawnSync(
      "unshare",
      ["--user", "--map-root-user", "sh", "-c", script, process.execPath, program, "auto", scratch, ""],
      {
        encoding: "utf8",
        input: ""
      }
    )
    rmSync(scratch, { recursive: true, force: true })
    const { unavailable, _tag } = JSON.parse(stdout) as { unavailable: string; _tag: string }
    assert.strictEqual(_tag, "SandboxUnavailable")
    assert.include(unavailable, "sysctl -w user.max_user_namespaces")
    assert.include(unavailable, "util-linux")
  })
})

describe("an inherited descriptor", () => {
  it("does not reach the builder", () => {
    const scratch = mkdtempSync(join(tmpdir(), "yix-fd-"))
    const program = join(import.meta.dirname, "SandboxWorker.ts")
    const line = JSON.stringify(job("ls /proc/1/fd; :"))
    const stdout = execFileSync("sh", ["-c", 'exec 9</ 8</etc; exec "$0" "$@"', process.execPath, program, "auto", scratch, ""], {
      encoding: "utf8",
      input: `${line}\n`
    })
    rmSync(scratch, { recursive: true, force: true })
    const answer = JSON.parse(stdout.split("\n")[1]!) as Answer
    assert.strictEqual(answer.log, "0\n1\n2\n")
  })
})
