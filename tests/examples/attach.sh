# shellcheck shell=bash disable=SC2154 # what check sets
nothing_left() { [ -z "$(ls)" ] || fail "left behind: $(ls)"; }

# The workers start before the creator or with it. Signals come all the time:
# they make no sleep of theirs shorter, and end no read of a plain file.
printf '%d\n' 1 2 10 >../numbers
for i in 1 2 3 4 5 6 7 8 9 10; do
    workers=
    for _ in 1 2 3 4; do
        TICK=200 "$program" sums <../numbers &
        workers+=" $!"
    done
    start sums 4
    for worker in $workers; do
        wait "$worker" || fail "a worker failed in round $i"
    done
    ends 0
    prints "sum 52, 0 of 4 workers lost"
    nothing_left
done

# slow - a worker that has its place, and reads from descriptor 3. It has read
# something when more has been written than a pipe holds.
mkfifo ../slow
slow() {
    "$program" sums <../slow &
    worker=$!
    exec 3>../slow
    printf '%100000d\n' 7 >&3
}

# A worker that comes first is there, while the file is not.
TICK=20000 "$program" sums <../numbers &
early=$!
holds ticked 2
kill -0 $early || fail "it does not wait for the file"
# One that takes its time is not taken for dead.
ticking start sums 2
slow
rm "$TROUBLE"
holds ticked 250
echo 3 >&3
exec 3>&-
ends 0
wait $early "$worker" || fail "a worker failed"
prints "sum 23, 0 of 2 workers lost"
nothing_left

# One that is killed is noticed, before and after the others have come.
for last in 0 1; do
    start sums 2
    [ $last -eq 0 ] || echo 5 | "$program" sums
    slow
    kill -KILL "$worker"
    wait "$worker" 2>/dev/null
    exec 3>&-
    [ $last -eq 1 ] || echo 5 | "$program" sums
    ends 1
    prints "sum 5, 1 of 2 workers lost"
    nothing_left
done

# A worker too many, and one that cannot do its work.
start sums 1
slow
echo 5 | "$program" sums 2>err && fail "a worker without a place"
[ "$(cat err)" = "attach: sums: no place is left" ] || fail "$(cat err)"
echo x >&3
exec 3>&-
wait "$worker" && fail "x is no number"
ends 1
prints "sum 0, 1 of 1 workers lost"
rm err

run 0 sums 0
prints "sum 0, 0 of 0 workers lost"
unwritable sums 0
few_descriptors 3 run 1 sums
complains "attach: sums: Too many open files"
few_descriptors 3 run 1 sums 1
nothing_left
touch sums
run 1 sums
complains "attach: sums: is no file of ours"
run 1 sums 1
complains "attach: sums: File exists"
rm sums
nothing_left
run 1 missing/sums 1
for wrong in "" "sums 1 1" "sums x" "sums -1" "sums 65"; do
    # shellcheck disable=SC2086 # a list of arguments
    run 2 $wrong
    complains "usage: attach FILE [WORKERS], 64 at most"
done
