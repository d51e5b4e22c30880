# shellcheck shell=bash disable=SC2154 # what check sets
all="100000 of 100000 tasks are done"
for _ in {1..5}; do
    run 0
    prints "$all"
    complains ""
done
# No worker and no submitter, or some of them.
for every in 1 2 3; do
    without_threads $every run 0
    prints "$all"
    complains ""
done
ticking run 0
prints "$all"
unwritable
