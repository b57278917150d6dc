# shellcheck shell=bash disable=SC2016
# Sourced by the tests that need the project in another place. `copy_sources FROM TO` copies what belongs to it: the
# files that git tracks, as they are now; where there is no git (an unpacked archive), all but what a build leaves.
copy_sources() {
    mkdir -p "$2"
    if git -c safe.directory='*' -C "$1" rev-parse --git-dir >/dev/null 2>&1; then
        git -c safe.directory='*' -C "$1" ls-files -z --cached
    else
        (cd "$1" && find . \( -name 'build*' -o -name packagecache \) -prune -o -type f -print0)
    fi | (cd "$1" && xargs --null sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' sh) |
        tar --directory "$1" --null --files-from=- --create | tar --directory "$2" --extract
}
