touch a b c
run 0 a b c
prints "3 files can be read"
run 1 a b missing c a b c a b c a b c a b c
grep -qE '^first_error: missing: No such file or directory \([0-9]+ of 16 started\)$' \
    "$dir/err" || fail "errors: $(cat "$dir/err")"
run 2
complains "usage: first_error FILE..."
