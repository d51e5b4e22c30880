# shellcheck shell=bash disable=SC2154 # what check sets
export PROCESSORS=4
printf 'no newline' >a
printf '\n\n  two  words \n\t\n' >b
: >empty
head -c 300000 /dev/zero | tr '\0' 'x' >long
seq 100000 >numbers
printf 'a\vb\fc\rd\te f\ng' >spaces
for files in "a b" "numbers b empty long a" "a a a" "empty" "/dev/null a" "spaces"; do
    # shellcheck disable=SC2086 # a list of names
    run 0 $files
    # shellcheck disable=SC2086
    prints "$(wc $files)"
done

# More files than workers, in order, each once.
mkdir many
seq 300 | split -l 1 -a 3 - many/
run 0 many/*
prints "$(wc many/*)"
for every in 1 2 3; do
    without_threads $every run 0 many/*
    prints "$(wc many/*)"
done
few_descriptors 16 run 0 many/*
prints "$(wc many/*)"
few_descriptors 3 run 1 a b
prints "0 0 0 total"
complains "$(printf 'pwc: %s: Too many open files\n' a b)"

# Two at once: to the first FIFO nobody writes before the second is read.
mkfifo one two
start one two
echo 2 2 >two
echo 1 >one
ends 0
prints "$(printf '%7d %7d %7d %s\n' 1 1 2 one 1 2 4 two 2 3 6 total)"

# Signals while it reads.
mkfifo in
exec 3<>in
ticking start /dev/stdin <in 3>&-
holds ticked 20
printf 'one\ntwo' >&3
holds ticked 40
echo three >&3
exec 3>&-
ends 0
prints "      2       2      13 /dev/stdin"

run 1 a missing b .
prints "$(wc a missing b . 2>/dev/null)"
complains "$(printf '%s\n' 'pwc: missing: No such file or directory' \
    'pwc: .: Is a directory')"
run 1 missing
prints ""
unwritable a b
run 2
complains "usage: pwc FILE..."
