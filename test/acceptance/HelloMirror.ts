/**
 * The mirror of examples/hello for tests: filled once a checkout (node_modules/.cache), served on loopback, with a count of what was asked for.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { programOnPath, project } from "./World.ts"

export const helloExample = path.join(project, "examples/hello")
const script = path.join(helloExample, "fetch-mirror.sh")
const directory = path.join(project, "node_modules/.cache/yix-hello-mirror")

/** The folder, complete; or, in words, why there is none. Test files that run at the same time take turns. */
export const fillMirror = async (): Promise<{ readonly directory: string } | { readonly missing: string }> => {
  for (const program of ["bash", "apt-get", "dpkg-deb"])
    if (programOnPath(program) === undefined)
      return { missing: `GNU hello's toolchain comes from Debian packages, and there is no '${program}' here` }
  if (process.arch !== "x64" && process.arch !== "arm64") return { missing: `no toolchain is pinned for ${process.arch}` }
  fs.mkdirSync(path.dirname(directory), { recursive: true })
  const turn = `${directory}.turn`
  for (const end = Date.now() + 600_000; ;) {
    try {
      fs.mkdirSync(turn)
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
      // Whoever died in the middle of its turn does not keep the others waiting.
      const since = fs.statSync(turn, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
      if (Date.now() > end || Date.now() - since > 300_000) fs.rmSync(turn, { recursive: true, force: true })
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
  try {
    const filled = spawnSync("bash", [script, directory], { encoding: "utf8", timeout: 280_000 })
    // With the package archive out of reach there is nothing to test; any other failure of the script is one.
    if (filled.status !== 0 && /apt-get update failed|debian-archive-keyring/.test(filled.stderr)) return { missing: filled.stderr.trim() }
    if (filled.status !== 0) throw new Error(filled.stderr)
    return { directory }
  } finally {
    fs.rmSync(turn, { recursive: true, force: true })
  }
}

export interface Mirror extends AsyncDisposable {
  readonly url: string
  /** Paths asked for so far. */
  readonly requests: ReadonlyArray<string>
}

/** Serves a folder on a free port of loopback. */
export const serve = (folder: string): Promise<Mirror> =>
  new Promise((resolve, reject) => {
    const requests: Array<string> = []
    const server = http.createServer((request, response) => {
      const name = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname)
      requests.push(name)
      const file = path.join(folder, path.basename(name))
      const stat = fs.statSync(file, { throwIfNoEntry: false })
      if (stat === undefined || !stat.isFile()) {
        response.writeHead(404).end()
        return
      }
      response.writeHead(200, { "content-length": stat.size, "content-type": "application/octet-stream" })
      if (request.method === "HEAD") response.end()
      else fs.createReadStream(file).pipe(response)
    })
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () =>
      resolve({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        requests,
        [Symbol.asyncDispose]: () =>
          new Promise((done) => {
            server.closeAllConnections()
            server.close(() => done())
          })
      })
    )
  })
