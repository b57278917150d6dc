#!/usr/bin/env bash
# Builds the project with liburing and fmt from their wraps instead of the system's, and copies a file with it. The
# archives that the wraps name may be out of reach, so each source is swapped for the distribution's archive of the
# same project (another version, another hash): what is tried is our own packagefiles.
# usage: wraps.sh SOURCE_ROOT
set -euo pipefail
source_root=$1
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/copy_sources.sh
. "$here/../copy_sources.sh"

fail() { echo "FAILED: $*" >&2; exit 1; }
skip() { echo "SKIP: $*" >&2; exit 77; }
command -v apt-get >/dev/null || skip "no apt-get to fetch source archives with"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Fetches the archive of a source package and prints its path.
fetch_archive() {
    mkdir "$work/$1"
    (cd "$work/$1" && timeout 60 apt-get source --download-only "$1") >"$work/apt.log" 2>&1 ||
        skip "apt-get source $1: $(grep --max-count=1 '^E: ' "$work/apt.log" || echo 'no answer within a minute')"
    find "$work/$1" -name '*.orig.tar.*' ! -name '*.asc'
}

# swap_source WRAP ARCHIVE
swap_source() {
    local wrap=$work/tree/subprojects/$1.wrap archive=$2 folder
    folder=$(tar --list --file "$archive" | sed -n '1s|/.*||p')
    cp "$archive" "$work/tree/subprojects/packagecache/"
    sed -i -e "s|^directory = .*|directory = $folder|" \
        -e "s|^source_filename = .*|source_filename = ${archive##*/}|" \
        -e "s|^source_hash = .*|source_hash = $(sha256sum "$archive" | cut -d' ' -f1)|" "$wrap"
}

liburing=$(fetch_archive liburing)
fmt=$(fetch_archive fmtlib)
copy_sources "$source_root" "$work/tree"
mkdir -p "$work/tree/subprojects/packagecache"
swap_source liburing "$liburing"
swap_source fmt "$fmt"

meson setup "$work/build" "$work/tree" --wrap-mode=nodownload --force-fallback-for=liburing,fmt \
    -Dtests=disabled -Dbenchmarks=disabled -Dexamples=enabled
ninja -C "$work/build"
"$work/build/docs/examples/tacet-cp" "$source_root/meson.build" "$work/copied"
cmp "$source_root/meson.build" "$work/copied" || fail "the copy made with the wraps' libraries differs"
