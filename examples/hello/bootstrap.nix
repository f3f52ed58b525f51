# The first tools: how to build something when there is nothing to build with.
#
# A Debian package is an `ar` archive with an xz-compressed tar archive in it; unpacking the first one takes programs that are themselves in
# packages. So one statically linked program is fetched ready to run: busybox, which is a shell and some 270 commands in one file.
# It comes as a NAR, the archive format of Nix, which fetchers unpack by themselves (`unpack = true`).
{ mirror, system, lock }:
let
  pins = (builtins.fromJSON (builtins.readFile lock)).${system}
    or (throw "${toString lock} pins nothing for ${system}: run fetch-mirror.sh --update-lock on such a machine");

  fetch = arguments: pin: import <nix/fetchurl.nix> (arguments // { url = "${mirror}/${pin.file}"; inherit (pin) sha256; });
in
rec {
  inherit system;

  busybox = fetch { name = "busybox"; unpack = true; } pins.busybox;

  # The pinned file of that name in the lock, as a store path. Fetched when a builder needs it, not before.
  fetched = package: fetch { name = pins.${package}.file; } pins.${package};

  # A derivation whose builder is a script for busybox's shell, which finds its own commands without any PATH.
  run = name: attributes: script:
    derivation ({
      inherit name system;
      builder = "${busybox}/bin/busybox";
      args = [ "sh" "-eu" "-c" script ];
    } // attributes);

  # Shell code that unpacks these Debian packages into the folder `root`.
  unpack = packages: builtins.concatStringsSep "\n" (map (package: "dpkg-deb -x ${fetched package} root") packages);
}
