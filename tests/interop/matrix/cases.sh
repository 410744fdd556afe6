# The cases of the matrix: case_NAME ROLE, written over the functions of hosts.sh and of one peer. ROLE says which side does
# what the case is about: ours or peer. "moon" is ours.

# NAME TOPOLOGY ROLES TITLE. Topology: plain, nat (the side that ROLE names sits behind one), alone (plain, and what the
# case leaves behind is of no use to the next).
CASES=(
    "up plain IKE SA and CHILD SA with a pre-shared key"
    "aes_gcm plain ESP by AES-256-GCM"
    "second_child plain second CHILD SA"
    "rekey_child plain CHILD SA rekeyed under traffic"
    "rekey_ike plain IKE SA rekeyed under traffic"
    "delete_child plain CHILD SA deleted"
    "delete_ike plain IKE SA deleted"
    "wrong_secret plain wrong pre-shared key"
    "wrong_ike plain no IKE proposal in common"
    "wrong_esp plain no ESP proposal in common"
    "narrowing plain selectors narrowed by the other side"
    "no_selectors plain selectors that do not meet"
    "wrong_id plain another identity than expected"
    "ipv6_outside plain IPv6 outside"
    "ipv6_inside plain IPv6 inside"
    "both_inside plain IPv4 and IPv6 inside"
    "fragmentation plain IKE_AUTH in fragments (RFC 7383)"
    "dies alone one side dies; the other sees it by DPD"
    "nat nat behind a NAT"
)

case_up() {
    load_both
    up "$1"
    sas_are 1 1
    both_ways
}

case_aes_gcm() {
    load_both esp=aes256gcm16
    up "$1"
    sas_are 1 1
    both_ways
}

case_second_child() {
    load_both second=yes
    up ours
    up "$1" dmz
    sas_are 1 2
    both_ways 10.1.0.1 10.2.0.1
    both_ways 10.1.11.1 10.2.11.1
}

rekey_under_traffic() { # ROLE child|ike
    local old
    old=$(spis "$2")
    traffic
    if [ "$1" = ours ]; then
        ikebana rekey "$([ "$2" = child ] && echo lan || echo office)" --timeout 30
    else
        "peer_rekey_$2" >"$LAB/sun/rekey" 2>&1 || { cat "$LAB/sun/rekey"; fail "the peer's command failed"; }
    fi
    wait_for 40 is_another "$2" "$old" || fail "it was not rekeyed"
    local why=
    if [ "$2" = child ] && declare -F peer_loses >/dev/null; then why=$(peer_loses "$1"); fi
    if [ -n "$why" ]; then
        remark "$why"
        traffic_lost_nothing 5
    else
        traffic_lost_nothing
    fi
    sas_are 1 1
    both_ways
}
case_rekey_child() {
    load moon
    load sun $([ "$1-${PEER_REKEYS:-}" = peer-lifetime ] && echo child_life=10)
    up ours
    rekey_under_traffic "$1" child
}
case_rekey_ike() {
    load moon
    load sun $([ "$1-${PEER_REKEYS:-}" = peer-lifetime ] && echo ike_life=10)
    up ours
    rekey_under_traffic "$1" ike
}

case_delete_child() {
    load_both
    up ours
    sas_are 1 1
    if [ "$1" = ours ]; then ikebana down lan --timeout 30; else peer_down_child; fi
    sas_are 1 0
    up ours
    sas_are 1 1
    both_ways
}
case_delete_ike() {
    load_both
    up ours
    sas_are 1 1
    if [ "$1" = ours ]; then ikebana down office --timeout 30; else peer_down_ike; fi
    sas_are 0 0
    up ours
    sas_are 1 1
}

case_wrong_secret() {
    load moon
    load sun secret='wrong horse battery staple'
    if [ "$1" = ours ]; then refused ours auth.peer-refused; else refused peer auth.psk-mismatch; fi
}
case_wrong_ike() {
    load moon
    load sun "ike=$PEER_OTHER_IKE"
    if [ "$1" = ours ]; then refused ours ike.peer-refused-proposal; else refused peer ike.no-common-proposal; fi
}
case_wrong_esp() {
    load moon
    load sun "esp=$PEER_OTHER_ESP"
    if [ "$1" = ours ]; then refused ours child.peer-refused-proposal; else refused peer child.no-common-proposal; fi
}
# ROLE offers more than the other side has.
case_narrowing() {
    if [ "$1" = ours ]; then
        load moon local_ts=10.1.0.0/16 remote_ts=10.2.0.0/16
        load sun
    else
        load moon
        load sun local_ts=10.2.0.0/16 remote_ts=10.1.0.0/16
    fi
    up "$1"
    sas_are 1 1
    cause_is child.ts-narrowed
    both_ways
}
case_no_selectors() {
    load moon remote_ts=10.99.0.0/24
    load sun
    if [ "$1" = ours ]; then refused ours child.peer-ts-unacceptable; else refused peer child.ts-unacceptable; fi
}
# We expect another peer than sun.example. As initiator we tell it whom we want to speak to (IDr).
case_wrong_id() {
    load moon remote_id=mars.example
    load sun
    if [ "$1" = ours ]; then refused ours auth.peer-refused auth.id-mismatch; else
        refused peer auth.id-mismatch auth.no-connection-for-ids
    fi
}

case_ipv6_outside() {
    load moon local_addr=2001:db8::1 remote_addr=2001:db8::2
    load sun local_addr=2001:db8::2 remote_addr=2001:db8::1
    up "$1"
    sas_are 1 1
    both_ways
}
case_ipv6_inside() {
    load moon local_ts=fd01::/64 remote_ts=fd02::/64
    load sun local_ts=fd02::/64 remote_ts=fd01::/64
    up "$1"
    sas_are 1 1
    both_ways fd01::1 fd02::1
}
case_both_inside() {
    load moon local_ts=10.1.0.0/24,fd01::/64 remote_ts=10.2.0.0/24,fd02::/64
    load sun local_ts=10.2.0.0/24,fd02::/64 remote_ts=10.1.0.0/24,fd01::/64
    up "$1"
    sas_are 1 1
    both_ways
    both_ways fd01::1 fd02::1
}

case_nat() {
    if [ "$1" = ours ]; then
        load moon local_addr=10.9.0.2
        load sun
    else
        load moon
        load sun local_addr=10.9.0.2
    fi
    up "$1"
    sas_are 1 1
    ikebana why --json | tr -d ' \n' | grep -q "\"$([ "$1" = ours ] && echo here || echo there)\":true" ||
        fail "the NAT was not seen"
    both_ways
}

case_fragmentation() {
    load moon fragment=yes "bulk=$([ "$1" = ours ] && echo yes || echo no)"
    load sun fragment=yes "bulk=$([ "$1" = peer ] && echo yes || echo no)"
    fragments_of "$1"
    up "$1"
    sas_are 1 1
    fragments_seen
    both_ways
}

# ROLE dies, without a word.
case_dies() {
    load_both dpd=2
    up ours
    sas_are 1 1
    if [ "$1" = peer ]; then
        peer_kill
        wait_for 60 has_sas we_have "0 0" || fail "we still have $(we_have)"
        cause_is net.liveness-lost
    else
        kill_ours
        # OpenIKED asks only when what it sends is not answered.
        on sun ping -q -c 100 -i 0.5 -I 10.2.0.1 10.1.0.1 >/dev/null 2>&1 &
        wait_for 100 has_sas peer_has "0 0" || fail "the peer still has $(peer_has)"
    fi
}
