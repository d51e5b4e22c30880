# Languages, compilers, warnings, checkers, two copies. Part of run.

# Compilers by language, each with the tool's flags that make a variant of it.
c_compilers=(gcc-11 gcc-12 clang-14 clang-19)
cxx_compilers=(g++-11 g++-12 clang++-14 clang++-19 "clang++-19 -stdlib=libc++")
c_standards=(c11 gnu11 c17 gnu17 c2x gnu2x)
cxx_standards=(c++11 gnu++11 c++14 gnu++14 c++17 gnu++17 c++20 gnu++20
    c++2b gnu++2b)

strict=(-pedantic-errors -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow
    -Wcast-qual -Wcast-align -Wundef -Wredundant-decls -Wwrite-strings -Werror
    -I "$root/include")
strict_c=("${strict[@]}" -Wstrict-prototypes -Wmissing-prototypes
    -Wc++-compat -xc)
strict_cxx=("${strict[@]}" -Wold-style-cast -Wzero-as-null-pointer-constant -xc++)

# What -Weverything says of wg.h for a reason.
everything=(
    -Weverything -Werror -I "$root/include"
    -Wno-unknown-warning-option        # what clang 14 has not heard of
    -Wno-used-but-marked-unused        # cold functions, for gcc, in any file
    -Wno-extra-semi-stmt               # the ; after pthread_cleanup_push(...)
    -Wno-unsafe-buffer-usage           # arrays and offsets: C has no other
)
everything_c=(
    -xc
    -Wno-declaration-after-statement   # C90
    -Wno-pre-c11-compat                # C99
    -Wno-pre-c23-compat                # under C2x, whatever C11 lacks
)
everything_cxx=(
    -xc++
    -Wno-c++98-compat                  # C++98, which has no
    -Wno-c++98-compat-pedantic         # long long
)

# All of clang-tidy's checks of these kinds, but for:
tidy='-*,clang-analyzer-*,bugprone-*,cert-*,concurrency-*,misc-*,performance-*'
tidy+=',portability-*'
tidy+=',-bugprone-easily-swappable-parameters' # any two integers side by side
tidy+=',-misc-include-cleaner' # pthread_t is in bits/pthreadtypes.h
tidy+=',-misc-non-private-member-variables-in-classes' # wg_t is a C struct
tidy+=',-performance-enum-size' # C's enums have one size
tidy+=',-clang-analyzer-security.insecureAPI.Deprecated*' # wants snprintf_s

features=(_ISOC11_SOURCE _GNU_SOURCE _DEFAULT_SOURCE _POSIX_C_SOURCE=199309L
    _POSIX_C_SOURCE=200809L _XOPEN_SOURCE=500 _XOPEN_SOURCE=700)
headers=(assert.h complex.h ctype.h errno.h fenv.h inttypes.h limits.h math.h
    pthread.h sched.h setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h
    stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h sys/mman.h
    sys/stat.h sys/syscall.h sys/time.h sys/types.h sys/wait.h threads.h time.h
    unistd.h)
cxx_headers=(algorithm atomic chrono condition_variable csignal cstdint cstdlib
    ctime functional future memory mutex new string system_error thread vector)

need_languages() {
    "$root/tests/need" gcc-11 gcc-12 g++-11 g++-12 gcc-11-multilib \
        g++-11-multilib gcc-12-multilib g++-12-multilib clang-14 clang-19 \
        lld-14 lld-19 libc++-19-dev libc++abi-19-dev musl-tools tcc \
        clang-tidy-19 cppcheck
}

languages() {
    local bits cc lto version
    other_version
    for bits in 64 32; do
        for cc in "${c_compilers[@]}"; do
            check "C11 to C2x, $cc -m$bits, strict warnings" \
                standards $bits "$cc" strict_c "${c_standards[@]}"
        done
        for cc in "${cxx_compilers[@]}"; do
            check "C++11 to C++23, $cc -m$bits, strict warnings" \
                standards $bits "$cc" strict_cxx "${cxx_standards[@]}"
        done
        for cc in clang-14 clang-19; do
            check "C11 to C2x, $cc -m$bits, -Weverything" \
                weverything $bits "$cc" everything_c c11 c2x
            check "C++11 to C++20, $cc -m$bits, -Weverything" \
                weverything $bits "$cc" everything_cxx c++11 c++20
        done
    done
    for cc in gcc-12 clang-19 musl-gcc; do
        check "$cc, after any system header and feature macro" after_headers \
            "$cc -std=c11" strict_c "${headers[@]}"
    done
    for cc in g++-12 clang++-19 "clang++-19 -stdlib=libc++"; do
        check "$cc, after any system header and feature macro" after_headers \
            "$cc -std=c++17" strict_cxx "${headers[@]/stdatomic.h/stddef.h}" \
            "${cxx_headers[@]}"
    done

    for cc in "${cxx_compilers[@]}"; do
        check "C++11 to C++23, $cc, what becomes a group and what does not" \
            object "$cc"
    done
    for cc in "gcc-12 -std=c11" "clang-14 -std=c11" "clang-19 -std=c11" \
        "g++-12 -xc++" "clang++-14 -xc++" "clang++-19 -xc++"; do
        check "${cc%% *}, hidden visibility around the include" hidden "$cc"
        check "${cc%% *}, a seam of any names, without system headers" seam "$cc"
    done

    check "tcc gets one #error" tcc_stops
    check "gcc -fanalyzer finds nothing" clean gcc-12 analyzer
    check "clang-tidy finds nothing, in C" clean clang-tidy-19 tidy
    check "clang-tidy finds nothing, in C++" clean clang-tidy-19 tidy_cxx
    check "cppcheck finds nothing" clean cppcheck cppcheck_all
    check "cppcheck reads on after wg.h, told nothing" cppcheck_user

    check "two versions in two files work together" halves \
        "gcc-12 -std=c11" "gcc-12 -std=c11 -I other"
    for lto in "" " -flto"; do
        check "C and C++ share a group, gcc$lto" halves \
            "gcc-12 -std=c11$lto" "g++-12 -std=c++11$lto -xc++"
        check "C++ and C share a group, gcc$lto" halves \
            "g++-12 -std=c++20$lto -xc++" "gcc-12 -std=c11$lto"
        for version in 14 19; do
            check "C and C++ share a group, clang $version$lto" halves \
                "clang-$version -std=c11$lto" \
                "clang++-$version -std=c++11$lto -xc++"
        done
    done
    check "gcc's C and clang's C++ share a group" halves \
        "gcc-12 -std=c11" "clang++-19 -std=c++20 -xc++"
}

# standards BITS COMPILER FLAGS STANDARD...: strict, with and without
# optimization; what is 64 bits is run too.
standards() {
    local cc=() bits=$1 level std
    local -n language=$3
    with_bits "$bits" "$2"
    shift 3
    for std in "$@"; do
        for level in -O0 -O2; do
            compiles "${cc[@]}" "${language[@]}" "-std=$std" $level \
                $(useless_cast "${cc[0]}") -D_GNU_SOURCE -c "$here/smoke.c" -o "$out.o"
        done
        [ "$bits" = 64 ] || continue
        compiles "${cc[@]}" "$out.o" -pthread -o "$out"
        prints all "$out"
    done
}

weverything() {
    local cc=() std
    local -n language=$3
    with_bits "$1" "$2"
    shift 3
    for std in "$@"; do
        compiles "${cc[@]}" "-std=$std" "${everything[@]}" "${language[@]}" \
            -c "$build/only_wg.c" -o "$out.o"
    done
}

# with_bits BITS COMPILER: sets cc; skips the check if there is no such compiler
# or no C library for it.
with_bits() {
    read -ra cc <<<"$2 -m$1"
    has "${cc[0]}"
    # gcc-multilib has these headers in place, but conflicts with cross gccs.
    [ "$1" = 64 ] || cc+=(-isystem /usr/include/x86_64-linux-gnu)
    echo '#include <limits.h>' >"$out.c"
    "${cc[@]}" -c "$out.c" -o "$out.o" || skip "no $1-bit C library"
}

# after_headers COMPILER FLAGS HEADER...: each header and all of them before
# wg.h, with each feature macro. C++ compilers define _GNU_SOURCE, which has all.
after_headers() {
    local cc feature header
    [[ $1 != *++* ]] || local features=(_GNU_SOURCE)
    local -n language=$2
    read -ra cc <<<"$1"
    has "${cc[0]}"
    shift 2
    printf '#include <%s>\n' "$@" >"$out.all.h"
    for feature in "${features[@]}"; do
        for header in "$@" "$out.all.h"; do
            compiles "${cc[@]}" "${language[@]}" -fsyntax-only "-D$feature" \
                -include "$header" "$build/only_wg.c"
        done
    done
}

# object COMPILER: exactly the lines of object.cpp that end in "// no" do not
# compile; with the guard taken out of wg.h, all do. A group needs no start-up
# code, so it is there for those that have some.
object() {
    local cc no_limit=() std level lines wanted left
    read -ra cc <<<"$1"
    has "${cc[0]}"
    [[ $1 != clang* ]] || no_limit=(-ferror-limit=0)
    mkdir -p "$out"
    sed -e 's/constexpr wg(wg_bits_ mark, int)/template <typename Any> &/' \
        -e 's/(wg_bits_ mark, int) : state(mark)/(Any, int = 0) : state(0)/' \
        -e '/= delete;/d' "$header" >"$out/wg.h"
    wanted=$(grep -n '// no$' "$here/object.cpp" | cut -d : -f 1)
    for std in "${cxx_standards[@]}"; do
        lines=$("${cc[@]}" "-std=$std" "${no_limit[@]}" -I "$root/include" \
            -fsyntax-only "$here/object.cpp" 2>&1 |
            sed -n 's/.*object\.cpp:\([0-9]*\):.* error: .*/\1/p' | sort -nu)
        [ "$lines" = "$wanted" ] ||
            fail "$std, other lines than those marked:" \
                "$(diff <(echo "$wanted") <(echo "$lines") | grep '^[<>]' |
                    tr '\n' ' ')"
        compiles "${cc[@]}" "-std=$std" -I "$out" -fsyntax-only \
            "$here/object.cpp"
        for level in -O0 -O2; do
            compiles "${cc[@]}" "-std=$std" $level "${strict_cxx[@]}" \
                $(useless_cast "${cc[0]}") -DMADE -c "$here/object.cpp" \
                -o "$out.o"
            left=$(readelf -SW "$out.o" | grep -Eo '\.(init_array|ctors)[^ ]*'
                nm "$out.o" | grep -E ' (_GLOBAL__|__cxx|_ZGV|_ZTH)')
            [ -z "$left" ] || fail "$std, start-up code: ${left//$'\n'/ }"
        done
    done
}

# useless_cast COMPILER: prints a warning that gcc alone has.
useless_cast() {
    [[ $1 != g++* ]] || echo -Wuseless-cast
}

# hidden COMPILER: smoke.c as a program and as a shared library.
hidden() {
    local cc flags=(-D_GNU_SOURCE -O2 -Wall -Wextra -pthread -I "$root/include")
    read -ra cc <<<"$1"
    has "${cc[0]}"
    printf '%s\n' '#pragma GCC visibility push(hidden)' '#include "wg.h"' \
        '#pragma GCC visibility pop' >"$out.h"
    flags+=(-include "$out.h")
    compiles "${cc[@]}" "${flags[@]}" "$here/smoke.c" -o "$out"
    prints all "$out"
    compiles "${cc[@]}" "${flags[@]}" -Dmain=smoke -fPIC -shared -Wl,-z,defs \
        "$here/smoke.c" -o "$out.so"
    echo 'int smoke(void); int main(void) { return smoke(); }' >"$out.c"
    compiles "${cc[@]}" "$out.c" -xnone "$out.so" -o "$out"
    prints all "$out"
}

# ---- The seam. Only compiled: the waits of these would never sleep. ----

# seam COMPILER: macros that ignore their arguments, then functions by names
# that wg.h may have a use for itself. Nothing is included but what a compiler
# brings along for systems that have no C library.
seam() {
    local cc i names=(now word shared deadline_ns expected result) flags
    read -ra cc <<<"$1"
    has "${cc[0]}"
    flags=("${strict[@]}" -ffreestanding -nostdinc -isystem
        "$("${cc[@]}" -print-file-name=include)" -c)
    compiles "${cc[@]}" "${flags[@]}" "$build/only_wg.c" -o "$out.o" \
        '-DWG_FUTEX_WAIT(word,expected,deadline,shared)=0' \
        '-DWG_FUTEX_WAKE(word,shared)=(void)0' '-DWG_NOW_NS()=0'
    for i in 0 1 2 3 4 5; do
        set -- "${names[i]}" "${names[(i + 1) % 6]}" "${names[(i + 2) % 6]}"
        cat >"$out.c" <<EOF
#include <stdbool.h>
#include <stdint.h>
extern int $1(void *, uint32_t, int64_t, bool);
extern void $2(void *, bool);
extern int64_t $3(void);
#define WG_FUTEX_WAIT $1
#define WG_FUTEX_WAKE $2
#define WG_NOW_NS $3
#include "wg.h"
EOF
        compiles "${cc[@]}" "${flags[@]}" "$out.c" -o "$out.o"
    done
}

# ---- Checkers ----

tcc_stops() {
    has tcc
    stops "wg.h: needs" tcc -std=c11 -I "$root/include" -c "$build/only_wg.c" \
        -o "$out.o"
}

# clean TOOL CHECKER: runs the checker on the folder of wg.h, of which it must
# not say a word; then on a copy with a read of what was never written at its
# end, which it must find: only then has it read the file to the end.
clean() {
    local planted
    has "$1"
    shift
    compiles "$1" "$root/include"
    mkdir -p "$out"
    {
        sed '$d' "$header"
        echo 'static inline int wg_planted_(void) { int n; return n; }'
        tail -n 1 "$header"
    } >"$out/wg.h"
    planted=$("$1" "$out" 2>&1)
    [[ $planted == *ninit* || $planted == *garbage* ]] ||
        fail "does not find a planted defect"
}

# It looks at what is compiled, and at so many paths a file: not at smoke.c too.
analyzer() {
    gcc-12 -std=c11 -O2 -fkeep-inline-functions -fanalyzer -I "$1" \
        -c "$build/only_wg.c" -o "$out.o"
}

# The header itself, as the analyzer leaves included functions out. Standard
# error has the count of what was found in system headers.
tidy() {
    clang-tidy-19 --quiet --checks="$tidy" "$1/wg.h" -- \
        -std=c11 -xc 2>/dev/null
}

tidy_cxx() {
    clang-tidy-19 --quiet --checks="$tidy" "$1/wg.h" -- \
        -std=c++17 -xc++ 2>/dev/null
}

# It reads no system headers: these macros stand in for them.
cppcheck_all() {
    cppcheck --quiet --force --std=c11 -DSYS_futex=202 -DCLOCKS_PER_SEC \
        -DPTHREAD_CREATE_DETACHED \
        --enable=warning,style,performance,portability -I "$1" \
        "$build/only_wg.c"
}

# An #error in any configuration that it tries would end it, without a word.
cppcheck_user() {
    local file log
    has cppcheck
    mkdir -p "$out"
    cat >"$out/user.c" <<'EOF'
#include "wg.h"
int user(void)
{
    int results[4] = {0};
    wg_t wg = WG_INIT;
    wg_wait(&wg);
    results[4] = 1;
    return results[0];
}
EOF
    cp "$out/user.c" "$out/user.cpp"
    for file in user.c user.cpp; do
        log=$(cppcheck --quiet -I "$root/include" "$out/$file" 2>&1)
        [[ $log == *"$file:7:"*arrayIndexOutOfBounds* && $log != *'#error'* ]] ||
            fail "$file: not found on line 7: $log"
    done
}

# ---- Two copies ----

# other_version: makes build/other/wg.h, which differs in its minor version.
other_version() {
    mkdir -p "$build/other"
    with_version MINOR 99 >"$build/other/wg.h"
}

# halves COMPILER COMPILER: compiles half.c's two halves, links and runs them.
halves() {
    local first second flags=(-D_GNU_SOURCE -O2 -Wall -Wextra -pthread)
    read -ra first <<<"$1"
    read -ra second <<<"$2"
    has "${first[0]}" "${second[0]}"
    flags+=(-c "$here/half.c" -I "$root/include")
    compiles "${first[@]}" -DMAIN "${flags[@]}" -o "$out.1.o"
    compiles "${second[@]}" "${flags[@]}" -o "$out.2.o"
    flags=(-pthread)
    [[ $1 != *-flto* ]] || flags+=(-O2 -flto)
    [[ $1 != clang*-flto* ]] || flags+=(-fuse-ld=lld)
    compiles "${first[0]}" "${flags[@]}" "$out.1.o" "$out.2.o" -o "$out"
    prints shared "$out"
}
