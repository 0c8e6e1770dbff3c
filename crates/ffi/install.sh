#!/usr/bin/env bash
# Builds the library and installs it, with its headers and its file for pkg-config.
#
#   crates/ffi/install.sh PREFIX           into PREFIX/lib, PREFIX/include and PREFIX/lib/pkgconfig
#   crates/ffi/install.sh --debug PREFIX   a debug build
#   crates/ffi/install.sh --no-build ...   what was built before
#   crates/ffi/install.sh --static FOLDER  the static library alone, into FOLDER/GOOS_GOARCH, which is
#                                          where the Go package looks with the tag vantage_static
set -euo pipefail

profile=(--release) folder=release static= build=yes
while [ "${1:-}" != "${1#--}" ]; do
  case $1 in
    --debug) profile=() folder=debug ;;
    --static) static=yes ;;
    --no-build) build= ;;
    *) echo "install.sh: there is no option $1" >&2; exit 2 ;;
  esac
  shift
done
[ $# = 1 ] || { echo "usage: install.sh [--debug] [--no-build] [--static] FOLDER" >&2; exit 2; }
mkdir -p "$1"
to=$(cd "$1" && pwd)
cd "$(dirname "$0")"
[ -z "$build" ] || cargo build --locked "${profile[@]}" --lib
target=${CARGO_TARGET_DIR:-../../target}/$folder

# The newest of a name: `cargo test` leaves what it builds among the dependencies.
built() {
  ls -t "$target/$1" "$target/deps/$1" 2> /dev/null | head -1
}

if [ -n "$static" ]; then
  case $(uname -m) in x86_64) arch=amd64 ;; aarch64 | arm64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
  os=$(uname -s | tr '[:upper:]' '[:lower:]')
  install -D -m 644 "$(built libvantage_pool.a)" "$to/${os}_$arch/libvantage_pool.a"
  exit
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
abi=$(sed -n 's/^#define VAP_ABI \([0-9]*\)$/\1/p' include/vantage_pool.h)
# What the library itself needs.
system="-lpthread -lm -ldl"
mkdir -p "$to/lib/pkgconfig" "$to/include"
install -m 644 include/*.h "$to/include/"
install -m 644 "$(built libvantage_pool.a)" "$to/lib/libvantage_pool.a"
if [ "$(uname -s)" = Darwin ]; then
  install -m 755 "$(built libvantage_pool.dylib)" "$to/lib/libvantage_pool.dylib"
  install_name_tool -id "$to/lib/libvantage_pool.dylib" "$to/lib/libvantage_pool.dylib"
else
  install -m 755 "$(built libvantage_pool.so)" "$to/lib/libvantage_pool.so.$abi"
  ln -sf "libvantage_pool.so.$abi" "$to/lib/libvantage_pool.so"
fi
cat > "$to/lib/pkgconfig/vantage_pool.pc" <<PC
prefix=$to
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: vantage_pool
Description: A client pool for REST APIs, ingestion and a key-value store
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -lvantage_pool
Libs.private: $system
PC
# By its path, as the linker prefers a shared library of the same name.
cat > "$to/lib/pkgconfig/vantage_pool_static.pc" <<PC
prefix=$to
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: vantage_pool_static
Description: vantage_pool, to be a part of the program
Version: $version
Cflags: -I\${includedir} -DVANTAGE_POOL_STATIC
Libs: \${libdir}/libvantage_pool.a $system
PC
