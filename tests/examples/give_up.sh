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

# threads [N] - how many the program has, or whether they are as few as that.
threads() {
    set -- "$(awk '/^Threads/ { print $2 }' "/proc/$pid/status")" "$@"
    if [ $# -eq 1 ]; then echo "$1"; else [ "$1" -le "$2" ]; fi
}

# A late answer: the request is still in order, and its worker frees it. Opened
# for writing, a FIFO has its reader; so the second worker is there.
for _ in {1..5}; do
    start 1 late 60000 other
    exec 3>other
    before=$(threads)
    echo "too late" >late
    holds threads $((before - 1))
    echo "in time" >&3
    exec 3>&-
    ends 1
    prints "other: in time"
    complains "give_up: late: no answer in 1 ms"
done

# Signals, to main and to the worker: while that opens, and while it reads.
cc -o poke "${test%/*}/poke.c" || fail "no signals for threads"
# of_worker FIELD - of the newest thread's status.
of_worker() {
    awk "/^$1/ { print \$2 }" "/proc/$pid/task/$worker/status"
}
begun() { [ "$(threads)" -gt 1 ]; }
asleep() { [ "$(of_worker State)" = S ]; }
woken() { [ "$(of_worker voluntary)" -gt "$before" ]; }
poked() {
    worker=$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 -printf '%f\n' |
        sort -n | tail -n 1)
    holds asleep
    before=$(of_worker voluntary)
    ./poke "$pid" "$worker" "$(kill -l ALRM)" || fail "no signal for thread $worker"
    holds woken
    holds asleep
}
ticking start 60000 late
holds begun
poked
exec 3>late
poked
echo "in spite of signals" >&3
exec 3>&-
ends 0
prints "late: in spite of signals"
complains ""

unwritable 60000 file
for wrong in "" 1 "1 file 1" "soon file"; do
    # shellcheck disable=SC2086 # some words
    run 2 $wrong
    prints ""
    complains "usage: give_up MILLISECONDS FILE..."
done
