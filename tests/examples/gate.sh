# shellcheck shell=bash disable=SC2154 # what check sets

# running N - whether N workers have been started.
running() {
    [ "$(cat "$dir/out" 2>/dev/null)" = "$1 workers are running, until Ctrl-C" ]
}

# switched N - whether main has slept so often.
switched() {
    [ "$(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")" -ge "$1" ]
}

# stops N COMMAND... - starts 8 workers, of whom N should come, with rounds an
# hour apart. When COMMAND has succeeded, SIGINT ends them all, in their first.
stops() {
    start 8 3600000
    holds running "$1"
    holds "${@:2}"
    kill -INT "$pid"
    ends 0
    prints "$1 workers are running, until Ctrl-C
$1 workers are out, after $1 rounds"
    complains ""
}

for _ in {1..5}; do
    stops 8 true
done
ticking stops 8 ticked 50
for every in 1 2 3; do # main is a worker, too
    without_threads $every stops $every true
done

# Every millisecond a round.
start 4 1
holds running 4
holds switched 50
kill -INT "$pid"
ends 0
rounds=$(sed -n 's/^4 workers are out, after \([0-9]*\) rounds$/\1/p' "$dir/out")
[ "${rounds:-0}" -ge 50 ] || fail "$(cat "$dir/out")"

# Of two signals at the same moment one counts down, and the other one ends the
# program, if it still finds it. (Not by bash, which takes a SIGINT that its
# child has died of for its own.)
cc -o poke "${test%/*}/poke.c" || fail "no signals for threads"
# shellcheck disable=SC2016 # perl's variables
perl -e 'my $pid = open(my $gate, "-|", @ARGV) or die;
    readline $gate;
    kill STOP => $pid;
    waitpid($pid, 2) == $pid or die; # 2: until it has stopped
    for (glob "/proc/$pid/task/*") {
        m{([0-9]+)$} and system("./poke", $pid, $1, 2) == 0 or die;
    }
    kill CONT => $pid;
    1 while <$gate>;
    close $gate;
    ($? & 127) == 0 || ($? & 127) == 2 or exit 1;
    ' "$program" 4 3600000 || fail "two signals"

unwritable 4 3600000
for wrong in 0 -1 x "1 0" "1 x"; do
    # shellcheck disable=SC2086 # two words
    run 2 $wrong
    prints ""
    complains "usage: gate [WORKERS [MILLISECONDS]]"
done
