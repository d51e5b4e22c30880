run 0
prints "0 1 4 -1 16 25 "
