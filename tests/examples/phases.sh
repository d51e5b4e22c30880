# shellcheck shell=bash disable=SC2154 # what check sets
expected="100 phases, sum 1000.000, middle 56.353"
run 0
prints "$expected"
ticking run 0
prints "$expected"
for every in 1 2 3; do
    without_threads $every run 1
    prints ""
    complains "phases: Resource temporarily unavailable"
done
unwritable
