# shellcheck shell=bash disable=SC2154 # what check sets
expected="batch 1:  5 tasks, sum  60, finished 1 time
batch 2:  0 tasks, sum   0, finished 1 time
batch 3: 20 tasks, sum 390, finished 1 time"
run 0
prints "$expected"
ticking run 0
prints "$expected"
# A task that is done before the next is added must not end the batch.
for every in 1 2 3; do
    without_threads $every run 0
    prints "$expected"
done
few_descriptors 4 run 1
complains "event_loop: Too many open files"
unwritable
