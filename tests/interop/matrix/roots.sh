# Folder roots with the peers in them, made once by mmdebstrap and kept outside the checkout. Sourced by run.
# Nothing of a package runs while its root is made: packages are laid out, not configured.

ROOTS=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ikebana-peers
ROOT_LAYOUT=4 # one more when the way a root is made changes: older ones are made anew

# peer_field KEY FIELD: of peers.tsv
peer_field() {
    awk -F'\t' -v key="$1" -v field="$2" '/^#/ { next }
        !names { for (i = 1; i <= NF; i++) column[$i] = i; names = 1; next }
        $1 == key { print $column[field] }' "$MATRIX/peers.tsv"
}
peer_keys() { awk -F'\t' '!/^#/ && $1 != "key" { print $1 }' "$MATRIX/peers.tsv"; }

# make_root KEY: prints the folder
make_root() {
    local key=$1 release packages wanted root=$ROOTS/$1
    release=$(peer_field "$key" release)
    packages=$(peer_field "$key" packages)
    wanted="$ROOT_LAYOUT $release $packages"
    mkdir -p "$ROOTS"
    (
        flock 9
        if [ "$(cat "$root/made-of" 2>/dev/null)" != "$wanted" ]; then
            echo "interop: making $root with $packages of Debian $release" >&2
            rm -rf "$root" "$root.new"
            hooks=()
            [ "$release" = bookworm ] || hooks=(--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr)
            mmdebstrap --quiet --mode=root --variant=extract ${hooks[@]+"${hooks[@]}"} --include='?essential' \
                --include="${packages// /,}" "$release" "$root.new" >"$root.log" 2>&1 </dev/null || {
                cat "$root.log" >&2
                exit 1
            }
            mkdir -p "$root.new"/{lab,proc,sys,dev,run,tmp,var/lib/ipsec/nss,var/empty}
            # What the packages' scripts would have made.
            printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/nonexistent:/bin/false' \
                '_iked:x:100:100:iked:/run/iked:/bin/false' >"$root.new/etc/passwd"
            printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' '_iked:x:100:' >"$root.new/etc/group"
            echo '127.0.0.1 localhost' >"$root.new/etc/hosts"
            if [ -e "$root.new/usr/bin/certutil" ]; then
                unshare -m sh -c 'mount --bind /dev "$1/dev" && exec chroot "$1" certutil -N -d sql:/var/lib/ipsec/nss --empty-password' \
                    sh "$root.new" || exit 1
            fi
            if [ -d "$root.new/etc/iked" ]; then # iked will not start without a key, though it uses none here
                mkdir -p "$root.new/etc/iked/private"
                chroot "$root.new" openssl ecparam -genkey -name prime256v1 -noout -out /etc/iked/private/local.key || exit 1
            fi
            rm -rf "$root.new"/var/cache/apt "$root.new"/usr/share/{man,locale}
            echo "$wanted" >"$root.new/made-of"
            mv "$root.new" "$root" || exit 1
        fi
    ) 9>"$ROOTS/lock" || return 1
    echo "$root"
}

# kernel_has any|esp|pfkey: this machine's kernel, tried in a namespace that goes again
kernel_has() {
    case $1 in
    any) return 0 ;;
    esp) unshare -n ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode tunnel \
        aead 'rfc4106(gcm(aes))' "0x$(printf '%040d' 1)" 128 2>/dev/null ;;
    pfkey) kernel_has esp && { modprobe -q af_key || true; [ -e /proc/net/pfkey ]; } ;;
    esac
}
