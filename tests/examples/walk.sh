# shellcheck shell=bash disable=SC2154 # what check sets
export PROCESSORS=4

# counts DIRECTORIES FILES BYTES - what is printed when there were so many.
counts() {
    printf 'directories %13d\nregular files %11d\nbytes in them %11d' "$@"
}

# found DIRECTORY... - the same, as find has it.
found() {
    # shellcheck disable=SC2046 # three numbers
    counts $(find -H "$@" -type d -printf 'd 0\n' -o -type f -printf 'f %s\n' |
        awk '{ n[$1]++; sum += $2 }
             END { printf "%d %d %.0f", n["d"], n["f"], sum }')
}

# switched N - whether main has slept so often.
switched() {
    [ "$(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")" -ge "$1" ]
}

# As many threads as there may be, one, some, none; signals meanwhile.
everywhere() {
    run 0 "$@"
    prints "$(found "$@")"
    complains ""
    PROCESSORS=1 run 0 "$@"
    prints "$(found "$@")"
    without_threads 1 run 0 "$@"
    prints "$(found "$@")"
    for every in 2 3; do
        PROCESSORS=64 without_threads $every run 0 "$@"
        prints "$(found "$@")"
    done
    ticking run 0 "$@"
    prints "$(found "$@")"
}

# A tree that is wide and deep, with names that look like dots, and links that
# lead out of it, to a file, nowhere, and round in a circle.
mkdir -p tree/{0..9}/{0..9}/{0..2} tree/.a/..b/... tree/deep other
(cd tree/deep && for _ in {1..50}; do mkdir d && cd d && echo >f || exit; done) ||
    fail "no deep tree"
n=0
for file in tree/{0..9}/{0..9}/file tree/.a/..b/.../....; do
    printf '%*d' $((n++)) 1 >"$file"
done
echo >other/file
ln -s "$PWD/other" tree/out
ln -s ../other/file tree/1/link
ln -s nowhere tree/2/link
ln -s . tree/3/link
mkfifo tree/4/fifo
everywhere tree
run 0 /usr/include
prints "$(found /usr/include)"
run 0 tree/../tree other tree/out/
prints "$(found tree/../tree other tree/out/)"

# Without an argument the current directory; and one that is empty.
mkdir tree/empty
cd tree/empty || exit 1
run 0
prints "$(counts 1 0 0)"
cd ../..

# What cannot be read is a message and status 1, and all else is counted. A path
# that is too long is not for the superuser either.
perl -e 'mkdir "long" and chdir "long" or die;
    for (1 .. 20) { mkdir "0" x 250 and chdir "0" x 250 or die }' ||
    fail "no long path"
run 1 long missing other/file
prints "$(counts 17 0 0)"
sort -o "$dir/err" "$dir/err"
long=long/$(printf '%0250d/' {1..17} | tr -c / 0)
complains "$(printf 'walk: %s: %s\n' "$long" "File name too long" \
    missing/ "No such file or directory" other/file/ "Not a directory")"
few_descriptors 3 run 1 tree
prints "$(counts 0 0 0)"
complains "walk: tree/: Too many open files"
few_descriptors 16 run 0 tree # only so many are open at once
prints "$(found tree)"
mkdir -m 0 closed
status=0
find closed >/dev/null 2>&1 || status=1 # the superuser may
run $status tree closed
[ $status -eq 0 ] || complains "walk: closed/: Permission denied"
unwritable tree

# Progress is for a terminal, and is gone at the end.
walk=$(printf %q "$program") # for a shell, which may find spaces in it
long=$(yes /usr/include | head -n 5000)
# shellcheck disable=SC2086 # a list of names
start $long
holds switched 5
for _ in {1..20}; do # some may be on their way out
    threads=$(awk '/^Threads/ { print $2 }' "/proc/$pid/status")
    [ "$threads" -le 10 ] || fail "$threads threads for $PROCESSORS processors"
done
kill "$pid"
ends 143
prints ""
complains ""
program=script
start -qec "$walk ${long//$'\n'/ }" log
holds grep -qE $'files +[0-9]+\r' "$dir/out"
kill "$pid"
wait "$pid"
pid=
run 0 -qec "$walk $PWD/tree" log
sed -i ':a; s/^files *[0-9]*\r//; ta' "$dir/out" # if it took long enough
prints "$(printf '%25s\r' ''; found tree | sed 's/$/\r/')"
