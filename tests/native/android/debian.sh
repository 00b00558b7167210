# Debian packages of other suites and processors; tools.sh and arm64.sh source this. $work is where lists lie;
# skip and say are the caller's.

# A root of its own for apt: no rights are needed, and the machine's packages stay as they are. The
# mirror is the one this machine's apt already uses.
apt() {
    apt-get -o Dir::State::lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o Dir::State::status="$work/apt/status" \
        -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=- -o Acquire::Languages=none \
        -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@"
}

start_apt() { # LINE...: "deb SUITE ARCHITECTURES" or "deb-src SUITE"
    local mirror line kind suite architectures keys=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | head -n1)
    [ -n "$mirror" ] || skip "this machine's apt has no Debian mirror"
    [ -f "$keys" ] || skip "$keys is not installed (package debian-archive-keyring)"
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    : >"$work/apt/status"
    for line in "$@"; do
        read -r kind suite architectures <<<"$line"
        printf '%s [signed-by=%s%s] %s %s main\n' "$kind" "$keys" "${architectures:+ arch=$architectures}" "$mirror" "$suite"
    done >"$work/apt/sources.list"
    [ -n "$(ls "$work/apt/lists" | grep Packages)" ] && return
    say "apt: lists of $*"
    apt update -qq >"$work/apt.log" 2>&1 || skip "apt cannot read the lists of $*: $(tail -n1 "$work/apt.log")"
}
