printf 'no newline' >a
printf '\n\n  two  words \n\t\n' >b
: >empty
head -c 300000 /dev/zero | tr '\0' 'x' >long
seq 100000 >numbers
for files in "a b" "numbers b empty long a" "a a a" "empty" "/dev/null a"; do
    # shellcheck disable=SC2086 # a list of names
    run 0 $files
    # shellcheck disable=SC2086
    prints "$(wc $files)"
done
run 1 a missing b .
prints "$(wc a missing b . 2>/dev/null)"
[ "$(sort "$dir/err")" = "$(printf '%s\n' 'pwc: .: Is a directory' \
    'pwc: missing: No such file or directory')" ] ||
    fail "errors: $(cat "$dir/err")"
run 2
complains "usage: pwc FILE..."
