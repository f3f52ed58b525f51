# GNU hello, compiled from its upstream source by a C toolchain out of Debian packages.
#
#   ./fetch-mirror.sh ./mirror
#   yix build -f . -A hello --argstr mirror "file://$PWD/mirror"
#   yix run /nix/store/…-hello-2.10/bin/hello
#
# The road from files on a server to a program, each step a derivation (or a few):
#
#   fetches   busybox, 25 Debian packages, hello's tarball: fixed-output derivations, each pinned by its hash in lock.json
#   glibc     the C library alone; the only thing of all this that the finished hello still needs
#   tools     busybox under the names of its many commands: sh, sed, grep, tar, …
#   toolchain gcc, binutils and make, made to run out of the store; and `cc`, which links against glibc's store path
#   hello     ./configure && make && make install
#   greeting  what hello says: a build that runs the result of a build
#
# Nothing of the machine that builds is used, not even its /bin/sh.
{
  # Where the files are: the base URL of a folder that fetch-mirror.sh filled (http://…, file:///…).
  mirror,
  system ? builtins.currentSystem,
  # Versions and hashes; fetch-mirror.sh --update-lock writes it.
  lock ? ./lock.json,
}:
let
  bootstrap = import ./bootstrap.nix { inherit mirror system lock; };
  inherit (bootstrap) fetched run busybox;

  inherit (import ./toolchain.nix { inherit bootstrap; }) glibc tools toolchain;

  hello = run "hello-2.10" {
    source = fetched "hello-source";
    PATH = "${toolchain}/bin:${tools}/bin";
    # Configure scripts and makefiles would otherwise look for /bin/sh, which need not be the same everywhere.
    CONFIG_SHELL = "${tools}/bin/sh";
    SHELL = "${tools}/bin/sh";
  } ''
    # Full paths, because the shell of busybox prefers its own `tar` and `ar` to those in PATH.
    set -o pipefail
    gunzip -c "$source" | ${toolchain}/bin/tar x
    cd hello-2.10
    # -s leaves out the symbol table; without -g no path of the compiler's remains in the program.
    sh ./configure --prefix="$out" --disable-dependency-tracking \
      CC="${toolchain}/bin/cc" AR="${toolchain}/bin/ar" RANLIB="${toolchain}/bin/ranlib" CFLAGS=-O2 LDFLAGS=-s
    make SHELL="$SHELL"
    make SHELL="$SHELL" install
  '';

  greeting = run "greeting" { } ''
    ${hello}/bin/hello > "$out"
    ${hello}/bin/hello --version | head -n 1 >> "$out"
  '';
in
{
  inherit hello greeting;
  # The steps between, for the curious: yix build -f . -A parts.toolchain …
  parts = { inherit busybox glibc tools toolchain; };
}
