/**
 * Three derivations that sleep 1, 2 and 3 seconds, all read by one expression: yix starts the three when it evaluates the sum, Nix one after the other.
 *
 *   node bench/three-sleeps.ts [--rounds N]
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { compare, type Contender, environmentOf, nixes, roundsWanted, Scratch, tellMachine, yixCommand } from "./Compare.ts"

const rounds = roundsWanted(3)
using scratch = new Scratch()

const expression = path.join(scratch.directory, "three-sleeps.nix")
// Without a `sleep` in the sandbox: watch the kernel's clock.
const pause = `
  sleep "$1" 2>/dev/null || {
    read -r now rest < /proc/uptime
    end=$(( \${now%.*}\${now#*.} + $1 * 100 ))
    while [ "\${now%.*}\${now#*.}" -lt "$end" ]; do read -r now rest < /proc/uptime; done
  }
  echo "$1" > "$out"
`.replaceAll("${", "''${")
fs.writeFileSync(
  expression,
  `let
  sleeper = seconds: derivation {
    name = "sleep-\${toString seconds}";
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" ''PATH=/bin:/usr/bin; ${pause}'' "sleeper" (toString seconds) ];
  };
  a = sleeper 1;
  b = sleeper 2;
  c = sleeper 3;
in
builtins.readFile a + builtins.readFile b + builtins.readFile c
`
)

const prints = /^"1\\n2\\n3\\n"\n$/
const contenders: ReadonlyArray<Contender> = [
  {
    name: "yix",
    command: yixCommand("eval", "-f", expression),
    environment: environmentOf(path.join(scratch.directory, "yix")),
    prepare: () => void scratch.fresh("yix"),
    prints
  },
  ...(await nixes({ building: true })).map((nix) => ({
    name: nix.name,
    command: [nix.program("nix-instantiate"), "--eval", "--read-write-mode", "--option", "substituters", "", expression],
    environment: nix.environmentOf(path.join(scratch.directory, "nix")),
    prepare: () => void scratch.fresh("nix"),
    prints
  }))
]

tellMachine(rounds)
await compare("three sleeps (1, 2 and 3 s)", contenders, rounds)
