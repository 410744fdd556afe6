# OpenIKED (iked): the functions of a peer, see ../README.md. Sourced by one.
# It takes a new configuration by a new start: no command waits for what it begins, and a policy that is there stays.
# On Linux its ESP with AES-GCM is dropped, and HMAC-SHA2-256 for ESP cannot be installed.

PEER_IKE=aes256-sha256-x25519
PEER_ESP=aes256-sha384
PEER_OTHER_IKE=aes128-sha256-modp2048
PEER_OTHER_ESP=aes128-sha384
PEER_REKEYS=lifetime

peer_version_of() { chroot "$1" iked -V 2>&1 | sed -n 's/^OpenIKED \([0-9.]*\).*/OpenIKED \1/p'; }

words() {
    case $1 in
    aes256-sha256-x25519) echo "ikesa auth hmac-sha2-256 enc aes-256 prf hmac-sha2-256 group curve25519" ;;
    aes128-sha256-modp2048) echo "ikesa auth hmac-sha2-256 enc aes-128 prf hmac-sha2-256 group modp2048" ;;
    aes256-sha384) echo "childsa auth hmac-sha2-384 enc aes-256 noesn" ;;
    aes256gcm16) echo "childsa enc aes-256-gcm noesn" ;;
    aes128-sha384) echo "childsa auth hmac-sha2-384 enc aes-128 noesn" ;;
    *) fail "no words for $1" ;;
    esac
}

peer_start() {
    ip -n "$SUN" route add 10.1.0.0/16 dev eth0 2>/dev/null || true
    ip -n "$SUN" -6 route add fd01::/64 dev eth0 2>/dev/null || true
}
start_iked() {
    kill_iked
    start_peer iked -d -v -f /lab/iked.conf -s /run/iked.sock
    echo "$PEER_PID" >"$LAB/sun/pid"
    cat "$LAB/sun/stdout" >>"$LAB/sun/iked.log" 2>/dev/null || true
    local try
    for try in {1..60}; do
        kill -0 "$PEER_PID" || break
        if ikectl show sa >/dev/null 2>&1; then
            # It answers before its processes have all of the configuration: an IKE_AUTH that comes now is answered with
            # empty TSi and TSr. Nothing tells when it is done.
            sleep 2
            return 0
        fi
        sleep 0.2
    done
    fail "iked does not answer after $try tries"
}
# Cells run in subshells: what one starts, the next has to find.
kill_iked() {
    [ -s "$LAB/sun/pid" ] || return 0
    kill "$(cat "$LAB/sun/pid")" 2>/dev/null || true
    wait_for 10 iked_is_gone || kill -9 "$(cat "$LAB/sun/pid")" 2>/dev/null || true
    rm -f "$LAB/sun/pid"
    ip -n "$SUN" xfrm state flush
    ip -n "$SUN" xfrm policy flush
}
iked_is_gone() { [ ! -e "/proc/$(cat "$LAB/sun/pid")/exe" ]; } # a zombie that nobody waits for has none
peer_end() { kill_iked; }
ikectl() {
    PEER_PID=$(cat "$LAB/sun/pid")
    in_peer ikectl -s /run/iked.sock "$@"
}
peer_log() { cat "$LAB/sun/stdout"; }

# The policy is kept, to be started again as an active one.
policy() { # active|passive NAME LOCAL_TS REMOTE_TS
    local from to flows= bulk= encr auth
    [ "${P[bulk]}" = no ] || for encr in aes-128 aes-192 aes-256 aes-128-ctr aes-192-ctr aes-256-ctr; do
        for auth in hmac-md5 hmac-sha1 hmac-sha2-512; do
            bulk+=" childsa auth $auth enc $encr noesn childsa auth $auth enc $encr esn"
        done
    done
    for from in ${3//,/ }; do
        for to in ${4//,/ }; do
            case $from/$to in *:*/*.* | *.*/*:*) ;; *) flows+=" from $from to $to" ;; esac
        done
    done
    [ "${P[second]}" = no ] || flows+=" from ${P[second_local_ts]} to ${P[second_remote_ts]}"
    echo "ikev2 \"$2\" $1 esp$flows local ${P[local_addr]} peer ${P[remote_addr]} $(words "${P[ike]}") $(words "${P[esp]}")$bulk" \
        "srcid ${P[local_id]} dstid ${P[remote_id]} ikelifetime ${P[ike_life]}" \
        "lifetime $([ "${P[child_life]}" = 0 ] && echo 3600 || echo "${P[child_life]}") psk \"${P[secret]}\""
}
write_policy() { # active|passive
    {
        echo "set dpd_check_interval ${P[dpd]}"
        [ "${P[fragment]}" = no ] && echo "set nofragmentation" || echo "set fragmentation"
        policy "$1" lan "${P[local_ts]}" "${P[remote_ts]}"
    } >"$LAB/sun/iked.conf"
    chmod 600 "$LAB/sun/iked.conf"
}
peer_load() {
    write_policy passive
    cp "$LAB/sun/iked.conf" "$LAB/sun/passive.conf"
    sed 's/^\(ikev2 "[a-z]*"\) passive/\1 active/' "$LAB/sun/passive.conf" >"$LAB/sun/active.conf"
    start_iked
}
peer_up() {
    cat "$LAB/sun/active.conf" >"$LAB/sun/iked.conf"
    start_iked
}
peer_quiet() { kill_iked; }
peer_show() { ikectl show sa; }
peer_has() {
    local list
    list=$(peer_show)
    echo "$(grep -c '^iked_sas:.* ESTABLISHED' <<<"$list") $(grep -cE '^ +sa_childsas:.* in ' <<<"$list")"
}
peer_down_ike() { ikectl reset id FQDN/moon.example; }
peer_kill() { # all its processes at once: one that is left would still say goodbye
    local pid
    pid=$(cat "$LAB/sun/pid")
    # shellcheck disable=SC2046 # a list
    kill -9 $(pgrep -P "$pid") "$pid"
}
# ikectl has no command for it: the lifetimes do it.
peer_rekey_child() { remark "by the lifetime of the peer: no command of it rekeys"; }
peer_rekey_ike() { remark "by the lifetime of the peer: no command of it rekeys"; }

peer_cannot() { # CASE ROLE
    case $1:$2 in
    ipv6_outside:* | ipv6_inside:* | both_inside:*)
        echo "inner and outer packets must be of one family: PF_KEY of Linux gives an SA the selector of the outer one" \
            "(\`ip xfrm state\`: \`sel src ::/0 dst ::/0\` for IPv6 outside), and what is of the other is dropped"
        ;;
    delete_child:peer) echo "no command closes a CHILD SA" ;;
    aes_gcm:*) echo "its parser drops AES-GCM of \`childsa\` on Linux in silence, and the policy has no ESP proposal at all" ;;
    second_child:peer) echo "all flows of a policy are one CHILD SA" ;;
    esac
}

# CASE ROLE: what it does wrong, as "CAUSE text"; CAUSE is what our record says of it
peer_fault() {
    case $1:$2 in
    no_selectors:ours) echo "child.ts-widened it answers with the flows of its policy even when nothing of them was asked for" ;;
    second_child:ours) echo "child.ts-widened it does not narrow: it answers with all flows of its policy, whatever was asked for (RFC 7296 2.9)" ;;
    esac
}

# ROLE: why a packet or two may be lost when a CHILD SA is rekeyed, if its log shows it
peer_loses() {
    local sent=CREATE_CHILD_SA.res
    [ "$1" = ours ] || sent=INFORMATIONAL.req
    peer_log | awk -v sent="send $sent" '$0 ~ sent { is_sent = 1 } /loaded SPIs/ && is_sent { late = 1 } END { exit !late }' || return 0
    if [ "$1" = ours ]; then
        echo "it answers before it can receive (its log: \`send CREATE_CHILD_SA res\`, then \`loaded SPIs\`; RFC 7296 2.8 wants the" \
            "other order): what comes on the new SA at once may be lost, up to 5 packets are let pass"
    else
        echo "it deletes the old SA before it can receive on the new one (its log: \`send INFORMATIONAL req\`, then \`loaded SPIs\`): up to" \
            "5 lost packets are let pass"
    fi
}
