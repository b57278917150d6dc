#!/usr/bin/env bash
# Builds the C core for 64-bit ARM and sends tasks and contexts through every switcher under user-mode emulation.
# usage: aarch64.sh SOURCE_ROOT BUILD_FOLDER; what it downloads stays in BUILD_FOLDER.
set -euo pipefail
source_root=$1
build=$2/aarch64
here=$source_root/tests/cross
packages=$build/packages

skip() { echo "SKIP: $*" >&2; exit 77; }
for tool in aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ qemu-aarch64; do
    command -v "$tool" >/dev/null || skip "there is no $tool"
done

# liburing for ARM is in no cross package: it is taken out of its Debian package. APT gets indexes of its own, so that the
# system learns of no further architecture.
fetch_liburing() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || skip "no apt-get to fetch liburing for ARM with"
    local apt_folder=$build/apt
    local options=(-o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o "Dir::State::Lists=$apt_folder/lists"
        -o "Dir::Cache=$apt_folder/cache" -o Dir::State::status=/dev/null -o Acquire::http::Timeout=20
        -o APT::Sandbox::User="$(id --user --name)")
    mkdir -p "$apt_folder/lists/partial" "$apt_folder/cache/archives/partial"
    {
        timeout 120 apt-get "${options[@]}" update
        (cd "$apt_folder" && timeout 60 apt-get "${options[@]}" download liburing-dev)
    } >"$build/apt.log" 2>&1 || true
    dpkg-deb --extract "$apt_folder"/liburing-dev_*_arm64.deb "$packages.new" 2>>"$build/apt.log" ||
        skip "liburing-dev for arm64 cannot be had: $(grep --max-count=1 '^E: ' "$build/apt.log" || echo 'no answer')"
    rm -rf "$apt_folder"
    mv "$packages.new" "$packages"
}

# try NAME COMPILER [CROSS_FILE...]: the library by our own build files, then the program that uses it.
try() {
    local name=$1 compiler=$2 file folder=$build/$1 files=()
    for file in aarch64-gcc.ini "${@:3}"; do
        files+=(--cross-file "$here/$file")
    done
    echo "==> $name"
    rm -rf "$folder"
    meson setup "$folder" "$source_root" "${files[@]}" --cross-file "$build/packages.ini" --wrap-mode=nodownload \
        -Dcxx=disabled -Dtests=disabled -Dexamples=disabled -Dbenchmarks=disabled -Dchecks=full --fatal-meson-warnings
    ninja -C "$folder"
    # shellcheck disable=SC2086
    $compiler -std=gnu17 -O2 -Wall -Wextra -Werror -DTACET_CHECKS=2 -D_GNU_SOURCE \
        -I "$source_root/c/include" -isystem "$packages/usr/include" -o "$folder/program" \
        "$here/program.c" "$here/registers_aarch64.S" "$folder/c/libtacet.a" "$packages/usr/lib/aarch64-linux-gnu/liburing.a" -pthread
    qemu-aarch64 -L /usr/aarch64-linux-gnu "$folder/program"
}

mkdir -p "$build"
[ -d "$packages" ] || fetch_liburing
cat >"$build/packages.ini" <<INI
[properties]
sys_root = '$packages'
pkg_config_libdir = '$packages/usr/lib/aarch64-linux-gnu/pkgconfig'
INI
try gcc aarch64-linux-gnu-gcc
try gcc-protected "aarch64-linux-gnu-gcc -mbranch-protection=standard" aarch64-protected.ini
if command -v clang >/dev/null; then
    try clang "clang --target=aarch64-linux-gnu" aarch64-clang.ini
else
    echo "There is no clang to try as well"
fi
