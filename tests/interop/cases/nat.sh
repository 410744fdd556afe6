# A real NAT between the hosts: nftables in a third namespace. Moon sits behind it.

# nat_between: moon's link ends at the NAT now, whose outer side has moon's old address 192.0.2.1.
nat_between() {
    NAT=ik-nat-$LAB_ID
    MORE_NS="${MORE_NS:-} $NAT"
    ip netns add "$NAT"
    ip -n "$MOON" addr flush dev eth0
    ip -n "$MOON" link set eth0 netns "$NAT"
    ip -n "$NAT" link set lo up
    ip -n "$NAT" addr add 192.0.2.1/24 dev eth0
    ip -n "$NAT" link set eth0 up
    nat_inside "$MOON" 1
    ip netns exec "$NAT" sysctl -q -w net.ipv4.ip_forward=1
    nat_remembers 60
    nat_maps 20000-29999
}
nat_remembers() { # SECONDS: a mapping that is not used; counts from its next packet on
    ip netns exec "$NAT" sysctl -q -w net.netfilter.nf_conntrack_udp_timeout="$1" \
        net.netfilter.nf_conntrack_udp_timeout_stream="$1"
}
nat_inside() { # NAMESPACE N: a host inside, 172.16.N.1
    ip link add "ikn$2-$LAB_ID" netns "$NAT" type veth peer name "ikm$2-$LAB_ID" netns "$1"
    ip -n "$NAT" link set "ikn$2-$LAB_ID" name "in$2"
    ip -n "$NAT" addr add "172.16.$2.254/24" dev "in$2"
    ip -n "$NAT" link set "in$2" up
    ip -n "$1" link set "ikm$2-$LAB_ID" name eth0
    ip -n "$1" addr add "172.16.$2.1/24" dev eth0
    ip -n "$1" link set eth0 up
    ip -n "$1" route add default via "172.16.$2.254"
}
nat_maps() { # PORTS: what new mappings get
    ip netns exec "$NAT" nft -f - <<END
table ip nat
delete table ip nat
table ip nat {
  chain post {
    type nat hook postrouting priority 100;
    oifname "eth0" ip protocol udp masquerade to :$1
  }
  chain pre {
    type nat hook prerouting priority -100;
    ${NAT_FORWARDS:-}
  }
}
END
}
# The NAT's outer link goes down for a moment: all its mappings are gone, and new ones get other ports.
nat_forgets() {
    ip -n "$NAT" link set eth0 down
    nat_maps 40000-49999
    ip -n "$NAT" link set eth0 up
}
nat_port_seen() { # by sun: the port of moon's IKE SA
    if [ "$PEER" = strongswan ]; then
        theirs | sed -n 's/^remote-port=//p' | head -n 1
    else
        ours sun | sed -nE 's/^sas\.[0-9]+\.remote-port=//p' | head -n 1
    fi
}
nat_moved() { # sun sees moon at a port of the second range
    local port
    port=$(nat_port_seen)
    [ "${port:-0}" -ge 40000 ] && [ "$port" -le 49999 ]
}

behind_nat() { # PEER: up from inside, both ways, the mapping changes under traffic, rekeyings, liveness
    lab "$1"
    nat_between
    configure sun remote_addrs=%any
    configure moon local_addrs= dpd_delay=2s
    up_on moon
    sas_are 1 1
    both_ways 56 1300
    all_counted
    local port
    port=$(nat_port_seen)
    [ "$port" -ge 20000 ] || fail "sun sees moon at port $port"
    # Pings go on all the time; those of the gap are lost, all behind it arrive.
    ip netns exec "$MOON" ping -q -i 0.2 -w 12 -I 10.1.0.1 10.2.0.1 >"$LAB/pinging" 2>&1 &
    PINGING=$!
    PIDS="$PIDS $PINGING"
    sleep 1
    nat_forgets
    wait_for 10 nat_moved || fail "sun still sends to port $(nat_port_seen)"
    both_ways 56
    wait "$PINGING" || true
    lab_forget_pid "$PINGING"
    if [ "$PEER" = ikebana ]; then
        grep -q 'the NAT before the peer changed its mapping' "$LAB/sun/log" || fail "nobody says that the mapping changed"
    fi
    # From outside, over the new mapping; and DPD through it.
    rekey_child_on sun
    rekey_ike_on sun
    both_ways 56
    sleep 3
    sas_are 1 1
    both_ways 56
    down_on moon
    sas_are 0 0
}
case_nat_behind_it_against_strongswan() { behind_nat strongswan; }
case_nat_behind_it_between_ikebanas() { behind_nat ikebana; }

case_nat_keepalives_keep_the_mapping() {
    lab ikebana
    nat_between
    nat_remembers 30
    configure sun remote_addrs=%any
    configure moon local_addrs=
    up_on moon
    both_ways 56
    sniff sun 'udp port 4500 and udp[4:2] = 9'
    sleep 22
    sniffed >"$LAB/keepalives"
    [ "$(wc -l <"$LAB/keepalives")" -ge 1 ] || fail "no keepalive"
    ! grep -q '192.0.2.2.4500 >' "$LAB/keepalives" || fail "a keepalive from the side without a NAT"
    # 30 s of silence are over soon, had there been no keepalive: sun still reaches moon.
    sleep 12
    passes sun 10.2.0.1 10.1.0.1
    grep -q 'changed its mapping' "$LAB/sun/log" && fail "the mapping changed" || true
}

# The NAT forwards its ports to moon: strongSwan begins from outside.
case_nat_forwards_to_the_responder() {
    lab strongswan
    NAT_FORWARDS='iifname "eth0" udp dport { 500, 4500 } dnat to 172.16.1.1'
    nat_between
    configure moon local_addrs= remote_addrs=%any
    configure sun
    up_on sun
    sas_are 1 1
    both_ways 56 1300
    all_counted
    rekey_child_on moon
    rekey_ike_on moon
    rekey_child_on sun
    both_ways 56
    down_on sun
    sas_are 0 0
}

# Two clients behind one NAT, of two identities: each has its tunnel.
case_nat_two_clients_behind_one() {
    lab strongswan
    nat_between
    MARS=ik-mars-$LAB_ID
    MORE_NS="$MORE_NS $MARS"
    mkdir -p "$LAB/mars"
    ip netns add "$MARS"
    ip -n "$MARS" link set lo up
    ip -n "$MARS" addr add 10.3.0.1/32 dev lo
    nat_inside "$MARS" 2
    start_ikebanad mars
    {
        conf sun remote_addrs=%any
        conf sun name=mars remote_addrs=%any remote.id=mars.example lan.drop=yes \
            other.esp_proposals=aes128gcm16 other.local_ts=10.2.0.0/24 other.remote_ts=10.3.0.0/24
    } | load_on sun
    configure moon local_addrs=
    conf moon local_addrs= local.id=mars.example lan.local_ts=10.3.0.0/24 >"$LAB/mars/ikebana.conf"
    ikebana_on mars load "$LAB/mars/ikebana.conf"
    up_on moon
    ikebana_on mars up office --timeout 60
    wait_for 20 has_sas sun ike 2 || fail "sun has $(count_sas sun ike) IKE SAs"
    passes moon 10.1.0.1 10.2.0.1
    ip netns exec "$MARS" ping -q -c 1 -W 20 -I 10.3.0.1 10.2.0.1
    passes sun 10.2.0.1 10.1.0.1
    passes sun 10.2.0.1 10.3.0.1
    down_on moon
    ip netns exec "$MARS" ping -q -c 1 -W 20 -I 10.3.0.1 10.2.0.1
    passes sun 10.2.0.1 10.3.0.1
}

# charon's mobike = yes, its default, moves to port 4500 with IKE_AUTH though there is no NAT.
case_mobike_of_strongswan_moves_to_4500() {
    lab strongswan
    configure moon remote_addrs=%any
    configure sun mobike=yes
    up_on sun
    sas_are 1 1
    both_ways 56
    [ "$(ours moon | sed -nE 's/^sas\.[0-9]+\.remote-port=//p')" = 4500 ] || fail "not at port 4500"
    down_on sun
    sas_are 0 0
    configure sun mobike=yes remote_addrs=192.0.2.1
    configure moon mobike=yes
    up_on moon
    sas_are 1 1
    both_ways 56
}

# A restarted peer says INITIAL_CONTACT: the SAs of its former life go at once, here and there.
case_initial_contact_after_a_restart() {
    lab strongswan
    configure moon remote_addrs=%any
    configure sun
    up_on sun
    sas_are 1 1
    kill -9 "$CHARON_PID"
    wait "$CHARON_PID" 2>/dev/null || true
    lab_forget_pid "$CHARON_PID"
    rm -f "$LAB/sun/charon.vici"
    start_charon
    configure sun
    up_on sun
    sas_are 1 1
    both_ways 56
    ikebana_on moon why --json >/dev/null
    grep -q 'its new IKE SA says that it is the only one' "$LAB/moon/log" || fail "moon does not say what went"
}
