#!/bin/sh
# setup.sh GROUP...
# Sees to it that the Debian packages of the groups are there. As root it installs what is missing and
# says what; without root it says what is missing and ends with 1.
set -eu

compiler='gcc libc6-dev pkg-config meson ninja-build python3'
libraries='libssl-dev libuv1-dev libjansson-dev libsqlite3-dev libmnl-dev liburcu-dev'
unit='libcmocka-dev iproute2'
clang='clang libclang-rt-dev llvm'
style='clang-format clang-tidy'
peers='charon-systemd strongswan-swanctl libstrongswan-standard-plugins libstrongswan-extra-plugins
       libcharon-extra-plugins libcharon-extauth-plugins strongswan-pki'
network='iproute2 iputils-ping procps tcpdump iperf3 nftables'
# The matrix of peers: folder roots, and a kernel with ESP and PF_KEY.
matrix='mmdebstrap debian-archive-keyring util-linux user-mode-linux busybox-static'

wanted=
for group in "$@"; do
    case $group in
    install) wanted="$wanted $compiler $libraries" ;;
    check) wanted="$wanted $compiler $libraries $unit" ;;
    test) wanted="$wanted $compiler $libraries $unit $clang $style" ;;
    fuzz) wanted="$wanted $compiler $libraries $unit $clang" ;;
    bench) wanted="$wanted $compiler $libraries $network" ;;
    demo) wanted="$wanted $compiler $libraries $unit $network $peers" ;;
    interop) wanted="$wanted $network $peers $matrix" ;;
    *)
        echo "setup.sh: no group is called $group" >&2
        exit 2
        ;;
    esac
done

is_there() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in $wanted; do
    case " $missing " in *" $package "*) continue ;; esac
    is_there "$package" || missing="$missing $package"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "missing packages: $missing" >&2
    echo "install them as root: apt-get install --no-install-recommends $missing" >&2
    exit 1
fi

echo "installing packages: $missing"
log=$(mktemp)
# Services that come with a package (strongSwan's) are not started: the tests and the demo run their own.
policy=/usr/sbin/policy-rc.d
is_ours=no
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    is_ours=yes
fi
clean_up() {
    rm -f "$log"
    [ "$is_ours" = no ] || rm -f "$policy"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

install() {
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1 </dev/null
}
# The lists of a fresh machine are empty, those of an old one may name packages that are gone.
if ! install; then
    echo "apt-get update"
    apt-get update -q >"$log" 2>&1 </dev/null || { cat "$log" >&2; echo "apt-get update failed" >&2; exit 1; }
    install || { cat "$log" >&2; echo "apt-get install failed" >&2; exit 1; }
fi
case " $missing " in
*" charon-systemd "*)
    if [ -d /run/systemd/system ]; then
        systemctl disable --now strongswan.service >/dev/null 2>&1 || true
    fi
    ;;
esac
