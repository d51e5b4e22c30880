run 0
prints "100 phases, sum 1000.000, middle 56.353"
