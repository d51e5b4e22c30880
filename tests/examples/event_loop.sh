run 0
prints "$(printf 'batch %d: 60\n' 0 1 2)"
