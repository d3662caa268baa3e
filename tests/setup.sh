#!/bin/bash
# setup.sh - installs what is missing to build and run drover on Debian and Ubuntu; elsewhere prints the package names
#
#   tests/setup.sh [--tests] [--lint] [--bench] [--virsh]      also what `make check`, `make lint`, `make bench` and
#                                                              `make bench-virsh` need
#
# Root rights are used (through sudo) for apt-get alone, and only when something is missing. Never installs a kernel, nor the
# package `dnsmasq`, which starts a system daemon. As root it also makes the system user that QEMU runs as.

set -euo pipefail

# A name that this release may not know is preceded by '?'; such a one is installed if it can be.
build="gcc libc6-dev make pkg-config libyaml-dev libnl-3-dev libnl-route-3-dev libarchive-dev libglib2.0-dev
       libjansson-dev libcurl4-openssl-dev libssl-dev libnftables-dev"
run="dnsmasq-base ?passt slirp4netns qemu-system-x86 qemu-utils seabios ipxe-qemu ovmf openssh-client"
guest="busybox-static cpio"
tests="python3 python3-pytest python3-pytest-xdist python3-yaml python3-jsonschema nftables iproute2 strace clang
       ?libclang-rt-dev mandoc util-linux
       e2fsprogs openssh-client rsync systemd uidmap ?ansible-core qemu-block-extra"
lint="clang-tidy cppcheck shellcheck mandoc"
bench="iperf3"
# Without libvirt-daemon-system, which would start the daemons on this host.
virsh="libvirt-daemon libvirt-clients libvirt-daemon-driver-qemu iproute2 iptables"

say()
{
        printf 'setup: %s\n' "$*" >&2
}

fail()
{
        printf 'error: %s\n' "$1" >&2
        shift
        [ $# = 0 ] || printf '  %s\n' "$@" >&2
        exit 1
}

print_other_distributions()
{
        cat >&2 <<'END'
error: cannot install what is missing: this is neither Debian nor Ubuntu
  install these by hand, then run 'make'; the tiny guest of 'make demo' and 'make check' needs Debian
  dnf:    gcc make pkgconf libyaml-devel libnl3-devel libarchive-devel glib2-devel jansson-devel libcurl-devel openssl-devel
          nftables-devel dnsmasq qemu-system-x86-core qemu-img seabios-bin ipxe-roms-qemu edk2-ovmf busybox cpio
  pacman: gcc make pkgconf libyaml libnl libarchive glib2 jansson curl openssl nftables dnsmasq qemu-system-x86 qemu-img
          seabios edk2-ovmf busybox cpio
  zypper: gcc make pkgconf libyaml-devel libnl3-devel libarchive-devel glib2-devel libjansson-devel libcurl-devel
          libopenssl-devel libnftables-devel dnsmasq qemu-x86 qemu-tools qemu-seabios qemu-ipxe qemu-ovmf-x86_64 busybox cpio
  apk:    gcc musl-dev make pkgconf yaml-dev libnl3-dev libarchive-dev glib-dev jansson-dev curl-dev openssl-dev
          nftables-dev dnsmasq qemu-system-x86_64 qemu-img seabios ipxe ovmf busybox-static cpio
END
        exit 1
}

# Prints those of the given packages that are not installed.
missing()
{
        local installed package
        installed=" $(dpkg-query -W -f '${db:Status-Status}/${Package} ' "${@#\?}" 2>/dev/null || true)"
        for package; do
                [[ $installed == *" installed/${package#\?} "* ]] || printf '%s\n' "$package"
        done
}

known()
{
        [ -n "$(apt-cache --no-all-versions show "$1" 2>/dev/null)" ]
}

as_root()
{
        if [ "$EUID" = 0 ]; then
                "$@"
        else
                sudo "$@"
        fi
}

install_packages()
{
        local package names=() log
        if [ "$EUID" != 0 ] && ! command -v sudo >/dev/null; then
                fail "cannot install packages: not root, and no sudo" \
                        "as root, run: apt-get install --no-install-recommends ${*#\?}"
        fi
        log=$(mktemp)
        # shellcheck disable=SC2064
        trap "rm -f '$log'" EXIT
        say "fetching package lists"
        as_root apt-get -q -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 ||
                say "package lists are not all fresh: $(grep -m 1 '^[EW]:' "$log" || true)"
        for package; do
                if [[ $package != \?* ]] || known "${package#\?}"; then
                        names+=("${package#\?}")
                fi
        done
        [ ${#names[@]} != 0 ] || return 0
        say "installing ${names[*]}"
        if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends \
                install "${names[@]}" >"$log" 2>&1; then
                tail -n 20 "$log" >&2
                fail "cannot install the packages above"
        fi
}

make_user()
{
        local groups=()
        [ "$EUID" = 0 ] || return 0
        getent passwd drover >/dev/null && return 0
        getent group kvm >/dev/null && groups=(--groups kvm)
        say "making the system user 'drover', which QEMU runs as"
        useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "${groups[@]}" drover
}

wanted="$build $run $guest"
for option; do
        case $option in
        --tests) wanted+=" $tests" ;;
        --lint) wanted+=" $lint" ;;
        --bench) wanted+=" $bench" ;;
        --virsh) wanted+=" $virsh" ;;
        *) fail "unknown option '$option'" "usage: tests/setup.sh [--tests] [--lint] [--bench] [--virsh]" ;;
        esac
done
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        print_other_distributions
fi
# shellcheck disable=SC2086
mapfile -t packages < <(missing $wanted)
# One that may be unknown is no reason to ask the network each time.
for i in "${!packages[@]}"; do
        if [[ ${packages[i]} == \?* ]] && [ -e /var/lib/apt/lists/lock ] && ! known "${packages[i]#\?}"; then
                unset "packages[$i]"
        fi
done
[ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"
make_user
