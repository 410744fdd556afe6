# Transport mode between two ikebanads: the hosts' own packets, with and without a NAT. (charon's kernel-libipsec has no
# transport mode.)

transport() { # HOST [KEY=VALUE...]
    configure "$@" lan.local_ts= lan.remote_ts= lan.mode=transport
}
mode_is() { # HOST MODE
    ours "$1" | grep -qE "child-sas\.[^.]+\.mode=$2" || fail "$1: $(ours "$1" | grep mode)"
}
# tcp_passes FROM ADDRESS: a megabyte and more over TCP, so that checksums and sizes are right
tcp_passes() {
    local server=sun
    [ "$1" = moon ] || server=moon
    ip netns exec "$(namespace "$server")" iperf3 -s -1 -p 5999 >"$LAB/iperf-server" 2>&1 &
    PIDS="$PIDS $!"
    local pid=$!
    wait_for 10 on "$server" sh -c 'ss -ltn | grep -q :5999' || fail "no iperf3 listens"
    on "$1" timeout 60 iperf3 -c "$2" -p 5999 -n 1500K >"$LAB/iperf" 2>&1 || { cat "$LAB/iperf"; fail "TCP from $1"; }
    wait "$pid" || true
    lab_forget_pid "$pid"
}
# Nothing of it in clear: of what sun sees on the wire, only IKE and ESP is between the hosts.
only_sealed() {
    sniffed >"$LAB/clear"
    [ ! -s "$LAB/clear" ] || { head -n 5 "$LAB/clear"; fail "packets in clear"; }
}

case_transport_between_ikebanas() {
    lab ikebana
    transport moon
    transport sun
    up_on moon
    sas_are 1 1
    mode_is moon TRANSPORT
    mode_is sun TRANSPORT
    sniff sun 'host 192.0.2.1 and not arp and not esp and not udp port 500 and not udp port 4500'
    passes moon 192.0.2.1 192.0.2.2 56 1300 1400 4000 20000
    passes sun 192.0.2.2 192.0.2.1 56 1300 1400 4000 60000
    all_counted
    tcp_passes moon 192.0.2.2
    tcp_passes sun 192.0.2.1
    only_sealed
    rekey_child_on moon
    rekey_child_on sun
    rekey_ike_on moon
    sas_are 1 1
    passes moon 192.0.2.1 192.0.2.2
    mode_is sun TRANSPORT
    down_on moon
    sas_are 0 0
    # In clear again when it is down: the route is gone.
    passes moon 192.0.2.1 192.0.2.2
}

case_transport_ipv6() {
    lab ikebana
    transport moon local_addrs=2001:db8::1 remote_addrs=2001:db8::2
    transport sun local_addrs=2001:db8::2 remote_addrs=2001:db8::1
    up_on moon
    mode_is moon TRANSPORT
    sniff sun 'host 2001:db8::1 and not esp and not udp port 500 and not udp port 4500 and not (icmp6 and ip6[40] >= 133)'
    passes moon 2001:db8::1 2001:db8::2 56 1300 1380 9000
    passes sun 2001:db8::2 2001:db8::1 56 1300
    all_counted
    tcp_passes moon 2001:db8::2
    only_sealed
}

# RFC 7296 2.23.1, RFC 3948 3.1.2: each host has the addresses that it sees, TCP's checksums are mended.
case_transport_behind_a_nat() {
    lab ikebana
    nat_between
    transport sun remote_addrs=%any
    transport moon local_addrs=
    up_on moon
    sas_are 1 1
    mode_is moon TRANSPORT
    mode_is sun TRANSPORT
    ours sun | grep -q 'remote-ts.*=192.0.2.1/32' || fail "sun: $(ours sun | grep ts)"
    passes moon 172.16.1.1 192.0.2.2 56 1300 4000
    passes sun 192.0.2.2 192.0.2.1 56 1300
    tcp_passes moon 192.0.2.2
    all_counted
    # Only the port changes: the hosts keep talking.
    nat_forgets
    wait_for 10 on moon ping -q -c 1 -W 1 192.0.2.2 || fail "moon is not heard any more"
    rekey_child_on sun
    tcp_passes moon 192.0.2.2
    down_on moon
    sas_are 0 0
}

case_transport_that_one_side_does_not_want() {
    lab ikebana
    transport moon
    configure sun lan.local_ts=192.0.2.2 lan.remote_ts=192.0.2.1
    up_on moon
    mode_is moon TUNNEL
    why_is moon <<'END'
result   up
cause    child.mode-fallback
param    connections.office.children.lan.mode
expected transport mode
seen     the peer did not agree to it
END
    passes moon 192.0.2.1 192.0.2.2
    all_counted
}
