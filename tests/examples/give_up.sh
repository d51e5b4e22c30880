# shellcheck shell=bash disable=SC2154 # what check sets
echo "the answer" >file
printf 'no newline' >short
printf '%0500d\n' 0 >long
: >empty
run 0 60000 file 60000 short 60000 long 60000 empty
prints "$(printf '%s\n' "file: the answer" "short: no newline" \
    "long: $(printf '%0127d' 0)" "empty: ")"
complains ""

run 1 60000 missing 60000 . 60000 file
prints "file: the answer"
complains "$(printf 'give_up: %s\n' "missing: No such file or directory" \
    ".: Is a directory")"
few_descriptors 3 run 1 60000 file
complains "give_up: file: Too many open files"
for every in 1 2 3; do
    without_threads $every run 1 60000 file 60000 file 60000 file
    complains "$(for ((i = every; i <= 3; i += every)); do
        echo "give_up: file: Resource temporarily unavailable"
    done)"
    [ "$(grep -c "answer" "$dir/out")" -eq $((3 - 3 / every)) ] || fail "answers"
done

mkfifo never late other
run 1 -1 never 0 never 1 never 60000 file
prints "file: the answer"
complains "$(printf 'give_up: never: no answer in %d ms\n' -1 0 1)"

# threads N - whether the program has no more than so many.
threads() {
    [ "$(awk '/^Threads/ { print $2 }' "/proc/$pid/status")" -le "$1" ]
}

# The worker's answer comes while the next request is on its way: the worker
# still finds its request in order, and frees it.
start 1 late 60000 other
exec 3>other # once the next worker has it open, and waits for a line
before=$(awk '/^Threads/ { print $2 }' "/proc/$pid/status")
echo "too late" >late
holds threads $((before - 1))
echo "in time" >&3
exec 3>&-
ends 1
prints "other: in time"
complains "give_up: late: no answer in 1 ms"

unwritable 60000 file
run 2
complains "usage: give_up MILLISECONDS FILE..."
run 2 60000
run 2 soon file
