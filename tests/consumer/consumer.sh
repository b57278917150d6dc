#!/usr/bin/env bash
# Uses the project as a stranger does, from outside the tree: with one wrap file that points at a git repository, in
# C++ and in C; then the same two projects, unchanged, from an installation through pkg-config.
# usage: consumer.sh SOURCE_ROOT
set -euo pipefail
source_root=$1
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/copy_sources.sh
. "$here/../copy_sources.sh"

fail() { echo "FAILED: $*" >&2; exit 1; }
command -v git >/dev/null || { echo "SKIP: git is not installed"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
unset DESTDIR

make_repository() {
    copy_sources "$source_root" "$work/repository"
    git -C "$work/repository" init --quiet --initial-branch=main
    git -C "$work/repository" add --all --force
    git -C "$work/repository" -c user.name=consumer -c user.email=consumer@localhost commit --quiet --message=snapshot
}

# make_project NAME: a project whose only link with ours is subprojects/tacet.wrap.
make_project() {
    cp -r "$here/$1" "$work/$1"
    mkdir "$work/$1/subprojects"
    cat >"$work/$1/subprojects/tacet.wrap" <<WRAP
[wrap-git]
url = file://$work/repository
revision = main

[provide]
dependency_names = tacet, tacet-cxx
WRAP
}

# build_and_run PROJECT BUILD_FOLDER [SETUP_OPTION...]: the program counts the lines of a file.
build_and_run() {
    local build=$work/$1/$2 counted expected
    meson setup "$build" "$work/$1" "${@:3}" || fail "$1 ($2) does not configure"
    ninja -C "$build" || fail "$1 ($2) does not build"
    expected=$(wc -l <"$source_root/meson.build")
    counted=$("$build/consumer" "$source_root/meson.build") || fail "$1 ($2) exits with $?"
    [ "$counted" = "$expected" ] || fail "$1 ($2) counts '$counted' lines where there are $expected"
}

# A subproject builds what was asked of it: no test, example or benchmark.
check_nothing_else_is_built() {
    local programs
    programs=$(meson introspect "$work/$1/wrapped" --targets | python3 -c '
import json, sys
print(*(target["name"] for target in json.load(sys.stdin) if target["type"] == "executable"))')
    [ "$programs" = consumer ] || fail "$1: with the wrap these programs are built: $programs"
    [ "$(meson introspect "$work/$1/wrapped" --tests)" = "[]" ] || fail "$1: with the wrap there are tests"
}

check_no_cxx_runtime() {
    if readelf --dynamic "$1" | grep 'NEEDED.*libstdc++'; then
        fail "$1 is C and yet links the C++ runtime"
    fi
}

# Staged below another root and then moved into place, as a packager does.
install_to_prefix() {
    meson setup "$work/installing" "$work/repository" --prefix="$work/prefix" --libdir=lib \
        -Dtests=disabled -Dexamples=disabled -Dbenchmarks=disabled
    meson install -C "$work/installing" --destdir "$work/staged"
    mv "$work/staged$work/prefix" "$work/prefix"
    [ -z "$(find "$work/staged" -type f)" ] || fail "installed outside the prefix: $(find "$work/staged" -type f)"
}

make_repository
for project in cxx c; do
    make_project "$project"
    build_and_run "$project" wrapped
    check_nothing_else_is_built "$project"
done

install_to_prefix
for project in cxx c; do
    PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig build_and_run "$project" installed --wrap-mode=nofallback
done
check_no_cxx_runtime "$work/c/wrapped/consumer"
check_no_cxx_runtime "$work/c/installed/consumer"
