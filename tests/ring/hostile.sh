#!/bin/sh
# hostile.sh INJECTION PROGRAM ARGUMENT...: runs the program while strace makes its system calls fail.
command -v strace > /dev/null || { echo "strace is missing"; exit 77; }
strace -qq -o /dev/null true 2> /dev/null || { echo "strace may not trace here"; exit 77; }
injection=$1
shift
# The leak checker cannot work in a traced process.
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" \
    exec strace -qq -o /dev/null -e trace=io_uring_setup,io_uring_enter -e inject="$injection" "$@"
