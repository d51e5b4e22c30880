# awk -f lines.awk GCOV - GCOV is what "gcov -t" prints of one or several builds
#
# Prints each line of wg.h that ran in none of them, and fails if there is one;
# on standard error, how often each function was called. Left out are the lines
# that only misuse reaches, or a clock that fails.

BEGIN { FS = ":" }

# "count:number:text". The count is - where no code is, ##### where none ran.
{
    number = $2 + 0
    text = $0
    sub(/^[^:]*:[^:]*:/, "", text)
}
number == 0 && text ~ /^Source:/ { is_header = text ~ /\/wg\.h$/ }
number == 0 || !is_header { next }
{
    texts[number] = text
    if (number > last)
        last = number
}
$1 !~ /-$/ {
    is_code[number] = 1
    ran[number] += $1
}

END {
    for (n = 1; n <= last; n++) {
        text = texts[n]
        # A function that panics, and not its declaration; a call of one, which
        # may go on in the next line; and what is found out before the call.
        if (text ~ /^[^ ].*wg_panic[a-z_]*\(.*[^;]$/)
            panics = 1
        if (text ~ /wg_panic/)
            calls_panic = 1
        before_panic = text ~ /^ *wg_check_\(wg, wg_load_/ ||
                       text ~ /^ *wg_counter_\(old\) <= 0( &&|;)$/ ||
                       text ~ /^ *wg_waiters_\(old\) == 0;$/
        if (is_code[n] && !ran[n] && !panics && !calls_panic && !before_panic) {
            print "line " n " never ran: " text
            failed = 1
        }
        if (is_code[n] && ran[n] && match(text, /^[^ ].*[ *]wg_[a-z_]*\(/)) {
            name = substr(text, 1, RLENGTH - 1)
            sub(/.*[ *]/, "", name)
            called[name] += ran[n]
            if (called[name] == ran[n])
                names[++functions] = name
        }
        if (text ~ /;$/)
            calls_panic = 0
        if (text ~ /^}/)
            panics = 0
    }
    for (i = 1; i <= functions; i++)
        print "    " called[names[i]] " " names[i] > "/dev/stderr"
    if (functions == 0)
        print "no function of wg.h ran"
    exit failed || functions == 0
}
