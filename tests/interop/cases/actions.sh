# What children do by themselves: traps, start_action, close_action, dpd_action, inactivity; pass and drop policies.

# A burst of pings from moon, the first of which meets the trap: all arrive.
burst() { # COUNT [SOURCE DESTINATION]
    on moon ping -q -c "$1" -i 0.05 -W 20 -I "${2:-10.1.0.1}" "${3:-10.2.0.1}" >"$LAB/ping" 2>&1 ||
        { cat "$LAB/ping"; fail "no answer"; }
    grep -q ' 0% packet loss' "$LAB/ping" || { cat "$LAB/ping"; fail "packets were lost"; }
}
policies() { ikebana_on moon list --policies; }

case_a_trap_brings_the_tunnel_up_and_loses_nothing() {
    lab strongswan 'filelog { f { cfg = 2 } }'
    configure moon lan.start_action=trap
    configure sun
    policies >"$LAB/policies"
    grep -Eq 'office/lan +trap +10.1.0.0/24 +10.2.0.0/24 +1' "$LAB/policies" || fail "$(cat "$LAB/policies")"
    sas_are 0 0
    burst 20
    sas_are 1 1
    # RFC 7296 2.9: the ends of the packet stand first.
    grep -q 'looking for a child config for 10.2.0.1/32\[icmp/8\] 10.2.0.0/24 === 10.1.0.1/32\[icmp/8\] 10.1.0.0/24' "$LAB/sun/charon.log" ||
        { grep 'looking for' "$LAB/sun/charon.log"; fail "not the ends of the packet first"; }
    ours moon | grep 'reqid=1$' >/dev/null || fail "no reqid"
    both_ways
    # Taken down by us: the trap is still there, and the IKE SA of the next packet is a new one.
    down_on moon
    sas_are 0 0
    burst 5
    sas_are 1 1
    # Only the child: on the same IKE SA.
    local ike
    ike=$(ike_spi)
    ikebana_on moon down lan
    burst 5
    sas_are 1 1
    [ "$(ike_spi)" = "$ike" ] || fail "another IKE SA"
    # Uninstalled: what is up stays, and then nothing leaves any more.
    ikebana_on moon uninstall lan
    both_ways
    down_on moon
    ! policies | grep -q 'office/lan' || fail "$(policies)"
    ikebana_on moon install office/lan
    burst 5
}

case_two_workers_share_traps() {
    lab ikebana --workers 2
    local n
    for n in 1 2 3 4; do
        ip -n "$SUN" addr add 192.0.2.$((20 + n))/24 dev eth0
        ip -n "$MOON" addr add 10.1.1$n.1/32 dev lo
        ip -n "$SUN" addr add 10.2.1$n.1/32 dev lo
    done
    for n in 1 2 3 4; do
        conf sun name=c$n local.id=sun-$n.example remote.id=moon-$n.example local_addrs=192.0.2.$((20 + n)) lan.drop=yes \
            k$n.esp_proposals=aes128gcm16 k$n.local_ts=10.2.1$n.0/24 k$n.remote_ts=10.1.1$n.0/24 
    done | load_on sun
    for n in 1 2 3 4; do
        conf moon name=c$n local.id=moon-$n.example remote.id=sun-$n.example remote_addrs=192.0.2.$((20 + n)) lan.drop=yes \
            k$n.esp_proposals=aes128gcm16 k$n.local_ts=10.1.1$n.0/24 k$n.remote_ts=10.2.1$n.0/24 k$n.start_action=trap
    done | load_on moon
    [ "$(policies | grep -c ' trap ')" -eq 4 ] || fail "$(policies)"
    # The very first answer may meet sun before its route: it has no trap.
    for n in 1 2 3 4; do
        on moon ping -q -c 10 -i 0.05 -W 20 -I 10.1.1$n.1 10.2.1$n.1 >"$LAB/ping" 2>&1 || { cat "$LAB/ping"; fail "no answer"; }
        grep -Eq ' (0|10)% packet loss' "$LAB/ping" || { cat "$LAB/ping"; fail "packets were lost"; }
        burst 10 10.1.1$n.1 10.2.1$n.1
    done
    sas_are 4 4
}

case_start_and_restart_after_the_peer_died() {
    PEER=strongswan
    lab_begin case
    printf 'charon {\n retransmit_timeout = 1\n retransmit_tries = 2\n}\n' >"$LAB/moon/settings"
    start_ikebanad moon --settings "$LAB/moon/settings"
    start_charon
    configure sun
    configure moon lan.start_action=start lan.dpd_action=restart dpd_delay=2s keyingtries=0
    wait_for 20 has_sas moon child 1 || fail "not started"
    both_ways
    # It vanishes with all that it knows. Nobody is there: the attempts go on (keyingtries = 0).
    kill -9 "$CHARON_PID"
    wait_for 60 has_sas moon ike 0 || fail "not found dead"
    refuses_traffic moon 10.1.0.1 10.2.0.1
    start_charon
    configure sun
    wait_for 60 has_sas moon child 1 || fail "not brought up again"
    sas_are 1 1
    both_ways
}

case_close_action_follows_what_charon_closes() {
    lab strongswan
    configure moon lan.close_action=start
    configure sun
    up_on moon
    sleep 11 # what is closed sooner is not made anew at once
    local spi
    spi=$(child_spi)
    swanctl_on_sun --terminate --child lan
    wait_for 20 child_is_new "$spi" || fail "not brought up again"
    both_ways
    sleep 11
    spi=$(child_spi)
    swanctl_on_sun --terminate --ike office
    wait_for 20 child_is_new "$spi" || fail "not brought up again"
    both_ways
    # Not when we close it ourselves.
    down_on moon
    sleep 2
    sas_are 0 0
}

case_charon_acts_when_we_close() {
    lab strongswan
    configure moon
    configure sun lan.close_action=start
    up_on moon
    local spi
    spi=$(child_spi)
    ikebana_on moon down lan
    wait_for 20 child_is_new "$spi" || fail "charon did not come back"
    both_ways
}

case_inactivity_closes_the_child() {
    lab strongswan
    configure moon lan.inactivity=3s
    configure sun
    up_on moon
    pinging 500
    pinged
    sas_are 1 1
    sas_are 1 0
    ikebana_on moon list | grep -q ESTABLISHED
    grep -q 'child.inactive\|carried no traffic' "$LAB/moon/log" || fail "not told"
}

case_nothing_leaves_in_clear_while_a_started_child_is_down() {
    lab strongswan
    configure sun
    configure moon lan.start_action=start
    wait_for 20 has_sas moon child 1
    # Without a tunnel 10.2.0.1 would be reached by this route.
    ip -n "$MOON" route add 10.2.0.0/16 via 192.0.2.2
    ip -n "$SUN" route add 10.1.0.0/16 via 192.0.2.1
    both_ways
    swanctl_on_sun --terminate --ike office
    wait_for 10 has_sas moon ike 0
    sniff moon 'icmp'
    refuses_traffic moon 10.1.0.1 10.2.0.1
    [ -z "$(sniffed)" ] || fail "in clear: $(sniffed)"
    policies | grep -q 'block (while it is down)' || fail "$(policies)"
    # A command means it: then it is a host without a tunnel.
    ikebana_on moon down office
    wait_for 5 on moon ping -q -c 1 -W 1 -I 10.1.0.1 10.2.0.1 || fail "still blocked"
}

case_pass_and_drop_policies() {
    lab strongswan
    configure sun lan.local_ts=10.2.0.0/16 lan.remote_ts=10.1.0.0/16
    configure moon lan.local_ts=10.1.0.0/16 lan.remote_ts=10.2.0.0/16 \
        here.mode=pass here.local_ts=10.1.0.1/32 here.remote_ts=10.2.9.0/24 here.start_action=trap \
        web.mode=drop 'web.remote_ts=10.2.8.0/24[tcp/80]' web.priority=1000 web.start_action=trap
    ip -n "$SUN" addr add 10.2.9.1/32 dev lo
    ip -n "$SUN" addr add 10.2.8.1/32 dev lo
    ip -n "$MOON" route add 10.2.9.0/24 via 192.0.2.2
    ip -n "$SUN" route add 10.1.0.1/32 via 192.0.2.1 table 99
    ip -n "$SUN" rule add from 10.2.9.1 lookup 99 pref 10
    on moon sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
    on sun sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
    up_on moon lan
    both_ways
    sniff sun 'icmp'
    passes moon 10.1.0.1 10.2.9.1
    sniffed | grep -q '10.1.0.1 > 10.2.9.1' || fail "not in clear: $(sniffed)"
    passes moon 10.1.0.1 10.2.8.1
    ! on moon timeout 2 bash -c ': < /dev/tcp/10.2.8.1/80' 2>/dev/null || fail "port 80 is reached"
    policies | tee "$LAB/policies"
    grep -q 'office/here *pass' "$LAB/policies" && grep -q 'office/web *drop' "$LAB/policies" || fail "not listed"
}

case_swanctl_installs_and_lists_our_policies() {
    lab strongswan
    configure moon here.mode=pass here.local_ts=10.1.0.0/24 here.remote_ts=10.2.9.0/24
    configure sun
    ours_by_swanctl() {
        STRONGSWAN_CONF=$LAB/sun/client.conf SWANCTL_DIR=$LAB/sun/swanctl swanctl "$@" --uri "unix://$LAB/moon/vici"
    }
    ours_by_swanctl --install --child lan
    ours_by_swanctl --install --child here --ike office
    ours_by_swanctl --list-pols >"$LAB/pols"
    cat "$LAB/pols"
    grep -q '^office/lan, TUNNEL' "$LAB/pols"
    grep -q '^office/here, PASS' "$LAB/pols"
    grep -q 'local:  10.1.0.0/24' "$LAB/pols"
    burst 5
    sas_are 1 1
    ours_by_swanctl --uninstall --child lan
    ours_by_swanctl --uninstall --child here
    [ -z "$(ours_by_swanctl --list-pols)" ] || fail "$(ours_by_swanctl --list-pols)"
    ! ours_by_swanctl --uninstall --child here || fail "it was not there"
}
