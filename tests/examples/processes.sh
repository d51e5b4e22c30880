# shellcheck shell=bash disable=SC2154 # what check sets
ulimit -c 0

# twice STATUS TEXT WORD... - both batches, so what the first one leaves behind
# would show in the second.
twice() {
    run "$1" "${@:3}"
    prints "$2"$'\n'"$2"
    complains ""
}
twice 0 "10 letters in 3 words, 0 lost, 0 failed" one two four
twice 0 "0 letters in 0 words, 0 lost, 0 failed"
twice 1 "7 letters in 3 words, 1 lost, 1 failed" one crash four
twice 1 "0 letters in 2 words, 2 lost, 2 failed" crash crash
# Who dies after it has counted down is not counted down once more.
twice 0 "14 letters in 4 words, 0 lost, 2 failed" late one late two
twice 1 "7 letters in 3 words, 1 lost, 2 failed" crash one late

without_threads 1 run 0 one two
prints "$(printf '0 letters in 2 words, 0 lost, 2 failed\n%.0s' 1 2)"
without_threads 3 run 0 one two four
prints "$(printf '6 letters in 3 words, 0 lost, 1 failed\n%.0s' 1 2)"
complains "$(printf 'processes: fork: Resource temporarily unavailable\n%.0s' 1 2)"

ticking run 1 one crash late
holds ticked 20 # it has looked for the dead, so it took 100 ms
prints "$(printf '7 letters in 3 words, 1 lost, 2 failed\n%.0s' 1 2)"
unwritable one two
# shellcheck disable=SC2046 # as many words
run 2 $(seq 101)
complains "usage: processes [WORD...], 100 at most"
