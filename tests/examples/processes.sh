ulimit -c 0
run 0
prints "sum 400, 1 of 4 workers lost"
