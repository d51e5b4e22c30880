# shellcheck shell=bash disable=SC2154 # what check sets
export PROCESSORS=4
touch {1..20}
run 0 {1..20}
prints "20 files can be read"
ticking run 0 {1..20}
prints "20 files can be read"
for every in 1 2 3; do
    without_threads $every run 0 {1..20}
    prints "20 files can be read"
done

# After the first error each worker ends the item it has, and takes no other.
run 1 1 2 missing {3..20}
grep -qE '^first_error: missing: No such file or directory \([0-9]+ of 21 checked\)$' \
    "$dir/err" || fail "errors: $(cat "$dir/err")"
prints ""
without_threads 1 run 1 1 2 missing {3..20} missing2
complains "first_error: missing: No such file or directory (3 of 22 checked)"
run 1 .
complains "first_error: .: Is a directory (1 of 1 checked)"

# Two at once: to the first FIFO nobody writes before the second is read.
mkfifo one two
start one two
echo >two
echo >one
ends 0
prints "2 files can be read"

few_descriptors 3 run 1 1
complains "first_error: 1: Too many open files (1 of 1 checked)"
unwritable 1 2
run 2
complains "usage: first_error FILE..."
