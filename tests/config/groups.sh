# Initialisers, and two of a thing. Part of run.

groups() {
    local one other lto
    check "initialisers make what wg_init and wg_init_shared make, before all" \
        initialised
    check "two WG_DEFER_DONE in a scope, each way out of it" everywhere \
        deferred defer.c -fexceptions
    check "no call changes a byte of the group beside it" everywhere untouched \
        neighbours.c
    for lto in "" " -flto"; do
        for one in c "c++"; do
            for other in c "c++"; do
                check "$one and $other share groups, WG_SPIN 0 and 1000$lto" \
                    halves "$one -DWG_SPIN=0" "$other -DWG_SPIN=1000" $lto
            done
            check "$one shares groups, with and without WG_NO_THREADS$lto" \
                halves "$one -DWG_NO_THREADS" "$one" $lto
        done
    done
}

# everywhere TEXT FILE FLAG...: the program prints TEXT, by all compilers.
everywhere() {
    local cc text=$1 file=$here/$2
    shift 2
    for cc in "${compilers[@]}"; do
        compiles $cc -Wall -Wextra "${include[@]}" "$@" "$file" -pthread \
            -o "$out"
        prints "$text" "$out"
    done
}

# Without optimization, which can turn start-up code into none. early.c, which
# has some, shows that it would be seen.
initialised() {
    local cc file
    for cc in "${compilers[@]}" "g++ -std=c++20 -xc++"; do
        for file in initialised early; do
            compiles $cc -Wall -Wextra "${include[@]}" -c "$here/$file.c" \
                -o "$out.$file.o"
        done
        has_start_up "$out.early.o" || fail "$cc: start-up code is not found"
        ! has_start_up "$out.initialised.o" || fail "$cc: has start-up code"
        compiles ${cc%% *} "$out.initialised.o" "$out.early.o" -o "$out"
        prints initialised "$out"
    done
}

has_start_up() {
    readelf -SW "$1" | grep -qE '\.(init_array|ctors)' ||
        nm "$1" | grep -qE ' (_GLOBAL__|__cxx|_ZGV|_ZTH)'
}

# halves "LANGUAGE FLAG" "LANGUAGE FLAG" FLAG...: two translation units.
halves() {
    local one=$1 other=$2 link=gcc
    shift 2
    [[ "$one $other" != *c++* ]] || link=g++
    one=$(compiler_of $one)
    other=$(compiler_of $other)
    compiles $one "${include[@]}" -O2 "$@" -DMAIN -c \
        "$root/tests/matrix/half.c" -o "$out.1.o"
    compiles $other "${include[@]}" -O2 "$@" -c "$root/tests/matrix/half.c" \
        -o "$out.2.o"
    compiles $link -O2 "$@" "$out.1.o" "$out.2.o" -pthread -o "$out"
    prints shared "$out"
}

# compiler_of LANGUAGE FLAG...: prints its command. The names that half.c has of
# the system are no part of a language.
compiler_of() {
    local language=$1
    shift
    case $language in
    c) echo "gcc -std=gnu11 -Wall -Wextra $*" ;;
    c++) echo "g++ -std=gnu++11 -xc++ -Wall -Wextra $*" ;;
    esac
}
