# shellcheck shell=bash disable=SC2154 # what check sets

# adds N SUM
adds() {
    run 0 "$1"
    prints "the sum of the primes up to $1 is $2"
    complains ""
}

run 0
prints "the sum of the primes up to 100000 is 454396537"
# No item, one, fewer than the queues have room for, and more.
adds 0 0
adds 1 0
adds 2 2
adds 10 17
adds 100 1060
adds 10000 5736396
for _ in {1..20}; do
    adds 300 8275
done

# Some workers are missing, or all of a stage.
for every in 2 3; do
    without_threads $every adds 10000 5736396
done
without_threads 1 run 1
prints ""
complains "primes: a stage has got no thread"
ticking adds 10000 5736396

unwritable
run 2 x
prints ""
complains "usage: primes [N]"
