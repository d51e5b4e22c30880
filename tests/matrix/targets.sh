# The targets: each row of the list "rows" is built and run. Part of run.

# for_rows COMMAND: calls it once for each row, with the row in these variables.
for_rows() {
    local line
    while read -r line; do
        IFS='|' read -r target compiler libc linked how ran packages \
            <<<"${line// | /|}"
        "$@"
    done < <(grep -v '^#' "$here/rows")
}

need_targets() {
    local names
    names=$(for_rows row_packages | sort -u)
    "$root/tests/need" qemu-user musl-tools $(grep -v : <<<"$names") &&
        unpack_musl $(sed -n 's/^musl-dev://p' <<<"$names")
}

row_packages() {
    printf '%s\n' $packages
}

# unpack_musl ARCH...: what Debian has of musl for those, under build/musl. Other
# lists of apt's than this machine's are used, which stays as it is.
unpack_musl() {
    local musl=$build/musl apt=$build/musl/apt options
    local arch dir include lib loader
    [ -e "$musl/complete" ] && return
    echo "unpacking musl for $*"
    options=(-q -o Dir::State="$apt" -o Dir::State::status="$apt/status"
        -o Dir::Cache="$apt" -o Acquire::Languages=none
        "${@/#/-oAPT::Architectures::=}")
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" && : >"$apt/status"
    # Whether the lists that matter came is for the download to say.
    (cd "$apt" && apt-get "${options[@]}" update
        apt-get "${options[@]}" download "${@/#/musl:}" "${@/#/musl-dev:}") \
        >"$musl/log" 2>&1
    for arch; do
        dir=$musl/$arch
        dpkg-deb -x "$apt"/musl_*_"$arch".deb "$dir" &&
            dpkg-deb -x "$apt"/musl-dev_*_"$arch".deb "$dir" || return
        # The specs of musl-gcc, for another target in another place. They are
        # cut at spaces, so the place is given from where the checks run.
        include=$(echo "musl/$arch/usr/include"/*)
        lib=$(echo "musl/$arch/usr/lib"/*)
        loader=$(basename "$dir"/lib/ld-*)
        sed -e "s,/usr/include/x86_64-linux-musl,$include,g" \
            -e "s,/usr/lib/x86_64-linux-musl,$lib,g" \
            -e "s,ld-musl-x86_64.so.1,$loader," \
            -e 's,^-dynamic-linker,%{m32:-m elf_i386} &,' \
            /usr/lib/x86_64-linux-musl/musl-gcc.specs >"$dir/specs"
    done
    touch "$musl/complete"
}

targets() {
    for_rows check_row
    check "tests/matrix/README.md has the table of targets" readme_has_table
}

check_row() {
    local link
    for link in ${linked//,/}; do
        check "$target, $compiler, $libc, $link" build_and_run "$link"
    done
}

build_and_run() {
    local cc flags=() libs=() emulator=() link=$1 sysroot
    read -ra cc <<<"$compiler"
    has "${cc[0]}"
    case "$compiler, $libc" in
    # gcc-multilib has these headers in place, but conflicts with cross gccs.
    *-m32*glibc | *-mx32*glibc) flags+=(-isystem /usr/include/x86_64-linux-gnu) ;;
    *--target=*) flags+=(-fuse-ld=lld) ;;
    esac
    sysroot=$(dirname "$(dirname "$("${cc[@]}" -print-file-name=libc.so)")")
    if [[ $packages =~ musl-dev:([a-z0-9]+) ]]; then
        sysroot=$build/musl/${BASH_REMATCH[1]}
        [ -e "$sysroot/specs" ] || skip "no musl-dev for this target"
        flags+=(-specs "$sysroot/specs")
    fi
    [ "$link" = dynamic ] || flags+=(-static)
    if [[ $how = qemu-* ]]; then
        has "$how"
        emulator=("$how" -L "$sysroot")
    fi
    cc+=("${flags[@]}" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror
        -pthread -I "$root/include" -o "$out")
    if [[ $compiler == *WG_ALLOW_LIBATOMIC* ]]; then
        libs=(-latomic)
        stops WG_ALLOW_LIBATOMIC "${cc[@]}" -UWG_ALLOW_LIBATOMIC -c \
            "$build/only_wg.c"
    fi
    echo 'int main(void) { return 0; }' >"$out.c"
    "${cc[@]}" "$out.c" "${libs[@]}" || skip "no $libc for this target"
    compiles "${cc[@]}" "$here/smoke.c" "${libs[@]}"
    [ "$ran" = compiles ] || prints "$ran" "${emulator[@]}" "$out"
}

# ---- The README's table ----

table() {
    echo '| target | compiler | C library | linked | ran | what |'
    echo '|---|---|---|---|---|---|'
    for_rows table_row
}

table_row() {
    echo "| $target | \`$compiler\` | $libc | $linked | $how | $ran |"
}

table_of_what_ran() {
    local missing
    missing=$(for_rows row_missing)
    [ -z "$missing" ] || fail "not in the last run:"$'\n'"$missing" >&2
    table
}

row_missing() {
    local link
    for link in ${linked//,/}; do
        grep -qxF "ok $target, $compiler, $libc, $link" "$results" ||
            echo "$target, $compiler, $libc, $link"
    done
}

readme_has_table() {
    diff -u <(sed -n '/<!-- matrix -->/,/<!-- \/matrix -->/{//!p}' \
        "$here/README.md") <(table) ||
        fail "its block differs from \"tests/matrix/run table\""
}
