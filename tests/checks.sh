# Runs checks two at a time and prints a line for each: what tests/matrix/run
# and tests/config/run have in common. Sourced by bash, after these are set:
#   build    the folder for what the checks make
#   all      yes: what is skipped is a failure
#   word     only checks with this in their names
#   results  the file that gets the lines
#   header   wg.h

# check NAME COMMAND...: runs the command, two of them at a time, and prints its
# verdict: 0 is ok, 3 a skip, anything else a failure. The last line of what it
# prints is the reason.
check() {
    local name=$1
    shift
    [[ $name == *"$word"* ]] || return 0
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
        wait -n
    done
    verdict "$name" "$@" &
}

verdict() {
    local name=$1 log status reason
    out=$build/out/${name//[^A-Za-z0-9+.=-]/_} # for the command's own files
    shift
    log=$("$@" 2>&1 </dev/null)
    status=$?
    reason=${log##*$'\n'}
    if [ $status -eq 0 ]; then
        echo "ok $name"
    elif [ $status -eq 3 ] && [ $all = no ]; then
        echo "SKIP $name: $reason"
    else
        printf '%s\n' "$log" >"$out.log"
        echo "FAIL $name: $reason"
    fi | tee -a "$results"
}

# begin COMMAND...: empties the list of results, unless none of the checks that
# the commands make has the word in its name.
begin() {
    local names
    names=$(check() { echo "$1"; } && for command; do $command; done)
    if [[ $names != *"$word"* ]]; then
        echo "no check has \"$word\" in its name" >&2
        exit 1
    fi
    : >"$results"
}

# finish: waits for all checks, and counts.
finish() {
    local passed failed skipped
    wait
    passed=$(grep -c '^ok ' "$results")
    failed=$(grep -c '^FAIL ' "$results")
    skipped=$(grep -c '^SKIP ' "$results")
    [ "$skipped" -eq 0 ] && skipped= || skipped=", $skipped skipped"
    echo "$passed passed, $failed failed$skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# fail REASON..., skip REASON...: end a check.
fail() {
    echo "$*"
    exit 1
}

skip() {
    echo "$*"
    exit 3
}

# has TOOL...: skips the check unless all of them are installed.
has() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "no $tool"
    done
}

# compiles COMMAND...: runs a compiler, which must not say a word.
compiles() {
    local log first
    if ! log=$("$@" 2>&1) || [ -n "$log" ]; then
        echo "$*"$'\n'"$log"
        first=$(grep -m1 -E 'error|warning|undefined' <<<"$log")
        fail "${first:-${log%%$'\n'*}}"
    fi
}

# stops TEXT COMMAND...: runs a compiler, which must report one error, TEXT.
stops() {
    local text=$1 log errors
    shift
    echo "$*"
    log=$("$@" 2>&1) && fail "no error where \"$text\" was expected"
    errors=$(grep -E 'error:' <<<"$log")
    [[ $(wc -l <<<"$errors") -eq 1 && $errors == *"$text"* ]] ||
        fail "not one error \"$text\" but: ${errors//$'\n'/; }"
}

# prints TEXT COMMAND...: runs a program, which must succeed and print TEXT.
prints() {
    local text=$1 log
    shift
    log=$(timeout 60 "$@" 2>&1) ||
        fail "status $? (124: not done in 60 s): ${log//$'\n'/; }"
    [ "$log" = "$text" ] || fail "prints \"$log\", not \"$text\""
}

# version_part MAJOR|MINOR|PATCH: of the header.
version_part() {
    sed -n "s/^#define WG_VERSION_$1 //p" "$header"
}

# with_version PART NUMBER: prints the header, as of another version.
with_version() {
    local major minor patch
    major=$(version_part MAJOR)
    minor=$(version_part MINOR)
    patch=$(version_part PATCH)
    case $1 in
    MAJOR) major=$2 ;;
    MINOR) minor=$2 ;;
    PATCH) patch=$2 ;;
    esac
    sed -e "s/^#define WG_VERSION_$1 .*/#define WG_VERSION_$1 $2/" \
        -e "s/WG_VERSION != [0-9]*/WG_VERSION != $((major * 10000 +
            minor * 100 + patch))/" "$header"
}
