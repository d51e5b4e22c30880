# shellcheck shell=bash disable=SC2154 # what check sets
squares() { # NUMBER...
    for number in "$@"; do
        printf '%8d %12d\n' "$number" $((number * number))
    done
}
run 0 {1..30}
prints "$(squares {1..30})"
run 2
prints ""
complains "usage: lambda NUMBER..."
ticking run 0 {1..30}
prints "$(squares {1..30})"

# An exception is rethrown once all tasks are done; the first one, if several.
run 1 1 2 three 4
prints ""
complains "lambda: cannot square 'three'"
run 1 one 2 three 4
prints ""
grep -qxE "lambda: cannot square '(one|three)'" "$dir/err" ||
    fail "errors: $(cat "$dir/err")"
[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "more than the first exception"
run 1 ""

# pthread_exit and cancellation end the task, count it down, and are no
# exceptions.
run 0 1 exit 3 cancel 5
prints "$(printf '%8s %12s\n' 1 1 exit none 3 9 cancel none 5 25)"
complains ""
run 1 exit x cancel
complains "lambda: cannot square 'x'"

# What has been started is waited for before what it refers to goes.
for every in 1 2 3; do
    without_threads $every run 1 {1..30}
    prints ""
    complains "lambda: no thread: Resource temporarily unavailable"
done
unwritable 1 2
