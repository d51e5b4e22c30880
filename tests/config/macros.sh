# Each configuration macro has the effect that the manual says, and no other.
# Part of run.

all_calls=(wg_add wg_close wg_count wg_done wg_go wg_init wg_init_shared
    wg_try_add wg_try_wait wg_wait wg_wait_for wg_wait_until)
# What the header leaves defined; the last two are what WG_DEFER_DONE is made
# of.
all_macros=(WG_INIT WG_INIT_SHARED WG_SPIN WG_VERSION WG_VERSION_MAJOR
    WG_VERSION_MINOR WG_VERSION_PATCH WG_DEFER_DONE WG_DEFER_DONE_AS_
    WG_DEFER_DONE_AT_)

macros() {
    check "WG_VERSION is made of its parts" version_of_parts
    check "the version in the guard is WG_VERSION" version_in_guard
    check "the header twice is the header once" twice
    check "the header leaves no macros but those of the manual" left_macros
    check "the header declares no names but wg and wg_..." left_names
    check "the header leaves warnings as they were" left_warnings
    check "the header leaves visibility as it was" left_visibility
    check "the calls have the types of the manual" types
    check "C++ has the atomic operations and memory orders of C" same_atomics
    check "no call is seen outside its translation unit" no_external_symbol
    check "results that must be looked at warn when dropped, others do not" \
        dropped_results

    check "a misuse is one write to standard error, then an abort" \
        last_words aborted
    check "WG_PANIC is called with the line, instead, then an abort" \
        last_words aborted -DPANIC_RETURNS
    check "WG_PANIC need not return" last_words aborted -DPANIC_EXITS
    check "WG_PANIC changes nothing else" panic_alone
    check "WG_SPIN is 1000, and 0 with the seam, unless defined" spins
    check "WG_SPIN 0 and the seam leave no thread-local variable" thread_locals
    check "the header has no variable that threads share" no_variables
    check "WG_NO_THREADS leaves out wg_go and pthread.h, no more" no_threads
    check "the seam includes no system header" seam_headers
    check "the seam needs no function but write, and on Linux one more" \
        seam_functions
    check "nothing is allocated but by wg_go, and nothing needs linking" \
        functions
    check "each macro of the seam is expanded in one place" seam_once
    check "the seam has wg_wait_until after time.h, wg_go after pthread.h" \
        seam_calls
    check "WG_VALGRIND includes valgrind/helgrind.h, alone" valgrind_header
    check "WG_VALGRIND tells what is ordered" valgrind_requests
    check "WG_ALLOW_LIBATOMIC changes nothing here" allow_libatomic
    check "no macros change the layout" layouts
    check "another layout does not compile" other_layouts
}

# ---- What the header leaves ----

version_of_parts() {
    local cc
    mkdir -p "$out"
    sed -e 's/^#define WG_VERSION_MAJOR .*/#define WG_VERSION_MAJOR 3/' \
        -e 's/^#define WG_VERSION_MINOR .*/#define WG_VERSION_MINOR 14/' \
        -e 's/^#define WG_VERSION_PATCH .*/#define WG_VERSION_PATCH 15/' \
        "$header" >"$out/wg.h"
    cat >"$out.c" <<'END'
#include "wg.h"
#if WG_VERSION != 31415 || 2 * WG_VERSION != 62830
#error WG_VERSION
#endif
int version[WG_VERSION == 31415 ? 1 : -1];
END
    for cc in "${both[@]}"; do
        compiles $cc -I "$out" -fsyntax-only "$out.c"
    done
}

# Where this version is there already, nothing is added or complained of.
version_in_guard() {
    local cc text version
    version=$(($(version_part MAJOR) * 10000 + $(version_part MINOR) * 100 +
        $(version_part PATCH)))
    for cc in "${compilers[@]}"; do
        compiles $cc "${include[@]}" -DWG_VERSION=$version -fsyntax-only \
            only_wg.c
        text=$(header_text $cc -DWG_VERSION=$version)
        [ -z "$text" ] || fail "$cc: adds ${text%%$'\n'*}"
    done
}

# header_text COMPILER FLAG...: what is left of the header.
header_text() {
    "$@" "${include[@]}" -E -dD only_wg.c | from_header
}

# Included again under another name, too.
twice() {
    local cc
    cp "$header" "$out.h"
    printf '#include "%s"\n' wg.h wg.h "$out.h" >"$out.c"
    for cc in "${both[@]}"; do
        compiles $cc "${include[@]}" "${seam[@]}" $no_linux -fsyntax-only \
            "$out.c"
        compiles $cc "${include[@]}" -Wall -Wextra -Wredundant-decls \
            -fsyntax-only "$out.c"
        [ "$($cc "${include[@]}" -E -P "$out.c")" = \
            "$($cc "${include[@]}" -E -P only_wg.c)" ] || fail "$cc: adds"
    done
}

left_macros() {
    local cc flags wanted found
    wanted=$(printf '%s\n' "${all_macros[@]}" | sort)
    for cc in "${both[@]}"; do
        for flags in "" -fsanitize=thread -DWG_NO_THREADS -DWG_SPIN=1 \
            "${seam_names[*]}" -DWG_VALGRIND; do
            found=$(header_text $cc -I "$here/fake" $flags |
                sed 's/(/ /' | awk '
                $1 == "#define" { there[$2] = 1 }
                $1 == "#undef" { delete there[$2] }
                END { for (name in there) print name }' | sort)
            [[ $flags != -DWG_SPIN* ]] || found=$(sort <<<"$found"$'\nWG_SPIN')
            [ "$found" = "$wanted" ] || fail "$cc $flags: $(differ)"
        done
        # Nor does it take away what the program has defined.
        found=$(header_text $cc -I "$here/fake" "${seam[@]}" -DWG_NO_THREADS |
            sed -nE 's/^#undef (WG_\w*[A-Z])$/\1/p')
        [ -z "$found" ] || fail "$cc: undefines ${found//$'\n'/ }"
    done
}

# differ: says how found differs from wanted.
differ() {
    diff <(echo "$wanted") <(echo "$found") |
        sed -n -e 's/^</lacks/p' -e 's/^>/has/p' | tr '\n' ' '
}

# clang lists them. What the headers declare that wg.h includes is not its own.
left_names() {
    local cc names flags=()
    for cc in "clang -std=c11" "clang++ -std=c++11 -xc++"; do
        printf '#include <%s>\n' errno.h limits.h pthread.h stdbool.h stddef.h \
            stdint.h stdlib.h sys/syscall.h time.h >"$out.c"
        [[ $cc == *++* ]] || echo '#include <stdatomic.h>' >>"$out.c"
        list_names $cc "$out.c" >"$out.without"
        for flags in "" -DWG_SPIN=0 -DWG_NO_THREADS "${seam_names[*]}"; do
            list_names $cc "${include[@]}" $flags only_wg.c >"$out.with"
            names=$(comm -13 "$out.without" "$out.with")
            [[ $names == *wg_add* ]] || fail "$cc $flags: no names"
            names=$(grep -vE '^(wg|wg_.*|WG_.*|f|__(builtin|c11|atomic)_.*)$' \
                <<<"$names")
            [ -z "$names" ] || fail "$cc $flags: declares ${names//$'\n'/ }"
        done
    done
}

# list_names COMPILER FLAG... FILE: all that is declared outside of functions.
list_names() {
    local objects='(Function|Var|Typedef|EnumConstant)Decl'
    local types='(CXXRecord|Record|Enum)Decl'
    "$@" -w -fsyntax-only -Xclang -ast-dump | sed 's/ definition$//' |
        sed -nE -e "s/^(\| )?[|\`]-$objects .* (\w+) '.*/\3/p" \
            -e "s/^[|\`]-$types .* (\w+)$/\2/p" | sort -u
}

left_warnings() {
    local cc language
    for cc in "${compilers[@]}"; do
        language='// warns'
        [[ $cc != *++* ]] || language='// warns( in C\+\+)?'
        [[ $cc != g++* ]] || language="// warns( in (gcc's )?C\+\+)?"
        local flags=(-Wall -Wextra -Wconversion -Wsign-conversion -Wcast-qual
            -Wshadow -Wunused)
        [[ $cc != *++* ]] || flags+=(-Wold-style-cast
            -Wzero-as-null-pointer-constant)
        [[ $cc != g++* ]] || flags+=(-Wuseless-cast)
        warns "$language" "$here/after.c" $cc "${flags[@]}"
    done
}

# warns MARK FILE COMPILER FLAG...: of all lines that are read, exactly those of
# the file that end in the mark get a warning.
warns() {
    local mark=$1 file=$2 wanted found
    shift 2
    wanted=$(grep -nE "$mark\$" "$file" | cut -d : -f 1)
    found=$("$@" "${include[@]}" -c "$file" -o "$out.o" 2>&1 |
        sed -nE 's/^([^:]+:[0-9]+):.*(warning|error): .*/\1/p' | sort -u |
        sed "s,^$file:,," | sort -n)
    [ "$found" = "$wanted" ] || fail "$1: other lines than those marked:" \
        "$(differ)"
}

# By default and under each setting, and whatever the header says in between.
left_visibility() {
    local cc
    cat >"$out.c" <<'END'
#pragma GCC visibility push(hidden)
#include "wg.h"
int in_a_push(void);
int in_a_push(void) { return 0; }
#pragma GCC visibility pop
int outside(void);
int outside(void) { return 0; }
END
    for cc in "${both[@]}"; do
        compiles $cc -Wall -Wextra "${include[@]}" -c "$out.c" -o "$out.o"
        readelf -sW "$out.o" >"$out.symbols"
        [ "$(visibility in_a_push)" = HIDDEN ] || fail "$cc: ends a push"
        [ "$(visibility outside)" = DEFAULT ] || fail "$cc: a push is left"
        compiles $cc -fvisibility=hidden "${include[@]}" -c "$out.c" -o "$out.o"
        readelf -sW "$out.o" >"$out.symbols"
        [ "$(visibility outside)" = HIDDEN ] || fail "$cc: leaves a push"
    done
}

visibility() {
    awk -v name="$1" '$8 ~ name { print $6 }' "$out.symbols"
}

# ---- The calls ----

# uses COMPILER FLAG...: calls.c compiles without a word.
uses() {
    compiles "$@" "${include[@]}" -Wall -Wextra -Werror -fsyntax-only \
        "$here/calls.c"
}

types() {
    local cc
    for cc in "${compilers[@]}"; do
        uses $cc
        uses $cc -DWG_SPIN=0
    done
}

# The explorer and the race detectors run C. What clang makes of either language
# names each operation and its orders.
same_atomics() {
    local wanted found flags
    for flags in "" -DWG_SPIN=0 -D__SANITIZE_THREAD__ \
        "-include pthread.h ${seam[*]}"; do
        wanted=$(atomics clang -std=c11 $flags)
        found=$(atomics clang++ -std=c++11 -xc++ $flags)
        grep -q 'acq_rel' <<<"$wanted" || fail "$flags: no acq_rel in C"
        [ "$found" = "$wanted" ] || fail "$flags: $(differ)"
    done
}

# atomics COMPILER FLAG...
atomics() {
    "$@" "${include[@]}" -w -O0 -S -emit-llvm -o - "$here/calls.c" |
        sed -nE -e 's/^.*(atomicrmw|cmpxchg|load atomic|store atomic) /\1 /' \
            -e '/^(atomicrmw|cmpxchg|load atomic|store atomic)/ {
                s/[%@]["A-Za-z0-9_.]+//g; p; }' | sort
}

# Neither functions nor variables, with all functions kept.
no_external_symbol() {
    local cc flags symbols
    local others='^DW\.ref\.|__clang_call_terminate|__pthread_cleanup_class'
    for cc in "${both[@]}"; do
        for flags in "" "-include pthread.h ${seam[*]}"; do
            compiles $cc "${include[@]}" -w $flags -O0 -c "$here/calls.c" \
                -o "$out.o"
            symbols=$(nm -g --defined-only "$out.o" | awk '{ print $3 }' |
                grep -vE "$others")
            [ "$symbols" = use_all ] ||
                fail "$cc $flags: defines ${symbols//$'\n'/ }"
        done
    done
}

dropped_results() {
    local cc
    for cc in "${compilers[@]}"; do
        warns '// warns' "$here/dropped.c" $cc -Wall -Wextra
        warns '// warns' "$here/dropped.c" $cc -Wall -Wextra "${seam[@]}" \
            -include pthread.h
    done
}

# ---- The macros ----

# last_words TEXT FLAG...: panic.c prints TEXT, over the kernel and the seam, as a
# program is built to be debugged and as it is built for good.
last_words() {
    local cc text=$1
    shift
    for cc in "${both[@]}"; do
        compiles $cc "${include[@]}" -w "$@" "$here/panic.c" -o "$out"
        prints "$text" "$out"
        compiles $cc "${include[@]}" -w -O2 -DNDEBUG "${seam[@]}" "$@" \
            "$here/panic.c" -o "$out"
        prints "$text" "$out"
    done
}

# It may leave the message alone. Without it, the same calls and headers.
panic_alone() {
    local cc
    for cc in "${both[@]}"; do
        uses $cc '-DWG_PANIC(message)=do { (void)(message); } while (0)'
        uses $cc '-DWG_PANIC(message)=(void)0'
        has_calls "" $cc '-DWG_PANIC(message)=(void)0'
        [ "$(headers_of $cc)" = \
            "$(headers_of $cc '-DWG_PANIC(message)=(void)0')" ] ||
            fail "$cc: other headers"
    done
}

# has_calls "MISSING..." COMPILER FLAG...: all calls are there but these.
has_calls() {
    local wanted found missing=" $1 " name
    shift
    wanted=$(for name in "${all_calls[@]}"; do
        [[ $missing == *" $name "* ]] || echo "$name"
    done)
    found=$("$@" "${include[@]}" -E -P only_wg.c |
        grep -oE '\bwg_[a-z_]*[a-z]\(' | tr -d '(' | sort -u)
    [ "$found" = "$wanted" ] || fail "$*: $(differ)"
}

# headers_of COMPILER FLAG...: all that are read.
headers_of() {
    "$@" "${include[@]}" -w -M only_wg.c | tr -s ' \\' '\n' | grep '\.h$'
}

spins() {
    local cc value
    printf '#include "wg.h"\nspin = WG_SPIN\n' >"$out.c"
    for cc in "${both[@]}"; do
        is_spin 1000 $cc
        is_spin 1000 $cc -DWG_NO_THREADS -DWG_VALGRIND -I "$here/fake" \
            '-DWG_PANIC(x)=f(x)' -fsanitize=thread -D__SANITIZE_THREAD__
        is_spin 0 $cc "${seam[@]}"
        for value in 0 2000; do
            is_spin $value $cc -DWG_SPIN=$value
            is_spin $value $cc -DWG_SPIN=$value "${seam[@]}"
        done
    done
}

is_spin() {
    local value=$1 text
    shift
    text=$("$@" "${include[@]}" -E -P "$out.c" | tail -n 1)
    [ "$text" = "spin = $value" ] || fail "$*: $text, not $value"
}

thread_locals() {
    local cc
    for cc in "${both[@]}"; do
        has_thread_locals "1 wg_misses_ 1 wg_skips_" $cc
        has_thread_locals "1 wg_misses_ 1 wg_skips_" $cc -DWG_SPIN=1
        has_thread_locals "1 wg_misses_ 1 wg_skips_" $cc -DWG_VALGRIND \
            -I "$here/fake" '-DWG_PANIC(x)=(void)(x)' -fsanitize=thread
        has_thread_locals "" $cc -DWG_SPIN=0
        has_thread_locals "" $cc -include pthread.h "${seam[@]}" -DWG_SPIN=1
    done
}

has_thread_locals() {
    local wanted=$1 found
    shift
    compiles "$@" "${include[@]}" -w -O0 -c "$here/calls.c" -o "$out.o"
    found=$(readelf -sW "$out.o" | awk '$4 == "TLS" { print $3, $8 }' |
        c++filt -t | sort | tr '\n' ' ')
    [ "${found% }" = "$wanted" ] || fail "$*: has \"${found% }\""
}

# In functions, too. Those of calls.c have their names there.
no_variables() {
    local cc flags name
    for cc in "${both[@]}"; do
        for flags in "" -DWG_SPIN=0 "-include pthread.h ${seam[*]}"; do
            compiles $cc "${include[@]}" -w $flags -O0 -c "$here/calls.c" \
                -o "$out.o"
            readelf -sW "$out.o" | awk '$4 == "OBJECT" { print $8 }' |
                sed -E -e '/^(DW\.ref|\.L)/d' -e 's/^_ZL[0-9]+//' \
                    -e 's/\.[0-9]+$//' | sort >"$out.variables"
            grep -qx shared_group "$out.variables" || fail "$cc $flags: none"
            while read -r name; do
                grep -qw "$name" "$here/calls.c" || fail "$cc $flags: $name"
            done <"$out.variables"
        done
    done
}

# Defined is defined, whatever as.
no_threads() {
    local cc value
    for cc in "${both[@]}"; do
        has_calls "" $cc
        headers_of $cc | grep -q '/pthread\.h$' || fail "$cc: not without it"
        for value in "" 0 1; do
            has_calls wg_go $cc -DWG_NO_THREADS=$value
            ! headers_of $cc -DWG_NO_THREADS=$value | grep -q '/pthread\.h$' ||
                fail "$cc: pthread.h"
        done
        has_calls wg_go $cc -include pthread.h -DWG_NO_THREADS
        uses $cc -DWG_NO_THREADS -DNO_GO
        [ -z "$(comm -13 <(header_text $cc | sort) \
            <(header_text $cc -DWG_NO_THREADS | sort))" ] || fail "$cc: adds"
    done
}

# The compilers' own are there without a C library, too.
seam_headers() {
    local cc headers own flags
    for cc in "${both[@]}"; do
        own=$($cc -print-file-name=include)
        uses $cc "${seam[@]}" -DNO_GO -DNO_UNTIL -ffreestanding -nostdinc \
            -isystem "$own"
        for flags in "" -DWG_SPIN=10 "-DWG_PANIC(x)=f(x)" -DWG_NO_THREADS \
            "-include time.h" "-include pthread.h -DWG_NO_THREADS"; do
            headers=$(included $cc "${seam[@]}" $flags |
                grep -vxE 'std(bool|def|int|atomic)\.h')
            [ -z "$headers" ] || fail "$cc $flags: ${headers//$'\n'/ }"
        done
        headers=$(included $cc "${seam[@]}" -include pthread.h |
            grep -vxE '(std(bool|def|int|atomic|lib)|errno)\.h')
        [ -z "$headers" ] || fail "$cc, after pthread.h: ${headers//$'\n'/ }"
    done
}

# included COMPILER FLAG...: the names of the headers that wg.h itself includes.
included() {
    "$@" "${include[@]}" -w -fsyntax-only -H only_wg.c 2>&1 |
        sed -n -e '/^\. .*\/wg\.h$/,$ { s/^\.\. .*\///p; }'
}

seam_calls() {
    local cc
    # Whatever the C library calls its own guards.
    printf '#%s\n' 'include <pthread.h>' 'include <time.h>' 'undef _TIME_H' \
        'undef _PTHREAD_H' >"$out.h"
    for cc in "${both[@]}"; do
        has_calls "" $cc "${seam[@]}" -include "$out.h"
        has_calls "wg_go wg_wait_until" $cc "${seam[@]}"
        has_calls wg_go $cc "${seam[@]}" -include time.h
        has_calls "" $cc "${seam[@]}" -include pthread.h # which has time.h
        has_calls wg_go $cc "${seam[@]}" -include pthread.h -DWG_NO_THREADS
        uses $cc "${seam[@]}" -include time.h -DNO_GO
        uses $cc "${seam[@]}" -include pthread.h
    done
}

# What the compiler may call by itself is a part of it, on other systems too.
# wanted COMMAND... - the symbols that a compiled calls.c wants, a line each, but
# for what compilers call by themselves.
wanted() {
    compiles "$@" "${include[@]}" -w -fno-stack-protector -fno-exceptions \
        -c "$here/calls.c" -o "$out.o"
    nm -u "$out.o" | awk '{ print $2 }' |
        grep -vxE '_GLOBAL_OFFSET_TABLE_|abort|snprintf|mem...' | sort
}

functions() {
    local cc symbols
    for cc in "${both[@]}"; do
        symbols=$(wanted $cc -DWG_NO_THREADS -DNO_GO |
            grep -vxE '_+errno_location|clock_gettime|syscall')
        [ -z "$symbols" ] ||
            fail "$cc without wg_go: wants ${symbols//$'\n'/ }"
    done
}

# On Linux that is pthread_setcancelstate, which holds a cancellation back.
seam_functions() {
    local cc flags
    for cc in "${both[@]}"; do
        for flags in "" -DWG_NO_THREADS; do
            seam_wants "pthread_setcancelstate write" $cc $flags
            seam_wants write $cc -U__linux__ $flags
        done
    done
}

seam_wants() {
    local symbols
    symbols=$(wanted "${@:2}" "${seam[@]}" -DNO_GO -DNO_UNTIL | xargs)
    [ "$symbols" = "$1" ] || fail "${*:2}: wants $symbols, not $1"
}

# So that it may have statements, labels and static variables of its own.
seam_once() {
    local cc text name
    for cc in "${both[@]}"; do
        text=$($cc "${include[@]}" -E -P -include pthread.h \
            '-DWG_FUTEX_WAIT(a,b,c,d)=seam_wait' \
            '-DWG_FUTEX_WAKE(a,b)=seam_wake' '-DWG_NOW_NS()=seam_now' only_wg.c)
        for name in seam_wait seam_wake seam_now; do
            [ "$(grep -ow "$name" <<<"$text" | wc -l)" -eq 1 ] ||
                fail "$cc: not one $name"
        done
    done
}

valgrind_header() {
    local cc fake=$here/fake with without value
    for cc in "${both[@]}"; do
        without=$(headers_of $cc -I "$fake")
        with=$(headers_of $cc -I "$fake" -DWG_VALGRIND |
            grep -v '/valgrind/helgrind\.h$')
        ! grep -q '/valgrind/[a-z]*\.h$' <<<"$without" ||
            fail "$cc: not asked for"
        [ "$without" = "$with" ] || fail "$cc: other headers"
        for value in "" 0 1; do
            headers_of $cc -I "$fake" -DWG_VALGRIND=$value |
                grep -q '/valgrind/helgrind\.h$' || fail "$cc: not there"
        done
        has_calls "" $cc -I "$fake" -DWG_VALGRIND
    done
}

valgrind_requests() {
    local cc
    for cc in "${both[@]}"; do
        compiles $cc -w "${include[@]}" -I "$here/fake" "$here/valgrind.c" \
            -o "$out"
        prints noted "$out"
    done
}

allow_libatomic() {
    local cc
    for cc in "${both[@]}"; do
        [ "$(header_text $cc)" = "$(header_text $cc -DWG_ALLOW_LIBATOMIC)" ] ||
            fail "$cc: changes"
    done
}

# Each with each other; then one at a time. Where no C library is needed, there
# are 32 bits, too.
layouts() {
    local cc flags mask i
    local all=("${seam[*]}" -DWG_SPIN=0 -DWG_NO_THREADS -DWG_VALGRIND)
    for ((mask = 0; mask < 16; mask++)); do
        flags=(-I "$here/fake")
        for i in 0 1 2 3; do
            ((mask >> i & 1)) && flags+=(${all[i]})
        done
        compiles gcc -std=c11 "${include[@]}" "${flags[@]}" -fsyntax-only \
            "$here/layout.c"
    done
    for cc in "${both[@]}"; do
        for flags in "" "${all[@]}" '-DWG_PANIC=(void)' -fsanitize=thread; do
            compiles $cc "${include[@]}" -I "$here/fake" $flags -fsyntax-only \
                "$here/layout.c"
        done
        case $(uname -m) in
        x86_64) compiles $cc -m32 -march=i686 "${include[@]}" "${seam[@]}" \
            -ffreestanding -nostdinc -fsyntax-only \
            -isystem "$($cc -print-file-name=include)" "$here/layout.c" ;;
        esac
    done
}

# A size, an alignment, and an offset, each alone, as a maintainer may change it.
other_layouts() {
    local cc edit
    mkdir -p "$out"
    for edit in 's/uint8_t spare\[3\];/uint8_t spare[11];/' \
        's/__attribute__((__aligned__(8)));/__attribute__((__aligned__(16)));/' \
        's/\( uint8_t\) race;.*/\1 before[2], race;/
            s/ uint8_t spare\[3\];.*/ uint8_t spare[1];/'; do
        # What comes after it knows the members.
        sed '/^#define WG_CHECK_RESULT_/,$d' "$header" >"$out.before"
        sed -e "$edit" -e 's/constexpr wg(.*//' "$out.before" >"$out/wg.h"
        echo '#endif' >>"$out/wg.h"
        for cc in "${both[@]}"; do
            stops "the layout of wg_t is an ABI" $cc -w -I "$out" -c only_wg.c \
                -o "$out.o"
        done
    done
}
