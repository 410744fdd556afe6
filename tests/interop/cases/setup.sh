# IKE_SA_INIT and IKE_AUTH on their less straight ways, and what addresses tunnels can have.

case_a_group_that_charon_lacks_is_tried_again_with_its_own() {
    lab strongswan
    configure moon proposals=aes128gcm16-prfsha256-ecp384-x25519
    configure sun proposals=aes128gcm16-prfsha256-x25519
    up_on moon
    why_is moon <<'END'
result       up
cause        ike.group-retry
status       -
reason       -
param        connections.office.proposals
expected     ecp384
seen         x25519
severity     notice
ike.suite    aes128gcm16-prfsha256-x25519
END
    both_ways
}

case_charon_tries_again_with_our_group() {
    lab strongswan
    configure moon proposals=aes128gcm16-prfsha256-x25519
    configure sun proposals=aes128gcm16-prfsha256-ecp384-x25519
    up_on sun
    grep -q "it requested CURVE_25519" "$LAB/sun/charon.log"
    [ "$(fact ike.suite)" = aes128gcm16-prfsha256-x25519 ]
    both_ways
}

many_addresses() { # of sun: 192.0.2.101 to .140
    local n
    for n in $(seq 101 140); do ip -n "$SUN" addr add "192.0.2.$n/32" dev eth0; done
}

case_the_cookie_of_charon_is_returned() {
    lab strongswan 'cookie_threshold = 1' 'cookie_threshold_ip = 1'
    ip -n "$MOON" addr add 192.0.2.99/32 dev eth0
    local any=(local_addrs=%any remote_addrs=%any)
    configure moon
    configure sun "${any[@]}"
    on moon "$PYTHON" -B "$INTEROP/half_open.py" 192.0.2.2 192.0.2.99
    up_on moon
    why_is moon <<'END'
result    up
cause     ike.cookie
status    -
reason    -
severity  notice
trail.1.notifies  COOKIE
trail.2.payloads  SA KE Ni N
END
    both_ways
}

case_charon_returns_our_cookie() {
    lab strongswan
    many_addresses
    configure moon remote_addrs=%any
    configure sun
    on sun "$PYTHON" -B "$INTEROP/half_open.py" 192.0.2.1 $(seq -f 192.0.2.%g 101 132)
    up_on sun | tee "$LAB/up"
    grep -q 'parsed IKE_SA_INIT response 0 \[ N(COOKIE) \]' "$LAB/up"
    [ "$(fact result)" = up ]
    both_ways
}

case_encap_puts_esp_into_udp() {
    lab ikebana
    local host
    for host in moon sun; do configure "$host" encap=yes; done
    up_on moon
    sniff moon 'ip proto 50 or udp port 4500'
    both_ways
    sniffed >"$LAB/seen"
    grep -q 'UDP-encap: ESP' "$LAB/seen"
    ! grep -v 'UDP-encap: ESP' "$LAB/seen"
    ours | grep -q 'encap=yes'
}

case_encap_of_one_side_is_enough() {
    lab ikebana
    configure moon encap=yes
    configure sun
    up_on moon
    sniff moon 'ip proto 50 or udp port 4500'
    both_ways
    sniffed >"$LAB/seen"
    grep -q 'UDP-encap: ESP' "$LAB/seen"
    ! grep -v 'UDP-encap: ESP' "$LAB/seen"
}

case_without_nat_esp_is_plain() {
    lab ikebana
    configure moon
    configure sun
    up_on moon
    sniff moon 'ip proto 50 or udp port 4500'
    both_ways 56 1300 4000
    sniffed >"$LAB/seen"
    grep -q 'ESP(spi=' "$LAB/seen"
    ! grep 'UDP-encap' "$LAB/seen"
    all_counted
    down_on moon
    sas_are 0 0
}

case_plain_esp_works_over_ipv6() {
    lab ikebana
    configure moon local_addrs=2001:db8::1 remote_addrs=2001:db8::2
    configure sun local_addrs=2001:db8::2 remote_addrs=2001:db8::1
    up_on moon
    sniff moon 'ip6'
    both_ways 56 1300 4000
    sniffed >"$LAB/seen"
    grep -q 'IP6 2001:db8::1 > 2001:db8::2: ESP(spi=' "$LAB/seen"
    all_counted
}

# inner and outer family: INNER v4|v6, OUTER v4|v6
addresses() {
    local moon_args=() sun_args=()
    if [ "$2" = v6 ]; then
        moon_args+=(local_addrs=2001:db8::1 remote_addrs=2001:db8::2)
        sun_args+=(local_addrs=2001:db8::2 remote_addrs=2001:db8::1)
    fi
    if [ "$1" = v6 ]; then
        moon_args+=(lan.local_ts=fd01::/64 lan.remote_ts=fd02::/64)
        sun_args+=(lan.local_ts=fd02::/64 lan.remote_ts=fd01::/64)
    fi
    local side
    for side in moon sun; do
        configure moon ${moon_args[@]+"${moon_args[@]}"}
        configure sun ${sun_args[@]+"${sun_args[@]}"}
        up_on "$side"
        if [ "$1" = v6 ]; then
            passes moon fd01::1 fd02::1 56 1300 4000
            passes sun fd02::1 fd01::1 56 1300 4000
        else
            both_ways 56 1300 4000
        fi
        all_counted
        down_on "$side"
        sas_are 0 0
    done
}
addresses_table() {
    row ipv6_in_ipv6 addresses v6 v6
    row ipv6_in_ipv4 addresses v6 v4
    row ipv4_in_ipv6 addresses v4 v6
    rows_done
}
case_inner_and_outer_addresses_mix_with_charon() {
    lab strongswan
    addresses_table
}
case_inner_and_outer_addresses_mix_between_two_of_us() {
    lab ikebana
    addresses_table
}


three_children=(one.esp_proposals=aes128gcm16 two.esp_proposals=aes256-sha256)
case_further_children_share_an_ike_sa() {
    lab strongswan
    local n
    for n in 11 12; do
        ip -n "$MOON" addr add 10.1.$n.1/32 dev lo
        ip -n "$SUN" addr add 10.2.$n.1/32 dev lo
    done
    configure moon "${three_children[@]}" one.local_ts=10.1.11.0/24 one.remote_ts=10.2.11.0/24 \
        two.local_ts=10.1.12.0/24 two.remote_ts=10.2.12.0/24
    configure sun "${three_children[@]}" one.local_ts=10.2.11.0/24 one.remote_ts=10.1.11.0/24 \
        two.local_ts=10.2.12.0/24 two.remote_ts=10.1.12.0/24
    up_on moon lan
    up_on moon one
    up_on sun two
    sas_are 1 3
    both_ways
    passes moon 10.1.11.1 10.2.11.1 56 4000
    passes sun 10.2.12.1 10.1.12.1 56 4000
    all_counted
    ikebana_on moon down one
    sas_are 1 2
    refuses_traffic moon 10.1.11.1 10.2.11.1
    both_ways
    swanctl_on_sun --terminate --child two --timeout 60
    sas_are 1 1
    both_ways
}

case_children_have_their_own_key_exchange() {
    lab strongswan
    ip -n "$MOON" addr add 10.1.11.1/32 dev lo
    ip -n "$SUN" addr add 10.2.11.1/32 dev lo
    local group
    for group in x25519 modp2048 ecp256; do
        configure moon one.esp_proposals=aes128gcm16-$group one.local_ts=10.1.11.0/24 one.remote_ts=10.2.11.0/24
        configure sun one.esp_proposals=aes128gcm16-$group one.local_ts=10.2.11.0/24 one.remote_ts=10.1.11.0/24
        up_on moon lan
        up_on moon one
        [ "$(fact child.suite)" = aes128gcm16-$group ] || fail "$(fact child.suite)"
        passes moon 10.1.11.1 10.2.11.1 56 4000
        down_on moon
        sas_are 0 0
        up_on sun lan
        up_on sun one
        passes sun 10.2.11.1 10.1.11.1 56 4000
        down_on sun
        sas_are 0 0
    done
}

case_a_path_of_1280_octets_is_learnt() {
    lab ikebana
    pmtu 1280
}
case_a_path_of_1400_octets_is_learnt() {
    lab ikebana
    pmtu 1400 encap=yes
}
pmtu() { # MTU [SETTING]
    local mtu=$1 host
    shift
    ip -n "$MOON" link set eth0 mtu "$mtu"
    ip -n "$SUN" link set eth0 mtu "$mtu"
    for host in moon sun; do configure "$host" "$@"; done
    up_on moon
    # Too big for the path and not to be fragmented: the sender is told, and then knows.
    ! on moon ping -c 3 -i 0.2 -W 2 -M 'do' -s 1372 -I 10.1.0.1 10.2.0.1 >"$LAB/ping" 2>&1
    cat "$LAB/ping"
    grep -qE 'Frag needed|[Mm]essage too long' "$LAB/ping"
    local learnt
    learnt=$(ip -n "$MOON" route get 10.2.0.1 from 10.1.0.1 | grep -oE 'mtu [0-9]+' | tail -n 1 | cut -d' ' -f2)
    [ -n "$learnt" ] || learnt=$(grep -oE 'mtu ?= ?[0-9]+' "$LAB/ping" | grep -oE '[0-9]+' | tail -n 1)
    echo "learnt $learnt"
    [ "$learnt" -lt "$mtu" ] && [ "$learnt" -gt $((mtu - 100)) ]
    on moon ping -c 2 -i 0.2 -W 5 -M 'do' -s $((learnt - 28)) -I 10.1.0.1 10.2.0.1
    # What may be fragmented passes. (sun has its own to learn; the first packet is what teaches it.)
    on sun ping -c 3 -i 0.2 -W 2 -s 1372 -I 10.2.0.1 10.1.0.1 || true
    both_ways 56 1372 4000
}
