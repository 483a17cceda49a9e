#!/bin/sh
# Process 1 of a container ignores every signal that it does not handle.
trap 'echo "Told to stop"; exit 0' TERM
for line in 1 2 3 4 5 6 7 8 9 10; do
  echo "Hello, world: line $line of 10"
  [ "$line" = 10 ] || sleep 2
done
