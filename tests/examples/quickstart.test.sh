#!/bin/sh
# sh quickstart.test.sh BUILD_DIR: the quickstart of the README, over a tree that is built already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

unset OPENAI_API_KEY # offline
line=$(QUICKSTART_BUILD_DIR=$1 sh "$here/../../examples/quickstart.sh" | tee /dev/stderr | tail -n 1)

# Its exit code went with the pipe; the line is printed before the checks, so look at each count.
echo "$line" | grep -Eqx '47 tickets: 47 filed, 0 twice, 47 posted, 0 twice, 0 lost; 3 kills; [1-9][0-9]* steps replayed, (4[7-9]|[56][0-9]|70) model calls for 47 tickets'
