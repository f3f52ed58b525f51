/**
 * Building what is built already: the time from the command to the printed path when there is nothing to do.
 *
 *   node bench/no-op-build.ts [--rounds N]
 */
import * as path from "node:path"
import { compare, environmentOf, nixes, project, roundsWanted, Scratch, tellMachine, timed, yixCommand } from "./Compare.ts"

const rounds = roundsWanted(15)
using scratch = new Scratch()
const quickstart = path.join(project, "examples/quickstart.nix")

const prints = /^\/.*-quickstart\n$/
const contenders = [
  {
    name: "yix",
    command: yixCommand("build", "--no-out-link", "-f", quickstart),
    environment: environmentOf(scratch.fresh("yix")),
    prints
  },
  ...(await nixes({ building: true })).map((nix, i) => ({
    name: nix.name,
    command: [nix.program("nix-build"), "--no-out-link", quickstart],
    environment: nix.environmentOf(scratch.fresh(`nix-${i}`)),
    prints
  }))
]
for (const { command, environment } of contenders) await timed(command, environment)

tellMachine(rounds)
await compare("no-op build of quickstart.nix", contenders, rounds)
