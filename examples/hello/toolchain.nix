# A C toolchain out of Debian packages: unpacked, moved into the store, and made to run from there.
#
# Programs of a distribution name their loader as /lib64/ld-linux-x86-64.so.2 and find libraries in /usr/lib. In a sandbox neither is there.
# `patchelf` writes store paths instead into the programs: the loader of `glibc`, and the folders in which the loader looks for libraries.
{ bootstrap }:
let
  inherit (bootstrap) system run unpack busybox;

  platform = {
    x86_64-linux = { triplet = "x86_64-linux-gnu"; binutils = "binutils-x86-64-linux-gnu"; loader = "ld-linux-x86-64.so.2"; };
    aarch64-linux = { triplet = "aarch64-linux-gnu"; binutils = "binutils-aarch64-linux-gnu"; loader = "ld-linux-aarch64.so.1"; };
  }.${system};
  inherit (platform) triplet;
in
rec {
  glibc = run "glibc" { } ''
    ${unpack [ "libc6" ]}
    mkdir "$out"
    cp -a root/lib/${triplet} "$out/lib"
  '';
  loader = "${glibc}/lib/${platform.loader}";

  tools = run "tools" { } ''
    mkdir -p "$out/bin"
    for command in $(${busybox}/bin/busybox --list); do
      ln -s ${busybox}/bin/busybox "$out/bin/$command"
    done
  '';

  # $out/usr is what Debian calls /usr: gcc finds all its parts by their place beside its own.
  toolchain = run "toolchain" { inherit glibc loader triplet; } ''
    ${unpack [
      "gcc-12" "cpp-12" "libgcc-12-dev" platform.binutils "libbinutils" "libctf0" "libctf-nobfd0" "libjansson4" # compiler and linker
      "libgmp10" "libisl23" "libmpc3" "libmpfr6" "libzstd1" "zlib1g" # what they load
      "libc6-dev" "linux-libc-dev" # headers, and the parts of glibc that are linked into every program
      "make" "patchelf" "libstdc++6" "libgcc-s1"
      "tar" "libacl1" "libselinux1" "libpcre2-8-0" # hello's tarball has a format from 1979, which busybox does not read
    ]}
    mkdir -p "$out/bin" "$out/usr"
    cp -a root/usr/bin root/usr/include root/usr/lib "$out/usr/"
    cp -a root/bin/. "$out/usr/bin/"
    cp -a root/lib/. "$out/usr/lib/"
    libraries=$out/usr/lib/$triplet

    # The one program that has to be started by hand, through the loader.
    patchelf="$loader --library-path $glibc/lib:$libraries $out/usr/bin/patchelf"
    cp "$out/usr/bin/patchelf" patchelf-to-patch

    for file in "$out"/usr/bin/* "$out"/usr/lib/gcc/"$triplet"/12/*; do
      if [ -f "$file" ] && [ ! -L "$file" ] && [ "$file" != "$out/usr/bin/patchelf" ] && $patchelf --print-interpreter "$file" > /dev/null 2>&1; then
        $patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$glibc/lib:$libraries" "$file"
      fi
    done
    $patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$glibc/lib:$libraries" patchelf-to-patch
    mv patchelf-to-patch "$out/usr/bin/patchelf"

    # libc.so and libm.so of libc6-dev are texts for the linker, with absolute file names in them: leave the folders out, so that it searches.
    for script in libc.so libm.so; do
      if grep -q '^GROUP' "$libraries/$script" 2> /dev/null; then
        sed -i -e '/^GROUP/s,/[^ ]*/,,g' "$libraries/$script"
      fi
    done

    # The same for links that are absolute.
    for link in "$libraries"/*.so; do
      case $(readlink "$link") in
        /lib/*) ln -sf "$glibc/lib/$(basename "$(readlink "$link")")" "$link" ;;
      esac
    done

    for tool in ar as ld nm objdump ranlib readelf strip; do
      ln -s "../usr/bin/$triplet-$tool" "$out/bin/$tool"
    done
    ln -s ../usr/bin/make ../usr/bin/patchelf ../usr/bin/tar "$out/bin/"

    # The compiler under its usual names. Headers and start files come from this output, the libraries that programs load from glibc; and both
    # loader and library folder are written into every program, as store paths: that is how a store path comes to refer to another.
    cat > "$out/bin/cc" <<EOF
    #!${busybox}/bin/busybox sh
    exec $out/usr/bin/$triplet-gcc-12 --sysroot=$out -L$glibc/lib -Wl,-dynamic-linker=$loader -Wl,-rpath=$glibc/lib "\$@"
    EOF
    chmod +x "$out/bin/cc"
    ln -s cc "$out/bin/gcc"
  '';
}
