#!/bin/bash
# demo.sh - `make demo`: brings up examples/quickstart, shows it, fetches a page from one guest by the other, leaves it running
#
#   tests/demo.sh DROVER          what is said above; a second run changes nothing
#   tests/demo.sh --down DROVER   removes the lab and its disks

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lab=$top/examples/quickstart
limit=${DROVER_DEMO_LIMIT:-120}

fail()
{
        printf 'error: %s\n' "$1" >&2
        shift
        [ $# = 0 ] || printf '  %s\n' "$@" >&2
        exit 1
}

# Shows the command as the user would type it, then runs it.
run()
{
        printf '\n$ %s\n' "$shown $*"
        "$drover" "$@"
}

# Reads the console up to a text, at most until $deadline; what was read is in $seen.
read_until()
{
        local wanted=$1 piece
        seen=
        while [ "$SECONDS" -lt "$deadline" ]; do
                piece=
                IFS= read -r -t 1 -N 1 piece <&"$from" || [ -n "$piece" ] || {
                        kill -0 "$pid" 2>/dev/null || return 1
                        [ -z "$nudge" ] || printf '\n' >&"$to"
                }
                seen+=$piece
                [[ $seen != *"$wanted" ]] || return 0
        done
        return 1
}

leave_console()
{
        [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
        [ -z "$scratch" ] || rm -rf "$scratch"
        pid='' scratch=''
}

# The command is typed into the console of `client`. The quotes in it keep its echo from looking like its output.
fetch_page()
{
        local seen nudge=yes from to deadline=$((SECONDS + limit)) started=$SECONDS command
        command="until wget -qO- http://web/ 2>/dev/null; do sleep 1; done; echo page'-'end"
        printf '\n$ %s console client     # and there: wget -qO- http://web/\n' "$shown"
        # Not a coprocess: bash forgets its descriptors at once when the command ends.
        scratch=$(mktemp -d)
        mkfifo "$scratch/in"
        exec {to}<>"$scratch/in"
        exec {from}< <(exec "$drover" console client <"$scratch/in" {to}>&-)
        pid=$!
        if ! read_until 'guest# '; then
                fail "no prompt on the console of 'client' after $((SECONDS - started)) s" "look at it: $shown logs client web"
        fi
        nudge=
        printf '%s\n' "$command" >&"$to"
        if ! read_until 'page-end'; then
                fail "'client' could not fetch http://web/ after $((SECONDS - started)) s" "look at it: $shown logs client web"
        fi
        printf '%s\n' "$seen" | tr -d '\r' | grep '^hello from' || fail "the page of 'web' is not what it should be: $seen"
        leave_console
}

print_next()
{
        cat <<END

The lab is running. Next:
  cd examples/quickstart
  $shown ps
  $shown console client        # a shell in the guest: try  wget -qO- http://web/
  $shown logs web
  \$EDITOR drover.yaml          # memory: 128M -> 192M, then: $shown plan; $shown up --restart
  $shown down                  # the disk 'data' stays; with -v it goes too
Remove it all: make demo-down
END
}

pid='' scratch='' down=''
trap leave_console EXIT
if [ "${1:-}" = --down ]; then
        down=yes
        shift
fi
[ $# = 1 ] || fail "usage: tests/demo.sh [--down] DROVER"
[ -x "$1" ] || fail "no program '$1'" "run 'make' first"
drover=$(realpath "$1")
shown=$(realpath --relative-to="$lab" "$drover")
if [ -n "$down" ]; then
        cd "$lab"
        run down -v -y
        exit
fi
"$top/tests/guest/build" --into "$lab/guest" >/dev/null
cd "$lab"
echo "In examples/quickstart:"
status=0
"$drover" plan --exit-code >/dev/null 2>&1 || status=$?
if [ "$status" = 0 ]; then
        run ps
        printf '\nThe lab is up already: nothing to do.\n'
else
        run up
        run ps
        fetch_page
fi
print_next
