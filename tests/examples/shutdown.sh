# shellcheck shell=bash disable=SC2154 # what check sets
# client NUMBER LINE... - so many connections at once, one after the other. The
# first LINE is sent to each of them; on each further one, in order, one waits
# for what comes back. An empty LINE: connects, then waits for a line on stdin.
cat >client.pl <<'END'
use IO::Socket::UNIX;
$| = 1; $SIG{PIPE} = 'IGNORE';
my ($number, $line, $slow) = @ARGV;
my @all = map { IO::Socket::UNIX->new(Peer => "socket") or die "$!" } 1 .. $number;
print "connected\n";
<STDIN> if $slow;
for (@all) { print $_ "$line\n"; }
for (@all) { my $answer = readline $_; print defined $answer ? $answer : "nothing\n"; }
END
listening() { grep -q listening "$dir/out"; }

# ask_slowly NUMBER LINE - client's connections, whose lines are not sent before
# let_go. The answers go to slow.out.
ask_slowly() {
    perl client.pl "$1" "$2" wait <go >slow.out &
    client=$!
    exec 3>go
}
let_go() {
    echo >&3
    exec 3>&-
    wait "$client"
}
closed() { [ ! -e socket ]; }

# Beside main. Threads that take no signals are not the server's: a sanitizer may
# have one of its own.
one_request_runs() {
    [ "$(grep -l '^SigBlk:[[:space:]]*0*$' "/proc/$pid/task/"*/status | wc -l)" -eq 2 ]
}

# A request that it has taken is served, or left behind when the time is up.
mkfifo go
for seconds in 100 0; do
    start socket $seconds
    holds listening
    ask_slowly 1 slow
    holds grep -q connected slow.out
    # In order, so the slow one has been taken when this one is served. It is
    # counted until its thread is gone.
    perl client.pl 1 quick >quick.out
    holds one_request_runs
    kill -TERM "$pid"
    holds closed
    if [ $seconds -gt 0 ]; then
        let_go
        ends 0
        prints "$(printf 'listening\nall requests served')"
    else
        ends 1
        prints "$(printf 'listening\n1 requests left behind')"
        let_go
    fi
    [ "$(cat quick.out slow.out)" = "$(printf '%s\n' connected QUICK connected \
        "$([ $seconds -gt 0 ] && echo SLOW || echo nothing)")" ] ||
        fail "answers: $(cat quick.out slow.out)"
done

# More connections than descriptors: it waits until some are given back.
few_descriptors 8 start socket 100
holds listening
ask_slowly 12 many
holds grep -q 'Too many open files' "$dir/err"
let_go
[ "$(grep -c MANY slow.out)" -eq 12 ] || fail "answers: $(cat slow.out)"
kill -TERM "$pid"
ends 0
prints "$(printf 'listening\nall requests served')"

# A second signal ends the drain at once.
start socket 100
holds listening
ask_slowly 1 slow
holds grep -q connected slow.out
perl client.pl 1 quick >quick.out
kill -INT "$pid"
holds closed
kill -INT "$pid"
ends 130
prints listening
let_go

# No thread to be had: the client is told by the end of its connection.
for every in 1 2 3; do
    NO_THREAD=$every start socket 100
    holds listening
    perl client.pl 6 more >more.out
    [ "$(grep -c nothing more.out)" -eq $((6 / every)) ] || fail "answers: $(cat more.out)"
    [ "$(grep -c MORE more.out)" -eq $((6 - 6 / every)) ] || fail "answers: $(cat more.out)"
    kill -TERM "$pid"
    ends 0
done

# Other signals, between requests and in one.
ticking start socket 100
holds listening
ask_slowly 1 slow
holds ticked 20
perl client.pl 1 quick >quick.out
holds ticked 40
let_go
kill -TERM "$pid"
ends 0
[ "$(cat quick.out slow.out)" = "$(printf '%s\n' connected QUICK connected SLOW)" ] ||
    fail "answers: $(cat quick.out slow.out)"

unwritable socket
closed || fail "the socket is left behind"
touch socket
run 1 socket
complains "shutdown: cannot listen: Address already in use"
for wrong in "" "socket 1 1" "socket never" "socket -1"; do
    # shellcheck disable=SC2086 # a list of arguments
    run 2 $wrong
    complains "usage: shutdown SOCKET [SECONDS]"
done
