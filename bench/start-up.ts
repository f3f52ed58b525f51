/**
 * How long it takes until the program itself begins to work: its version, and the smallest evaluation.
 *
 *   node bench/start-up.ts [--rounds N]
 */
import { compare, environmentOf, nixes, roundsWanted, Scratch, tellMachine, yixCommand } from "./Compare.ts"

const rounds = roundsWanted(20)
using scratch = new Scratch()
const others = await nixes({ building: false })
const environment = environmentOf(scratch.fresh("yix"))
const nixHome = scratch.fresh("nix")

tellMachine(rounds)
await compare(
  "version",
  [
    { name: "yix --version", command: yixCommand("--version"), environment, prints: /\d+\.\d+/ },
    // What any program in JavaScript pays before its first line.
    { name: "node -e 0", command: [process.execPath, "-e", "0"], environment, prints: /^$/ },
    ...others.map((nix) => ({
      name: `${nix.name} --version`,
      command: [nix.program("nix-instantiate"), "--version"],
      environment: nix.environmentOf(nixHome),
      prints: /\d+\.\d+/
    }))
  ],
  rounds
)
await compare(
  "evaluation of 1 + 1",
  [
    { name: "yix eval --no-eval-cache", command: yixCommand("eval", "--no-eval-cache", "-E", "1 + 1"), environment, prints: /^2\n$/ },
    { name: "yix eval, nothing changed", command: yixCommand("eval", "-E", "1 + 1"), environment, prints: /^2\n$/ },
    ...others.map((nix) => ({
      name: `${nix.name} nix-instantiate --eval`,
      command: [nix.program("nix-instantiate"), "--eval", "-E", "1 + 1"],
      environment: nix.environmentOf(nixHome),
      prints: /^2\n$/
    }))
  ],
  rounds
)
