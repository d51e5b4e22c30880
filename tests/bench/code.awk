# Reads a disassembly (objdump -d) of fast.c, linked, and prints for each of its
# functions, the part that the compiler split off (.cold) included:
#     NAME INSTRUCTIONS ATOMICS FENCES FRAME CALLS TOUCHES
# FRAME counts pushes and the like, CALLS branches to other functions, TOUCHES
# instructions that access memory.

/^[0-9a-f]+ <.*>:$/ {
    name = $2
    gsub(/[<>:]/, "", name)
    sub(/\.cold$/, "", name)
    current = name ~ /^call_/ ? name : ""
    if (current != "" && !(current in seen)) {
        seen[current] = 1
        order[++functions] = current
    }
    next
}

current != "" && /^ +[0-9a-f]+:/ {
    line = $0
    sub(/^ +[0-9a-f]+:[ \t]*/, "", line)
    if (line ~ /^(nop|data16|cs nop|xchg +%ax,%ax|int3|notrack nop|\.\.\.)/) {
        next # padding
    }
    instructions[current]++
    split(line, word, /[ \t]+/)
    if (line ~ /^lock / || word[1] ~ /^(ldadd|ldset|ldclr|ldeor|swp|cas)/ ||
        word[1] ~ /^stl?xr/ || (word[1] == "xchg" && line ~ /\(/)) {
        atomics[current]++
    }
    if ((line ~ /\(%r/ && word[1] !~ /^lea/) || line ~ /\[x/) {
        touches[current]++
    }
    if (word[1] ~ /^(mfence|lfence|sfence|dmb|dsb)/) {
        fences[current]++
    }
    if (line ~ /^(push|enter|sub +\$0x[0-9a-f]+,%rsp)/ ||
        line ~ /^(stp|sub[ \t]+sp|str.*\[sp)/) {
        frame[current]++
    }
    # A branch to a name without offset that is not the function's own.
    if (word[1] ~ /^(call|j|b$|bl$|b\.|cb|tb)/ && match(line, /<[^>+]*>/)) {
        target = substr(line, RSTART + 1, RLENGTH - 2)
        sub(/\.cold$/, "", target)
        if (target != current) {
            calls[current]++
        }
    }
    # An unmarked indirect call would hide from the above.
    if (line ~ /^(call|jmp) +\*/ || word[1] ~ /^(blr|br)$/) {
        calls[current] += 100
    }
}

END {
    for (i = 1; i <= functions; i++) {
        f = order[i]
        printf "%s %d %d %d %d %d %d\n", f, instructions[f], atomics[f],
            fences[f], frame[f], calls[f], touches[f]
    }
}
