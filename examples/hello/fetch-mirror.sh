#!/usr/bin/env bash
# fetch-mirror.sh DIR: fills DIR with the files that default.nix fetches, exactly as lock.json pins them.
#
# Debian packages (the C toolchain) come by `apt-get download`, GNU hello's upstream tarball by `apt-get source --download-only`. One file is
# made here: busybox.nar, the static busybox out of its package, because somebody has to unpack the first package before there are tools to
# unpack packages with. All are compared with the SHA-256 sums in lock.json; a folder that is already complete is left alone, without network.
#
#   fetch-mirror.sh DIR                        fill DIR for this machine's architecture
#   fetch-mirror.sh --update-lock DIR          take the versions that Debian has now, and write them to lock.json
#   fetch-mirror.sh --arch arm64 …             for another architecture (amd64 or arm64)
#   fetch-mirror.sh --lock FILE …              another lock file
#   DEBIAN_MIRROR=http://… fetch-mirror.sh …   another mirror than the one this machine's apt uses
#
# Works as root and as an ordinary user, on Debian and its relatives. apt runs on a configuration and state of its own in a temporary folder:
# nothing of the system's is changed. Exit code: 0 the folder is complete, 1 it is not (said why), 2 wrong usage.
set -euo pipefail

suite=bookworm
hello_package=hello
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# ---------------------------------------------------------------------------------------------------------------------- arguments

usage() {
  sed -n '2,/^set -/{s/^# \{0,1\}//;/^set -/!p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}
fail() {
  printf 'fetch-mirror: %s\n' "$@" >&2
  exit 1
}

update=no lock=$here/lock.json arch='' dir=''
while [ $# -gt 0 ]; do
  case $1 in
    --update-lock) update=yes ;;
    --arch) shift; arch=${1:-} ;;
    --lock) shift; lock=${1:-} ;;
    -*) usage ;;
    *) [ -z "$dir" ] || usage; dir=$1 ;;
  esac
  shift || usage
done
[ -n "$dir" ] && [ -n "$lock" ] || usage

for tool in apt-get apt-config dpkg dpkg-deb sha256sum; do
  command -v "$tool" >/dev/null || fail "'$tool' is missing: this script brings Debian packages and needs a Debian system (or a container of one)."
done
[ -n "$arch" ] || arch=$(dpkg --print-architecture)
case $arch in
  amd64) system=x86_64-linux binutils=binutils-x86-64-linux-gnu ;;
  arm64) system=aarch64-linux binutils=binutils-aarch64-linux-gnu ;;
  *) fail "no toolchain is described for the architecture '$arch' (known: amd64, arm64)." ;;
esac

# The C compiler with the libraries it loads, the C library with its headers, make, and two tools that busybox has no full match for.
packages="$binutils cpp-12 gcc-12 libacl1 libbinutils libc6 libc6-dev libctf-nobfd0 libctf0 libgcc-12-dev libgcc-s1 libgmp10
  libisl23 libjansson4 libmpc3 libmpfr6 libpcre2-8-0 libselinux1 libstdc++6 libzstd1 linux-libc-dev make patchelf tar zlib1g"

# ---------------------------------------------------------------------------------------------------------------------- the lock file
# JSON in the one layout that this script writes (and oxfmt keeps), so that it can be read back without a JSON parser: a system's entries are indented
# by four, their `version`, `file` and `sha256`, in this order, by six.

entries_of() { # system → lines "name version file sha256"
  [ -f "$lock" ] || return 0
  awk -F '"' -v chosen="$1" '
    /^  "/ { here = ($2 == chosen) }
    /^    "/ { name = $2 }
    here && /^      "version"/ { version = $4 }
    here && /^      "file"/ { file = $4 }
    here && /^      "sha256"/ { print name, version, file, $4 }
  ' "$lock"
}

wrong_files() { # lines of the lock on stdin → the files in DIR that are missing or differ
  while read -r _ _ file sha256; do
    if [ ! -f "$dir/$file" ]; then
      echo "$file (missing)"
    elif [ "$(sha256sum <"$dir/$file" | cut -d' ' -f1)" != "$sha256" ]; then
      echo "$file (its SHA-256 is not the one in the lock)"
    fi
  done
}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
locked=$(entries_of "$system")

if [ "$update" = no ]; then
  [ -n "$locked" ] || fail "'$lock' has no entries for $system: run '${BASH_SOURCE[0]} --update-lock --arch $arch $dir' once."
  if [ -z "$(wrong_files <<<"$locked")" ]; then
    echo "fetch-mirror: $dir is complete" >&2
    exit 0
  fi
fi

# ---------------------------------------------------------------------------------------------------------------------- apt, on its own

work=$(mktemp -d "${TMPDIR:-/tmp}/fetch-mirror.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/apt/{etc/preferences.d,etc/apt.conf.d,etc/none,cache/archives/partial,state/lists/partial} "$work/new"
: >"$work/apt/state/status"

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$keyring" ] || fail "Debian's signing keys are missing ($keyring): install the package debian-archive-keyring."
mirror=${DEBIAN_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^ *#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -1 | tr -d ' ' || true)}
mirror=${mirror:-http://deb.debian.org/debian}

# Only the release itself, not its updates: there, a version stays until the next point release.
printf '%s [signed-by=%s] %s %s main\n' deb "$keyring" "$mirror" "$suite" deb-src "$keyring" "$mirror" "$suite" >"$work/apt/etc/sources.list"
{
  cat <<C
Dir "$work/apt"; Dir::State "$work/apt/state"; Dir::State::status "$work/apt/state/status"; Dir::Cache "$work/apt/cache";
Dir::Etc "$work/apt/etc"; Dir::Etc::sourcelist "$work/apt/etc/sources.list"; Dir::Etc::sourceparts "$work/apt/etc/none";
APT::Architecture "$arch"; APT::Architectures { "$arch"; }; APT::Sandbox::User ""; Acquire::Check-Valid-Until "false";
Acquire::Languages "none"; Acquire::Retries "3";
C
  apt-config dump --format '%f "%v";%n' Acquire::http::Proxy Acquire::https::Proxy 2>/dev/null || true
} >"$work/apt/apt.conf"
export APT_CONFIG=$work/apt/apt.conf

echo "fetch-mirror: reading the package lists of $mirror ($suite, $arch)" >&2
apt-get -qq -o APT::Update::Error-Mode=any update >&2 || fail "apt-get update failed: is $mirror reachable from here? DEBIAN_MIRROR=… names another mirror."

# ---------------------------------------------------------------------------------------------------------------------- download

# The versions to take: those of the lock, all of which the mirror has to have, or whatever is there.
version_of() { awk -v name="$1" '$1 == name { print $2 }' <<<"$locked"; }
versions_there() { apt-cache madison "$1" | awk -F ' *[|] *' '{ print $2 }'; }

wanted='' moved=''
pin() { # entry in the lock, Debian package → adds to `wanted`, or to `moved`
  if [ "$update" = yes ]; then
    wanted="$wanted $2"
    return
  fi
  local version there
  version=$(version_of "$1")
  [ -n "$version" ] || fail "'$lock' has no entry '$1' for $system: run with --update-lock."
  there=$(versions_there "$2" | sort -u | tr '\n' ' ')
  case " $there" in
    *" $version "*) wanted="$wanted $2=$version" ;;
    *) moved="$moved
  $2: the lock wants $version, there is ${there:-nothing}" ;;
  esac
}
for package in $packages; do pin "$package" "$package"; done
pin busybox busybox-static
binaries=$wanted wanted=''
pin hello-source "$hello_package"
[ -z "$moved" ] || fail "$mirror does not have all that '$lock' wants any more:$moved" \
  "Debian drops old versions at point releases. Either take the new ones (the example's store paths are others then):" \
  "  ${BASH_SOURCE[0]} --update-lock --arch $arch $dir" \
  "or get the old ones from Debian's archive:" \
  "  DEBIAN_MIRROR=https://snapshot.debian.org/archive/debian/$(sed -n 's/^  "date": "\(.*\)",$/\1/p' "$lock") ${BASH_SOURCE[0]} --arch $arch $dir"

cd "$work/new"
# shellcheck disable=SC2086
apt-get -qq download $binaries >&2 || fail "apt-get download failed (see above)."
# shellcheck disable=SC2086
apt-get -qq source --download-only $wanted >&2 || fail "apt-get source failed (see above)."

# ---------------------------------------------------------------------------------------------------------------------- busybox.nar
# The format of Nix archives: strings, each with its length as 64 bits little-endian before it and zeros up to a multiple of 8 after it.

padding() { head -c $(((8 - $1 % 8) % 8)) /dev/zero; }
length() {
  local n=$1 i
  for i in 1 2 3 4 5 6 7 8; do
    printf '%b' "\\x$(printf %02x $((n % 256)))"
    n=$((n / 256))
  done
}
strings() {
  local s
  for s in "$@"; do
    length ${#s}
    printf %s "$s"
    padding ${#s}
  done
}
busybox_nar() { # file → the archive of a folder that holds bin/busybox
  local size
  size=$(stat -c %s "$1")
  strings nix-archive-1 '(' type directory entry '(' name bin node '(' type directory entry '(' name busybox node '(' type regular executable '' contents
  length "$size"
  cat "$1"
  padding "$size"
  strings ')' ')' ')' ')' ')'
}

# ---------------------------------------------------------------------------------------------------------------------- put in place

entry() { printf '%s %s %s %s\n' "$1" "$2" "$3" "$(sha256sum <"$3" | cut -d' ' -f1)"; }

{
  for deb in *.deb; do
    package=$(dpkg-deb -f "$deb" Package) version=$(dpkg-deb -f "$deb" Version)
    if [ "$package" = busybox-static ]; then
      dpkg-deb -x "$deb" "$work/busybox"
      file=busybox_${version#*:}_$arch.nar
      program=$work/busybox/bin/busybox
      [ -f "$program" ] || program=$work/busybox/usr/bin/busybox
      busybox_nar "$program" >"$file"
      entry busybox "$version" "$file"
    else
      file=${package}_${version#*:}_$arch.deb # apt writes an epoch as '%3a' into the name
      [ "$deb" = "$file" ] || mv "$deb" "$file"
      entry "$package" "$version" "$file"
    fi
  done
  dsc=$(echo "$hello_package"_*.dsc)
  entry hello-source "$(sed -n 's/^Version: //p' "$dsc" | head -1)" "$(echo "$hello_package"_*.orig.tar.gz)"
} | LC_ALL=C sort >"$work/entries"

if [ "$update" = yes ]; then
  other=aarch64-linux
  [ "$system" = aarch64-linux ] && other=x86_64-linux
  entries_of "$other" >"$work/entries.$other"
  cp "$work/entries" "$work/entries.$system"
  {
    echo '{'
    printf '  "date": "%s",\n' "$(date -u +%Y%m%dT000000Z)"
    comma=''
    for s in aarch64-linux x86_64-linux; do
      [ -s "$work/entries.$s" ] || continue
      printf '%b  "%s": {\n' "$comma" "$s"
      awk '{
        printf "%s    \"%s\": {\n      \"version\": \"%s\",\n      \"file\": \"%s\",\n      \"sha256\": \"%s\"\n    }", (NR > 1 ? ",\n" : ""), $1, $2, $3, $4
      } END { print "" }' "$work/entries.$s"
      printf '  }'
      comma=',\n'
    done
    printf '\n}\n'
  } >"$work/lock.json"
  cat "$work/lock.json" >"$lock"
  locked=$(entries_of "$system")
fi

while read -r _ _ file _; do
  [ -f "$file" ] && mv -f "$file" "$dir/$file"
done <<<"$locked"

wrong=$(wrong_files <<<"$locked")
[ -z "$wrong" ] || fail "$dir is not what '$lock' says:" "$wrong" \
  "The versions are right, so either $mirror or the lock file was changed: compare with another mirror (DEBIAN_MIRROR=…) before you trust either."
echo "fetch-mirror: $dir is complete" >&2
