#!/bin/sh
# Compiles each public header of one folder alone, as the first and only thing of a translation unit.
# usage: compile_alone.sh FOLDER PATTERN LANGUAGE COMPILER [FLAG...]
set -u
folder=$1 pattern=$2 language=$3
shift 3

command -v "$1" >/dev/null || { echo "SKIP: no compiler $1"; exit 77; }

failed=0 tried=0
for header in "$folder"/$pattern; do
    [ -f "$header" ] || continue
    tried=$((tried + 1))
    name=tacet/${header##*/}
    printf '#include <%s>\n' "$name" |
        "$@" -x "$language" -Wall -Wextra -Wpedantic -Werror -fsyntax-only - || { echo "FAILED: $name"; failed=1; }
done
echo "$tried headers tried"
[ "$tried" -gt 0 ] || { echo "no header matches $folder/$pattern"; exit 1; }
exit "$failed"
