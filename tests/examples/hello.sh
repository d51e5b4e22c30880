# shellcheck shell=bash disable=SC2154 # what check sets
said() { # WORKERS... - that these, and no others, have said hello
    [ "$(head -n -1 "$dir/out" | sort)" = \
        "$(printf 'hello from worker %2d\n' "$@" | sort)" ] ||
        fail "not every worker has said hello"
    [ "$(tail -n 1 "$dir/out")" = "$# of 100 workers are done" ] ||
        fail "main did not wait for the last worker"
}
run 0
said {0..99}
complains ""

without_threads 1 run 1
prints "0 of 100 workers are done"
without_threads 2 run 1
said {0..99..2}
complains "$(printf 'hello: worker %d: Resource temporarily unavailable\n' {1..99..2})"
without_threads 3 run 1
[ "$(tail -n 1 "$dir/out")" = "67 of 100 workers are done" ] || fail "not 67"

ticking run 0
said {0..99}
unwritable
