# shellcheck shell=bash disable=SC2154 # what check sets
woken() {
    grep -qxE '10000 fibers woken, [0-9]+ ns each' "$dir/out" ||
        fail "not all were woken"
    [ "$(wc -l <"$dir/out")" -eq 1 ] || fail "more than one line"
}
run 0
woken
# A single thread: it sleeps where nobody can run, signals or not.
ticking run 0
ticked 2 || fail "it did not wait for the deadline"
woken
# It asks for no thread at all.
NO_THREAD=1 run 0
woken
unwritable
