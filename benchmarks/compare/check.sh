#!/usr/bin/env bash
# Runs one program of this folder as tacet-bench does (the protocol is in cycle.hpp): right sizes, wrong arguments, and
# a size that nothing can hold.
# usage: check.sh PROGRAM
set -euo pipefail
program=$1

fail() { echo "FAILED: $*" >&2; exit 1; }

# measures N R M D P
measures() {
    local line
    line=$("$program" "$@") || fail "'$*' exits with $?"
    [[ $line =~ ^ok\ ([0-9]+)\ [0-9]+$ ]] || fail "'$*' prints '$line'"
    [ "${BASH_REMATCH[1]}" = $(($1 * $2 * $3)) ] || fail "'$*' counts ${BASH_REMATCH[1]} messages"
}

# refuses STATUS ARGUMENT...: with words on stderr, and nothing on stdout.
refuses() {
    local words status=0
    words=$("$program" "${@:2}" 2>&1 >/dev/null) || status=$?
    [ "$status" = "$1" ] || fail "'${*:2}' exits with $status, not with $1"
    [ -n "$words" ] || fail "'${*:2}' fails without a word"
    [ -z "$("$program" "${@:2}" 2>/dev/null)" ] || fail "'${*:2}' fails and yet prints a result"
}

for dead in 0 1 256 1000 10000; do
    measures 2 10 50 "$dead" 1
done
for tasks in 1 2 3 8; do # rounds that are no multiple of them too, more threads than rings
    measures "$tasks" 1 1 0 1
    measures "$tasks" 7 101 64 2
    measures "$tasks" 2 16 0 3
done

refuses 77 8 1000000000 1 0 1
refuses 2
refuses 2 2 10 10 0
refuses 2 2 10 10 0 1 1
for wrong in 0 -1 1x x '' 1.5 99999999999999999999; do
    refuses 2 "$wrong" 10 10 0 1
    refuses 2 2 10 10 0 "$wrong"
done
refuses 2 2 10 10 -1 1
refuses 2 1000000000 1000000000 1000 0 1

[[ $("$program" --help) == usage:*'N R M D P'* ]] || fail "--help does not say how it is used"
