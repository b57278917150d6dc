#!/bin/sh
# refused.sh INJECTION PROGRAM ARGUMENT...: runs the program while strace makes its io_uring_register calls fail.
command -v strace > /dev/null || { echo "SKIP: strace is missing"; exit 77; }
strace -f -qq -o /dev/null true 2> /dev/null || { echo "SKIP: strace may not trace here"; exit 77; }
injection=$1
shift
# The leak checker cannot work in a traced process.
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" \
    exec strace -f -qq -o /dev/null -e trace=io_uring_register -e inject="$injection" "$@"
