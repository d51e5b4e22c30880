# Draws some rows of table.csv as table.svg: a band for each row, and in it a
# line for each peer, from wg.h's time to the peer's. Grey text and no background
# read well on light and on dark pages.
set terminal svg size 700,760 font "sans-serif,12"
set output "table.svg"
set datafile separator "\t"

# By their names in the table, which has all the others, too.
rows = "done|done by 8 threads|wait at zero|join: 1 us of work|" . \
    "join: 5 us of work|join: 100 us of work|joins: 9 of 5 us, 1 of 200|" . \
    "2 threads in turn, 2 us each|16 pairs on 2 cpus, fresh|" . \
    "in use: 1 pair, 2 us|wake 1|wake 64|ActuallyWait"
# The peers from the upper to the lower line of a band.
peers = "atomic mutex sem latch Go"
names = "'an atomic counter' 'mutex and condition' 'POSIX semaphore' " . \
    "'C++ std::latch' 'Go'"
colors = "#808080 #d95f02 #b8860b #1b9e77 #1f9ed8"
marks = "2 7 9 13 5"

count = int(system("printf '%s' '" . rows . "' | tr '|' '\n' | grep -c ."))
left = 0.05 # points beyond these are drawn on them
right = 50.0
clamp(x) = x < left ? left : x > right ? right : x
lane(i) = (i - 3) * 0.15

# data(peer): number of the row, ratio, label with wg.h's own time.
data(peer) = "< awk -F '\",\"|\",|\"' -v rows='" . rows . "' -v peer='" . peer . "' '" . \
    "BEGIN { n = split(rows, name, \"|\"); for (i in name) at[name[i]] = i - 1 } " . \
    "$3 in at && $4 == peer { split($5, value, \",\"); ns = value[1]; " . \
    "time = ns < 1000 ? sprintf(\"%.1f ns\", ns) : sprintf(\"%.1f us\", ns / 1000); " . \
    "if (ns != \"\") print at[$3] \"\\t\" value[3] \"\\t\" $3 \" (\" time \")\" }' table.csv"

grey = "#808080"
# One below the other, as the lines in a band are.
set key at screen 0.97, 0.99 right top vertical maxrows 5 reverse Left \
    samplen 1 spacing 1.2 textcolor rgb grey
set lmargin 34
set rmargin 6
set tmargin 7
set border 1 linecolor rgb grey
set logscale x
set xrange [left * 0.9 : right * 1.15]
set yrange [count - 0.5 : -0.5]
set xtics nomirror ("1/20 or less" 0.05, "1/4" 0.25, "1/2" 0.5, "1" 1, \
    "2" 2, "4" 4, "10" 10, "50 or more" 50) textcolor rgb grey
set xlabel "time as a multiple of wg.h's, which is in brackets\n" . \
    "left of 1: wg.h is slower; right of 1: wg.h is faster" textcolor rgb grey
set ytics scale 0 textcolor rgb grey
set grid xtics linecolor rgb grey linewidth 0.3
do for [i = 0 : count] {
    set arrow from left * 0.9, i - 0.5 to right * 1.15, i - 0.5 nohead \
        linecolor rgb grey linewidth 0.3
}
set arrow from 1, graph 0 to 1, graph 1 nohead linecolor rgb grey linewidth 2

plot data("wg.h") using (1):1:ytic(3) with points pointtype 0 notitle, \
    for [i = 1 : words(peers)] data(word(peers, i)) \
        using (1):($1 + lane(i)):(clamp($2) - 1):(0) with vectors nohead \
        linewidth 1.5 linecolor rgb word(colors, i) notitle, \
    for [i = 1 : words(peers)] data(word(peers, i)) \
        using (clamp($2)):($1 + lane(i)) with points \
        pointtype int(word(marks, i)) pointsize 0.7 \
        linecolor rgb word(colors, i) title word(names, i)
