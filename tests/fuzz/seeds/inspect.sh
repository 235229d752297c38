#!/bin/sh
# inspect.sh FOLDER: the vbmeta images that another target begins with.
set -eu
cp tests/fuzz/seeds/avb/one tests/fuzz/seeds/avb/two "$1"
