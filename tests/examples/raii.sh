# shellcheck shell=bash disable=SC2154 # what check sets
run 0
prints "0 1 4 -1 16 25 "
ticking run 0
prints "0 1 4 -1 16 25 "
for every in 1 2 3; do
    without_threads $every run 0
    prints "0 1 4 -1 16 25 "
done
unwritable
