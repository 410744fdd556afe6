# Two hosts as network namespaces, daemons in them, and nothing left behind. Sourced by demo/run and tests/interop.
# The caller sets BUILD (a build folder) and calls lab_begin NAME; lab_end runs by itself.

lab_begin() {
    LAB=$(mktemp -d "${TMPDIR:-/tmp}/ikebana-$1.XXXXXX")
    LAB_ID=$BASHPID # not $$: labs of subshells live side by side
    MOON=ik-moon-$LAB_ID
    SUN=ik-sun-$LAB_ID
    PIDS=
    IKEBANAD=$BUILD/src/programs/ikebanad
    IKEBANA=$BUILD/src/programs/ikebana
    trap lab_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    ip netns add "$MOON"
    ip netns add "$SUN"
    ip link add "ikv-$LAB_ID" netns "$MOON" type veth peer name "ikw-$LAB_ID" netns "$SUN"
    lab_host "$MOON" "ikv-$LAB_ID" 192.0.2.1/24 2001:db8::1/64 10.1.0.1 fd01::1
    lab_host "$SUN" "ikw-$LAB_ID" 192.0.2.2/24 2001:db8::2/64 10.2.0.1 fd02::1
    mkdir -p "$LAB/moon" "$LAB/sun/swanctl"
}

# namespace, device, outer IPv4 and IPv6, address behind it (what the tunnel protects)
lab_host() {
    ip -n "$1" link set lo up
    ip -n "$1" link set "$2" name eth0
    ip -n "$1" addr add "$3" dev eth0
    ip -n "$1" addr add "$4" dev eth0 nodad
    ip -n "$1" addr add "$5/32" dev lo
    ip -n "$1" addr add "$6/128" dev lo
    ip -n "$1" link set eth0 up
}

lab_end() {
    status=$?
    trap - EXIT INT TERM HUP
    for pid in $PIDS; do kill "$pid" 2>/dev/null || true; done
    for pid in $PIDS; do
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
        ended=0
        wait "$pid" 2>/dev/null || ended=$?
        echo "$pid $ended" >>"$LAB/ended"
    done
    # The caller may look at what the daemons left: their last words, and $LAB/ended (pid, exit status).
    if declare -F lab_check >/dev/null; then lab_check || status=1; fi
    ip netns del "$MOON" 2>/dev/null || true
    ip netns del "$SUN" 2>/dev/null || true
    for ns in ${MORE_NS:-}; do ip netns del "$ns" 2>/dev/null || true; done
    [ -n "${KEEP:-}" ] && echo "kept: $LAB" || rm -rf "$LAB"
    exit "$status"
}

lab_forget_pid() {
    kept=
    for pid in $PIDS; do [ "$pid" = "$1" ] || kept="$kept $pid"; done
    PIDS=$kept
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
    tenths=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tenths=$((tenths - 1))
        [ "$tenths" -gt 0 ] || return 1
        sleep 0.1
    done
}

# start_ikebanad HOST [OPTION...]: HOST is moon or sun
start_ikebanad() {
    host=$1
    shift
    eval "ns=\$$(echo "$host" | tr a-z A-Z)"
    ip netns exec "$ns" "$IKEBANAD" --vici "unix://$LAB/$host/vici" --state "$LAB/$host/state" "$@" \
        >"$LAB/$host/log" 2>&1 </dev/null &
    IKEBANAD_PID=$!
    PIDS="$PIDS $IKEBANAD_PID"
    echo "$IKEBANAD_PID" >>"$LAB/ikebanad.pids"
    wait_for 10 "$IKEBANA" --vici "unix://$LAB/$host/vici" list || {
        echo "ikebanad does not answer; its log:" >&2
        cat "$LAB/$host/log" >&2
        return 1
    }
}

# ikebana HOST ARGUMENT...
ikebana_on() {
    host=$1
    shift
    "$IKEBANA" --vici "unix://$LAB/$host/vici" "$@"
}

# start_charon [SETTING...]: a strongSwan on sun, in user space where the kernel has no ESP. Each SETTING is a line for
# the section charon of its strongswan.conf.
start_charon() {
    D=$LAB/sun
    mkdir -p "$D/swanctl" # and the folders that swanctl wants to see
    for folder in x509 x509ca x509ocsp x509aa x509ac x509crl pubkey private rsa ecdsa bliss pkcs8 pkcs12; do
        mkdir -p "$D/swanctl/$folder"
    done
    cat >"$D/daemon.conf" <<END
charon-systemd { }
charon {
  load_modular = yes
  retransmit_timeout = 1
  retransmit_tries = 2
$(printf '  %s\n' "$@")
  filelog {
    f {
      path = $D/charon.log
      default = 1
      flush_line = yes
    }
  }
  plugins {
    include /etc/strongswan.d/charon/*.conf
    vici {
      socket = unix://$D/charon.vici
    }
    kernel-libipsec {
      load = yes
    }
    bypass-lan {
      load = no
    }
    resolve {
      load = no
    }
  }
}
END
    : >"$D/client.conf"
    STRONGSWAN_CONF=$D/daemon.conf ip netns exec "$SUN" unshare -m \
        sh -c 'mount -t tmpfs tmpfs /run && exec charon-systemd' >"$D/stderr" 2>&1 </dev/null &
    CHARON_PID=$!
    PIDS="$PIDS $CHARON_PID"
    wait_for 15 swanctl_on_sun --stats || {
        echo "charon does not answer; its log:" >&2
        cat "$D/stderr" "$D/charon.log" >&2
        return 1
    }
}

swanctl_on_sun() {
    STRONGSWAN_CONF=$LAB/sun/client.conf SWANCTL_DIR=$LAB/sun/swanctl \
        swanctl "$@" --uri "unix://$LAB/sun/charon.vici"
}

# Loads a swanctl.conf that the caller has written.
load_charon() {
    swanctl_on_sun --load-all --noprompt --file "$1"
}
