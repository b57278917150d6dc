#!/bin/sh
# Runs one Catch2 program for `meson test`. Catch2 exits with 4 when every test case was skipped; Meson calls that 77.
"$@"
status=$?
[ "$status" -ne 4 ] || status=77
exit "$status"
