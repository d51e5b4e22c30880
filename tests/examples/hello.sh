run 0
[ "$(head -n 100 "$dir/out" | sort)" = \
    "$(printf 'hello from worker %d\n' {0..99} | sort)" ] ||
    fail "not every worker has said hello"
[ "$(tail -n 1 "$dir/out")" = "all workers are done" ] ||
    fail "main did not wait for the last worker"
