# Draws table.csv as table.svg: a line for each row of the table, a point for
# each peer at its time as a multiple of wg.h's. Grey text and no background
# read well on light and on dark pages.
set terminal svg size 760,600 dynamic font "sans-serif,12"
set output "table.svg"
grey = "#808080"
left = 0.1 # points beyond these are drawn on them
right = 50.0
set datafile separator ","
set title "Time as a multiple of wg.h's: to the right of 1, wg.h is faster" textcolor rgb grey
set key outside bottom center horizontal textcolor rgb grey
set border 1 linecolor rgb grey
set logscale x
set xrange [left * 0.9 : right * 1.1]
set xtics nomirror ("1/10 or less" 0.1, "1/4" 0.25, "1/2" 0.5, "1" 1, "2" 2, \
    "4" 4, "10" 10, "50 or more" 50) textcolor rgb grey
set ytics scale 0 textcolor rgb grey
set grid xtics ytics linecolor rgb grey linewidth 0.3
set arrow from 1, graph 0 to 1, graph 1 nohead linecolor rgb grey linewidth 2

peers = "atomic mutex sem latch nsync absl Go"
names = "bare_atomic mutex+cond semaphore std::latch nsync absl Go"
colors = "#808080 #d95f02 #b8860b #1b9e77 #7570b3 #e7298a #1f9ed8"
rows = int(system("grep wg.h table.csv | grep -vc bytes"))
set yrange [rows - 0.5 : -0.5]
clamp(x) = x < left ? left : x > right ? right : x
# The rows in their order, numbered; awk leaves out who cannot do a row.
data(peer) = "< awk -F, 'NR > 1 && !/bytes/ { " . \
    "if (!($1 $2 in at)) at[$1 $2] = n++; if ($3 == \"\\\"" . peer . \
    "\\\"\" && $4 != \"\") print at[$1 $2] \",\" $6 \",\" $2 }' table.csv"
plot data("wg.h") using (1):1:ytic(3) with points pointtype 0 notitle, \
    for [i = 1 : words(peers)] data(word(peers, i)) using (clamp($2)):1 \
    with points pointtype (i == 1 ? 2 : 7) pointsize 0.6 \
    linecolor rgb word(colors, i) \
    title system("echo " . word(names, i) . " | tr _ ' '")
