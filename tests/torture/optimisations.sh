#!/usr/bin/env bash
# Compiles the switchers and the torture program by gcc and by clang in every way that moves frames about, and runs each
# of the kinds in each. What stands around them in the core is compiled once.
# usage: optimisations.sh SOURCE_ROOT
set -euo pipefail
source_root=$1
here=$(dirname "$(readlink -f "$0")")
switches=100000

fail() { echo "FAILED: $*" >&2; exit 1; }

compilers=()
for compiler in gcc clang; do
    ! command -v "$compiler" >/dev/null || compilers+=("$compiler")
done
[ "${#compilers[@]}" -gt 0 ] || { echo "SKIP: neither gcc nor clang is installed"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
common=(-std=gnu17 -D_GNU_SOURCE -DTACET_CHECKS=0 -DSWITCHED_BY_ASSEMBLY=1 -I "$source_root/c/include" -I "$source_root/c/src")
mapfile -t core < <(find "$source_root/c/src" -name '*.c' -not -path '*/switcher/*')
mapfile -t switchers < <(find "$source_root/c/src/switcher" -name '*.c' -o -path '*/switcher/*.S')

# Files of one name in several folders are several objects.
compile_core() {
    local file object
    mkdir "$work/core"
    for file in "${core[@]}"; do
        object=${file#"$source_root/c/src/"}
        "${compilers[0]}" "${common[@]}" -O2 -c "$file" -o "$work/core/${object//\//_}.o" ||
            fail "the core does not compile"
    done
}

# build_and_run COMPILER FLAG...: setjmp.c is to be compiled without _FORTIFY_SOURCE, so all are here.
build_and_run() {
    local name program kind
    name="$*"
    program=$work/${name//[^a-z0-9A-Z]/_}
    "$1" "${common[@]}" -U_FORTIFY_SOURCE "${@:2}" "$here/torture.c" "${switchers[@]}" "$work"/core/*.o -luring -lpthread \
        -lm -o "$program" || fail "$name does not compile"
    for kind in setjmp asm copying; do
        "$program" "$kind" "$switches" >/dev/null || fail "$name: $kind"
    done
    echo "$name: right"
    rm "$program"
}

compile_core
ways=(-O0 -O1 -O2 -O3 -Os '-O2 -flto' '-O0 -fstack-protector-all' '-O2 -fstack-protector-all' '-O2 -fomit-frame-pointer'
    '-O2 -fno-omit-frame-pointer' '-O3 -flto -fstack-protector-all')
for compiler in "${compilers[@]}"; do
    for way in "${ways[@]}"; do
        read -ra flags <<<"$way"
        build_and_run "$compiler" "${flags[@]}"
    done
done
