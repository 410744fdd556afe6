# What the cases of the matrix share: the two hosts, our side of the tunnel, and looking. Sourced by one.
# moon is always ikebanad, sun the peer. The peer is reached by the functions of peers/*.sh only.

note() { echo "$*" >&2; }
fail() {
    note "$*"
    exit 1
}

# wait_for SECONDS COMMAND...: until it succeeds. By the clock, for in user-mode Linux a try can take a second; and there, on a
# busy machine, everything is many times slower.
wait_for() {
    local end=$((SECONDS + $1 * ${PATIENCE:-1}))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# ---- parameters ----

# parameters HOST [KEY=VALUE...]: fills P, the one tunnel that both sides are told, seen from HOST. What is wrong in a case is
# a parameter of one side. ike, esp: proposals in the keywords of swanctl.conf. second: a further child, dmz. fragment: the peer
# may be sent fragments. bulk: its first IKE_AUTH message is made large.
declare -A P
parameters() {
    local host=$1 word
    shift
    P=([ike]=$PEER_IKE [esp]=$PEER_ESP [secret]='correct horse battery staple' [dpd]=0 [fragment]=no [bulk]=no [second]=no
        [child_life]=0 [ike_life]=0)
    if [ "$host" = moon ]; then
        P+=([local_addr]=192.0.2.1 [remote_addr]=192.0.2.2 [local_id]=moon.example [remote_id]=sun.example
            [local_ts]=10.1.0.0/24 [remote_ts]=10.2.0.0/24 [second_local_ts]=10.1.11.0/24 [second_remote_ts]=10.2.11.0/24)
    else
        P+=([local_addr]=192.0.2.2 [remote_addr]=192.0.2.1 [local_id]=sun.example [remote_id]=moon.example
            [local_ts]=10.2.0.0/24 [remote_ts]=10.1.0.0/24 [second_local_ts]=10.2.11.0/24 [second_remote_ts]=10.1.11.0/24)
    fi
    for word in "$@"; do
        [ -n "${P[${word%%=*}]+set}" ] || fail "no parameter is called ${word%%=*}"
        P[${word%%=*}]=${word#*=}
    done
}

# Proposals that none of us takes, so that there are many of them.
BULK_ESP=$(for encr in aes128 aes192 aes256 aes128ctr aes192ctr aes256ctr; do
    for integ in sha1 sha384 sha512 aesxcbc aescmac; do printf ',%s-%s' $encr $integ; done
done)

# P as a swanctl.conf, which is also strongSwan's. (By printf: programs start slowly in user-mode Linux.)
swanctl_child() { # NAME LOCAL_TS REMOTE_TS
    printf '      %s {\n        esp_proposals = %s\n        local_ts = %s\n        remote_ts = %s\n      }\n' \
        "$1" "$esp" "$2" "$3"
}
swanctl_conf() {
    local fragmentation=yes esp=${P[esp]}
    [ "${P[fragment]}" != no ] || fragmentation=no
    [ "${P[bulk]}" = no ] || esp=${P[esp]}$BULK_ESP
    printf '%s\n' 'connections {' '  office {' '    version = 2' '    mobike = no' \
        "    fragmentation = $fragmentation" "    proposals = ${P[ike]}" "    dpd_delay = ${P[dpd]}s" \
        "    local_addrs = ${P[local_addr]}" "    remote_addrs = ${P[remote_addr]}" \
        '    local {' '      auth = psk' "      id = ${P[local_id]}" '    }' \
        '    remote {' '      auth = psk' "      id = ${P[remote_id]}" '    }' '    children {'
    swanctl_child lan "${P[local_ts]}" "${P[remote_ts]}"
    [ "${P[second]}" = no ] || swanctl_child dmz "${P[second_local_ts]}" "${P[second_remote_ts]}"
    printf '%s\n' '    }' '  }' '}' 'secrets {' '  ike-office {' "    secret = \"${P[secret]}\"" '  }' '}'
}

# load HOST [KEY=VALUE...]
load() {
    parameters "$@"
    if [ "$1" = sun ]; then
        peer_load >"$LAB/sun/load" 2>&1 || { cat "$LAB/sun/load"; fail "the peer does not take its configuration"; }
    else
        swanctl_conf >"$LAB/moon/swanctl.conf"
        ikebana load "$LAB/moon/swanctl.conf" >"$LAB/moon/load" 2>&1 || { cat "$LAB/moon/load"; fail "not loaded"; }
    fi
}
load_both() {
    load moon "$@"
    load sun "$@"
}

# ---- our side ----

start_ours() {
    printf '%s\n' 'charon {' '  retransmit_timeout = 2' '  retransmit_base = 1.4' '  retransmit_tries = 4' \
        '  fragment_size = 700' '}' >"$LAB/moon/strongswan.conf"
    start_ikebanad moon --settings "$LAB/moon/strongswan.conf"
}
kill_ours() {
    local pid
    pid=$(cat "$LAB/ikebanad.pids")
    : >"$LAB/ikebanad.pids" # that end is not a crash
    kill -9 "$pid"
}
ikebana() { "$IKEBANA" --vici "unix://$LAB/moon/vici" "$@"; }

up() { # ours|peer [CHILD]: brings it up from that side
    if [ "$1" = ours ]; then
        ikebana up "${2:-lan}" --timeout 30
    else
        peer_up "${2:-lan}" >"$LAB/sun/up" 2>&1 || { cat "$LAB/sun/up"; fail "the peer's command failed"; }
    fi
}

we_have() { # how many are up here: IKE SAs and CHILD SAs, as "1 1"
    local list ike child
    list=$(ikebana list 2>/dev/null)
    ike=${list//ESTABLISHED/} child=${list//INSTALLED/}
    echo "$(((${#list} - ${#ike}) / 11)) $(((${#list} - ${#child}) / 9))"
}
# sas_are N_IKE N_CHILD: soon, on both sides
has_sas() { [ "$("$1")" = "$2" ]; }
sas_are() {
    local side
    for side in we_have peer_has; do
        wait_for 20 has_sas "$side" "$1 $2" || {
            ikebana list
            peer_show
            fail "$side IKE and CHILD SAs: $("$side"), not $1 $2"
        }
    done
}

spis() { # child|ike: of those that are up here, not those that were replaced
    ikebana list --json | awk -v child="$([ "$1" = child ] && echo 1 || echo 0)" '
        /"state":/ { up = child ? /INSTALLED/ : /ESTABLISHED/ }
        up && (child ? /"spi-in":/ : /"initiator-spi":/) { print $2; up = 0 }' | sort
}
is_another() { # child|ike OLD: one is up, and not OLD
    local now
    now=$(spis "$1")
    [ "$(wc -w <<<"$now")" -eq 1 ] && [ "$now" != "$2" ]
}

cause() {
    local record
    record=$(ikebana why --json)
    [[ $record =~ \"cause\":\ \"([a-z.-]*)\" ]] && echo "${BASH_REMATCH[1]}"
}
cause_in() {
    local cause word
    cause=$(cause)
    for word in "$@"; do [ "$cause" != "$word" ] || return 0; done
    return 1
}
# cause_is CAUSE...: our record tells one of these; another than the first is worth a remark
cause_is() {
    wait_for 25 cause_in "$@" || {
        ikebana why
        fail "we tell $(cause), not $1"
    }
    told=$(cause)
    [ "$told" = "$1" ] || remark "we tell \`$told\`"
}

# refused ours|peer CAUSE...: the negotiation from that side fails, and we say why
refused() {
    local side=$1
    shift
    if [ "$side" = ours ]; then
        ! up ours || fail "it came up"
    else
        up peer
    fi
    cause_is "$@"
    has_sas we_have "0 0" || has_sas we_have "1 0" || fail "a CHILD SA is up"
}

# ---- traffic ----

on() { # moon|sun COMMAND...
    local host=$1
    shift
    ip netns exec "$([ "$host" = moon ] && echo "$MOON" || echo "$SUN")" "$@"
}
ping_from() { # HOST SOURCE DESTINATION SIZE
    on "$1" ping -q -c 1 -W 10 -s "$4" -I "$2" "$3" >"$LAB/ping" 2>&1 || {
        cat "$LAB/ping"
        ikebana list
        ip -n "$SUN" -s xfrm state
        on sun cat /proc/net/xfrm_stat 2>/dev/null | grep -v '\b0$'
        fail "no ping of $4 octets from $2 to $3"
    }
}
both_ways() { # [NET OF MOON, NET OF SUN]: the addresses behind them. Small from each side, and too large for one packet.
    ping_from moon "${1:-10.1.0.1}" "${2:-10.2.0.1}" 56
    ping_from sun "${2:-10.2.0.1}" "${1:-10.1.0.1}" 56
    ping_from moon "${1:-10.1.0.1}" "${2:-10.2.0.1}" 2000
}

# traffic: pings from here until traffic_lost_nothing [N], which wants every answer up to the last (or all but N)
traffic() {
    ip netns exec "$MOON" ping -n -i 0.02 -I 10.1.0.1 10.2.0.1 >"$LAB/traffic" 2>&1 </dev/null &
    TRAFFIC=$!
    wait_for 10 grep -q 'icmp_seq=5 ' "$LAB/traffic" || fail "no traffic"
}
traffic_passed() { grep -q "icmp_seq=$1 " "$LAB/traffic"; }
traffic_lost_nothing() {
    local last
    last=$(grep -c 'icmp_seq' "$LAB/traffic")
    wait_for 10 traffic_passed $((last + 20)) || fail "traffic stopped after $last packets"
    kill -INT "$TRAFFIC"
    wait "$TRAFFIC" 2>/dev/null || true
    local lost
    lost=$(awk '/icmp_seq=/ { sub(/.*icmp_seq=/, ""); n = $1 + 0; if (!(n in seen)) count++; seen[n] = 1; if (n > max) max = n }
        END { for (i = 1; i <= max; i++) if (!(i in seen)) printf " %d", i }' "$LAB/traffic")
    [ "$(wc -w <<<"$lost")" -le "${1:-0}" ] || fail "packets were lost under traffic: those numbered$lost"
}

# fragments_of ours|peer: begins to look for them; fragments_seen wants some
fragments_of() {
    local from=$MOON # what a host has sent is seen by its own tcpdump
    [ "$1" = ours ] || from=$SUN
    ip netns exec "$from" tcpdump -n --immediate-mode -Q out -i eth0 -U -w "$LAB/sniff" \
        '(udp src port 500 and udp[24] = 53) or (udp src port 4500 and udp[28] = 53)' >/dev/null 2>"$LAB/sniff.err" </dev/null &
    SNIFFING=$!
    wait_for 20 grep -q 'listening on' "$LAB/sniff.err"
}
fragments_are_there() { # each is more than the 24 octets of a file without packets
    [ "$(wc -c <"$LAB/sniff")" -gt 100 ]
}
fragments_seen() { # tcpdump may be late to write on a busy machine
    local were_seen=yes
    wait_for 10 fragments_are_there || were_seen=no
    kill "$SNIFFING"
    wait "$SNIFFING" 2>/dev/null || true
    [ "$were_seen" = yes ] || fail "no message went out in fragments"
}

# ---- the peer ----

# start_peer DAEMON [ARGUMENT...]: in its folder root, on sun; PEER_PID is the daemon
start_peer() {
    ip netns exec "$SUN" unshare -m sh -c '
        root=$1 lab=$2
        shift 2
        mount --bind "$lab" "$root/lab" && mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
            mount -t tmpfs tmpfs "$root/run" && mkdir -p "$root/run/pluto" "$root/run/iked" && cd / && exec chroot "$root" "$@"' \
        sh "$ROOT" "$LAB/sun" "$@" >"$LAB/sun/stdout" 2>&1 </dev/null &
    PEER_PID=$!
    PIDS="$PIDS $PEER_PID"
}
in_peer() { nsenter -t "$PEER_PID" -m -n chroot "$ROOT" "$@"; }
# ---- results ----

remark() { echo "$*" >>"$CELL/remarks"; }
# evidence: of a fault of the peer, from our last record
evidence() {
    ikebana why --json | awk -F'": "' '
        /"cause":/ && !cause { cause = $2; sub(/",?$/, "", cause) }
        /"expected":/ && !expected { expected = $2; sub(/",?$/, "", expected) }
        /"seen":/ && !seen { seen = $2; sub(/",?$/, "", seen) }
        END { printf "`%s`, expected %s, seen %s", cause, expected, seen }'
}

# ---- the hosts ----

# A NAT between the two: HOST gets an address of its own network.
put_nat() { # HOST
    NAT=ik-nat-$LAB_ID
    ip netns add "$NAT"
    ip -n "$NAT" link set lo up
    local inside=$MOON outside=$SUN public=192.0.2.1 other=192.0.2.2
    [ "$1" = moon ] || { inside=$SUN outside=$MOON public=192.0.2.2 other=192.0.2.1; }
    ip -n "$MOON" link del eth0
    ip link add "iki-$LAB_ID" netns "$NAT" type veth peer name eth0 netns "$inside"
    ip link add "iko-$LAB_ID" netns "$NAT" type veth peer name eth0 netns "$outside"
    ip -n "$inside" addr add 10.9.0.2/24 dev eth0
    ip -n "$outside" addr add "$other/24" dev eth0
    ip -n "$NAT" addr add 10.9.0.1/24 dev "iki-$LAB_ID"
    ip -n "$NAT" addr add "$public/24" dev "iko-$LAB_ID"
    ip -n "$inside" link set eth0 up
    ip -n "$outside" link set eth0 up
    ip -n "$NAT" link set "iki-$LAB_ID" up
    ip -n "$NAT" link set "iko-$LAB_ID" up
    ip -n "$inside" route add default via 10.9.0.1
    ip netns exec "$NAT" sysctl -q -w net.ipv4.ip_forward=1
    if ! ip netns exec "$NAT" nft -f - 2>/dev/null <<END
table ip nat {
  chain post {
    type nat hook postrouting priority 100
    oif "iko-$LAB_ID" masquerade
  }
}
END
    then # user-mode Linux has no nftables
        for module in ip_tables iptable_nat xt_MASQUERADE; do modprobe -q "$module" || busybox modprobe -q "$module" || true; done
        ip netns exec "$NAT" chroot "$ROOT" iptables-legacy -t nat -A POSTROUTING -o "iko-$LAB_ID" -j MASQUERADE ||
            fail "this kernel has neither nftables nor iptables"
    fi
}

# At the end of a lab: no daemon of ours may have crashed, leaked or told of undefined behaviour.
lab_check() {
    if declare -F peer_end >/dev/null; then peer_end; fi
    ip netns del "ik-nat-$LAB_ID" 2>/dev/null || true
    local pid code
    if grep -E 'ERROR: (Address|Leak)Sanitizer|runtime error:|Assertion' "$LAB/moon/log"; then return 1; fi
    while read -r pid; do
        code=$(sed -n "s/^$pid //p" "$LAB/ended")
        if [ "${code:-0}" -ne 0 ]; then
            echo "ikebanad $pid ended with $code"
            return 1
        fi
    done < <(cat "$LAB/ikebanad.pids" 2>/dev/null)
}
