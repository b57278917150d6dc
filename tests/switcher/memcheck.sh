#!/bin/sh
# Runs the program under memcheck: no error, no leak, and no stack that Valgrind takes for a deep call.
# usage: memcheck.sh PROGRAM
command -v valgrind >/dev/null || { echo "SKIP: there is no valgrind"; exit 77; }
said=$(valgrind --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect \
    --errors-for-leak-kinds=definite,indirect "$1" 2>&1)
status=$?
echo "$said"
[ "$status" = 0 ] || exit 1
case $said in
*"switching stacks"*) exit 1 ;;
esac
