# shellcheck shell=bash disable=SC2154 # what check sets
squares=$(printf '%d\n' 1 4 9 16 25)
run 0
prints "$squares"
complains ""
for every in 1 2 3; do
    without_threads $every run 0
    prints "$squares"
    complains ""
done
ticking run 0
prints "$squares"
unwritable
