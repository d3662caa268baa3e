# shellcheck shell=bash
# common.sh - what the makers of guests share: how they fail, what they say, and Debian's packages without installing any

# shellcheck disable=SC2034  # of those that read this file
guest=${DROVER_GUEST_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/drover-guest}

fail()
{
        printf 'error: %s\n' "$1" >&2
        shift
        [ $# = 0 ] || printf '  %s\n' "$@" >&2
        exit 1
}

say()
{
        printf 'guest: %s\n' "$*" >&2
}

# fetch DIR FUNCTION: calls FUNCTION with DIR and, as further arguments, options for apt.
# Package lists may be missing or too old to fetch from: then lists of our own, so that an ordinary user can do it too.
fetch()
{
        local draft=$1 own=() attempt
        command -v apt-get >/dev/null || fail "cannot make a guest: it needs the packages of a Debian system"
        for attempt in 1 2; do
                ("$2" "$draft" "${own[@]}") >"$draft/log" 2>&1 && return
                [ "$attempt" = 1 ] || break
                say "fetching package lists"
                mkdir -p "$draft/lists/partial" "$draft/archives/partial"
                own=(-o "Dir::State::lists=$draft/lists" -o "Dir::Cache=$draft"
                        -o Debug::NoLocking=1 -o APT::Sandbox::User=)
                apt-get "${own[@]}" update >"$draft/log" 2>&1 || break
        done
        [ ! -s "$draft/log" ] || cat "$draft/log" >&2
        fail "cannot fetch the packages of a guest" "look at the package sources of this system (/etc/apt)"
}
