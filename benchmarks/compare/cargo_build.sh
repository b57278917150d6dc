#!/bin/sh
# Runs cargo, which decides itself where its program comes to lie, and copies that to where Meson expects it.
# usage: cargo_build.sh BUILT OUTPUT CARGO ARGUMENT...
set -eu
built=$1
output=$2
shift 2
"$@"
cp "$built" "$output"
