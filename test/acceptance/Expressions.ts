/**
 * Nix expressions for tests: builders that need nothing but built-in commands of a POSIX shell, whatever shell the sandbox has.
 */

/** A Nix string literal. */
export const nixString = (text: string): string => `"${text.replaceAll(/["\\]|\$\{/g, "\\$&").replaceAll("\n", "\\n")}"`

// Hundredths of a second. Without a `sleep` program: by watching the kernel's clock, so that it ends on time however busy the machine is.
const pause = `PATH=/bin:/usr/bin
pause() {
  if sleep "$(( $1 / 100 )).$(( $1 / 10 % 10 ))" 2>/dev/null; then return 0; fi
  read -r now rest < /proc/uptime
  end=$(( \${now%.*}\${now#*.} + $1 ))
  while [ "\${now%.*}\${now#*.}" -lt "$end" ]; do read -r now rest < /proc/uptime; done
}
`

/**
 * `shell name attributes script`: a derivation whose script runs in the sandbox's shell with -e and -u, and can call `pause HUNDREDTHS`.
 * The mark stands in the builder's command line and environment, by which `World.leftovers` finds its processes.
 */
export const withShell = (mark: string, body: string): string => `let
  shell = name: attributes: script: derivation (attributes // {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    MARK = "${mark}";
    args = [ "-euc" (${nixString(`# ${mark}\n${pause}`)} + script) ];
  });
in
${body}
`
