# Each #error, and what is in front of it. Part of run.

versions_error='wg.h: two different versions in one translation unit; keep one'
language_error='wg.h: needs C11 or C++11 or later, by gcc, clang or their like'
seam_error='wg.h: define all of WG_FUTEX_WAIT, WG_FUTEX_WAKE, WG_NOW_NS, or'
seam_error+=' none'
system_error='wg.h: needs Linux, or your own WG_FUTEX_WAIT and the rest of the'
system_error+=' seam'
atomics_error="wg.h: no lock-free 64-bit atomics here. With libatomic's locks,"
atomics_error+=' adds get lost between processes and hang in signal handlers;'
atomics_error+=' for neither, define WG_ALLOW_LIBATOMIC and link -latomic'

# What makes each of them come.
no_like=-U__ATOMIC_ACQ_REL
no_linux=-U__linux__
no_atomics=-U__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8
half=-DWG_NOW_NS=f
another=-DWG_VERSION=10000

gates() {
    check "C before C11 gets one #error" old_c
    check "C++ before C++11 gets one #error" old_cxx
    check "C without atomics gets one #error, C++ does not ask" no_c_atomics
    check "a compiler that is not like gcc gets one #error" unlike_compiler
    check "what else a C library may lack gets no #error" other_lacks
    check "no other names of compilers and systems are asked for" other_names
    check "C11, C17, C2x compile" compile_all "${c_compilers[*]%% *}" \
        c11 gnu11 c17 gnu17 c2x gnu2x
    check "C++11, 14, 17, 20, 2b compile" compile_all \
        "${cxx_compilers[*]%% *}" c++11 gnu++11 c++14 gnu++14 c++17 gnu++17 \
        c++20 gnu++20 c++2b gnu++2b
    check "each half of a seam gets one #error" halves_of_a_seam
    check "no Linux gets one #error" no_system
    check "no Linux, but the seam: compiles" seam_without_system
    check "no lock-free 64-bit atomics get one #error" locked_atomics
    check "no lock-free 64-bit atomics compile with WG_ALLOW_LIBATOMIC" \
        locked_atomics_allowed
    check "another version before this one gets one #error" other_version_first
    check "another version after this one gets one #error" other_version_last
    check "where several #errors fit, the first alone is said" which_error
    check "Cppcheck reads on, whatever the compiler and the system" cppcheck_on
}

# one_error TEXT COMPILER FLAG...: the preprocessor says exactly TEXT as its one
# error, leaves nothing of the header, and reads no other, which may not be there
# or may not compile. The compilers themselves add stdc-predef.h.
one_error() {
    local text=$1 cc left read
    read -ra cc <<<"$2"
    shift 2
    only_error "$text" "${cc[@]}" "$@" "${include[@]}" only_wg.c
    left=$(from_header <"$out.i")
    [ -z "$left" ] || fail "${cc[*]} $*: there is: ${left%%$'\n'*}"
    read=$(grep -E '^# [0-9]+ ".*\.h" 1\b' "$out.i" |
        grep -vE '/(wg|stdc-predef)\.h" 1\b')
    [ -z "$read" ] || fail "${cc[*]} $*: reads: ${read//$'\n'/ }"
}

# only_error TEXT COMPILER FLAG... FILE: what is left of it is in $out.i.
only_error() {
    local text=$1 errors
    shift
    echo "$*"
    "$@" -E -dD -w >"$out.i" 2>"$out.errors" && fail "$*: no error"
    errors=$(sed -nE 's/.* error: (#error )?"?(.*[^"])"?$/\2/p' "$out.errors")
    [ "$errors" = "$text" ] ||
        fail "$*: not just \"$text\" but: ${errors//$'\n'/; }"
}

# from_header: of preprocessed text, what has come from wg.h or another.*.h.
from_header() {
    awk '/^# [0-9]/ { inside = /\/(wg|another\.[A-Z]*)\.h"[ 0-9]*$/; next }
        inside && NF > 0'
}

# Whatever else is configured. What the seam and libatomic are an answer to is
# not asked then.
configured=(-DWG_PANIC=f -DWG_SPIN=0 -DWG_NO_THREADS -DWG_VALGRIND -DNDEBUG
    -fsanitize=thread)
answered=(-DWG_ALLOW_LIBATOMIC "${seam_names[@]}")

# all_get TEXT FLAG...: all compilers, each with these flags, whatever else is
# configured.
all_get() {
    local cc text=$1
    shift
    for cc in "${compilers[@]}"; do
        one_error "$text" "$cc" "$@"
    done
    for cc in "${both[@]}"; do
        one_error "$text" "$cc" "$@" "${configured[@]}"
    done
}

# always_get TEXT COMPILER FLAG...: with the seam and libatomic, too.
always_get() {
    local text=$1
    shift
    one_error "$text" "$@"
    one_error "$text" "$@" "${configured[@]}"
    one_error "$text" "$@" "${configured[@]}" "${answered[@]}"
}

# all_compile FLAG...
all_compile() {
    local cc
    for cc in "${compilers[@]}"; do
        compiles $cc "${include[@]}" "$@" -Wall -Wextra -fsyntax-only only_wg.c
    done
}

# The standards that there are, and the last number before C11's.
old_c() {
    local cc std
    for cc in gcc clang; do
        for std in c90 gnu90 c99 gnu99; do
            always_get "$language_error" "$cc -std=$std"
        done
        one_error "$language_error" "$cc -std=c11 -U__STDC_VERSION__"
        one_error "$language_error" \
            "$cc -std=c11 -U__STDC_VERSION__ -D__STDC_VERSION__=201111L"
    done
}

old_cxx() {
    local cc
    for cc in "g++ -xc++" "clang++ -xc++"; do
        always_get "$language_error" "$cc -std=c++98"
        always_get "$language_error" "$cc -std=gnu++98"
        one_error "$language_error" \
            "$cc -std=c++11 -U__cplusplus -D__cplusplus=201102L"
    done
}

no_c_atomics() {
    local cc
    for cc in "${c_compilers[@]}"; do
        one_error "$language_error" "$cc" -D__STDC_NO_ATOMICS__
        always_get "$language_error" "$cc" -D__STDC_NO_ATOMICS__=1
    done
    for cc in "${cxx_compilers[@]}"; do
        compiles $cc "${include[@]}" -D__STDC_NO_ATOMICS__=1 -fsyntax-only \
            only_wg.c
    done
}

# What C11 lets a compiler or C library leave out. Old ones lack threads.h.
other_lacks() {
    local name flags=()
    for name in THREADS VLA COMPLEX; do
        flags+=("-U__STDC_NO_${name}__" "-D__STDC_NO_${name}__=1")
    done
    all_compile "${flags[@]}"
    all_compile "${seam[@]}" "${flags[@]}"
}

# Names that gcc on GNU/Linux has beside those that are asked for: not every
# compiler that is like it, and not every Linux. Nor is a hosted one asked for.
other_names() {
    all_compile -U__gnu_linux__ -U__unix__ -Ulinux -D__ANDROID__
    all_compile -ffreestanding
    compiles clang -std=c11 -fgnuc-version=0 "${include[@]}" -fsyntax-only \
        only_wg.c
}

unlike_compiler() {
    all_get "$language_error" $no_like
}

# compile_all "COMPILER COMPILER" STANDARD...
compile_all() {
    local cc std names=$1
    shift
    for cc in $names; do
        for std in "$@"; do
            compiles "$cc" "-std=$std" "${include[@]}" -Wall -Wextra -pedantic \
                -fsyntax-only -x"$([[ $std == *++* ]] && echo c++ || echo c)" \
                only_wg.c
        done
    done
}

halves_of_a_seam() {
    local i wait=${seam_names[0]} wake=${seam_names[1]} now=${seam_names[2]}
    for i in $wait $wake $now "$wait $wake" "$wait $now" "$wake $now"; do
        all_get "$seam_error" $i
    done
}

no_system() {
    all_get "$system_error" $no_linux
    all_get "$system_error" $no_linux -DWG_ALLOW_LIBATOMIC
}

seam_without_system() {
    all_compile "${seam[@]}" $no_linux
}

locked_atomics() {
    all_get "$atomics_error" $no_atomics
    all_get "$atomics_error" $no_atomics "${seam_names[@]}"
}

locked_atomics_allowed() {
    all_compile $no_atomics -DWG_ALLOW_LIBATOMIC
    all_compile $no_atomics -DWG_ALLOW_LIBATOMIC=0 # defined is defined
    all_compile $no_atomics -DWG_ALLOW_LIBATOMIC "${seam[@]}"
}

# two_versions first|last: a file includes this version, and one that differs in
# one part and comes first or last. The second is an error, and adds nothing.
two_versions() {
    local cc part headers text all
    mkdir -p "$out"
    for part in MAJOR MINOR PATCH; do
        with_version $part $(($(version_part $part) + 1)) \
            >"$out/another.$part.h"
        headers=("$header" "$out/another.$part.h")
        [ "$1" = last ] || headers=("${headers[1]}" "${headers[0]}")
        printf '#include "%s"\n' "${headers[@]}" >"$out.c"
        head -n 1 "$out.c" >"$out.first.c"
        for cc in "gcc -std=c11" "clang++ -std=c++11 -xc++"; do
            only_error "$versions_error" $cc "$out.c"
            all=$(from_header <"$out.i")
            text=$($cc -E -dD "$out.first.c" | from_header)
            [ -n "$text" ] || fail "$cc: the first adds nothing"
            [ "$text" = "$all" ] || fail "$cc: the second adds something"
        done
    done
}

other_version_first() {
    two_versions first
    all_get "$versions_error" $another
    all_get "$versions_error" $another "${answered[@]}"
}

other_version_last() {
    two_versions last
}

# Each with all that come after it, and with what keeps those away.
which_error() {
    all_get "$versions_error" $another $no_like $half $no_linux $no_atomics
    all_get "$language_error" $no_like $half $no_linux $no_atomics
    all_get "$seam_error" $half $no_linux $no_atomics
    all_get "$system_error" $no_linux $no_atomics
    all_get "$language_error" $no_like "${seam_names[@]}" -DWG_ALLOW_LIBATOMIC
    all_get "$seam_error" $half -DWG_ALLOW_LIBATOMIC
}

# It does not know what these stand for.
cppcheck_on() {
    local cc flags text
    for cc in "gcc -std=c99" "g++ -std=c++98 -xc++"; do
        for flags in "" $no_like -D__STDC_NO_ATOMICS__ $half \
            "-DWG_FUTEX_WAIT=f -DWG_NOW_NS=f" $no_linux $no_atomics; do
            text=$($cc "${include[@]}" -D__CPPCHECK__ $flags -E only_wg.c \
                2>&1) || fail "$cc $flags: $(grep -m1 error <<<"$text")"
            [[ $text == *" wg_done(wg_t *wg);"* ]] ||
                fail "$cc $flags: nothing there"
        done
    done
    stops "$versions_error" gcc "${include[@]}" -D__CPPCHECK__ $another \
        -c only_wg.c -o "$out.o"
}
