# A peer that dies, several peers and workers, and strongSwan's own swanctl at our control socket.

# Our retransmissions take 165 s (RFC 7296 2.4: several minutes), so this is the slowest case.
case_0_a_dead_peer_is_found_by_liveness() {
    lab strongswan
    configure moon dpd_delay=2s
    configure sun
    up_on moon
    both_ways
    sleep 5 # idle: two rounds of liveness
    grep -q 'parsed INFORMATIONAL request 2 \[ \]' "$LAB/sun/charon.log"
    sas_are 1 1
    kill -9 "$CHARON_PID"
    wait_for 240 has_sas moon ike 0 || fail "not found"
    why_is moon <<'END'
cause    net.liveness-lost
status   13897
END
    ! ip -n "$MOON" route show table 220 | grep 10.2.0.0 || fail "the route was left"
}

case_two_workers_serve_many_peers() {
    lab ikebana --workers 2
    local n side
    for n in 1 2 3 4 5 6 7 8; do
        ip -n "$SUN" addr add 192.0.2.$((20 + n))/24 dev eth0
        ip -n "$MOON" addr add 10.1.1$n.1/32 dev lo
        ip -n "$SUN" addr add 10.2.1$n.1/32 dev lo
    done
    many() { # HOST LOCAL REMOTE REMOTE_OR_LOCAL_ADDRESS_KEY
        for n in 1 2 3 4 5 6 7 8; do
            conf "$1" name=c$n local.id=$1-$n.example remote.id=$4-$n.example \
                "$5=192.0.2.$((20 + n))" lan.drop=yes \
                k$n.esp_proposals=aes128gcm16 k$n.local_ts=10.$2.1$n.0/25 k$n.remote_ts=10.$3.1$n.0/25 \
                m$n.esp_proposals=chacha20poly1305 m$n.local_ts=10.$2.1$n.128/25 m$n.remote_ts=10.$3.1$n.128/25
        done | load_on "$1"
    }
    many moon 1 2 sun remote_addrs
    many sun 2 1 moon local_addrs
    for n in 1 2 3 4 5 6 7 8; do
        [ $((n % 2)) -eq 0 ] && side=moon || side=sun
        up_on "$side" k$n
        up_on "$side" m$n
    done
    sas_are 8 16
    # Both workers have some: their number is the first octet of an SPI.
    [ "$(ours moon | sed -nE 's/.*spi-in=(..).*/\1/p' | sort -u | wc -l)" -eq 2 ] || fail "one worker has all"
    for n in 1 2 3 4 5 6 7 8; do
        passes moon 10.1.1$n.1 10.2.1$n.1 56 1300 4000
        passes sun 10.2.1$n.1 10.1.1$n.1 56
    done
    for n in 1 2 3 4 5 6 7 8; do
        [ $((n % 2)) -eq 0 ] && side=sun || side=moon
        ikebana_on "$side" rekey k$n --timeout 60
        ikebana_on "$side" rekey c$n --timeout 60
        passes moon 10.1.1$n.1 10.2.1$n.1 56 4000
    done
    ikebana_on moon list | tee "$LAB/list" | grep -c ESTABLISHED | grep -qx 8
    for n in 1 2 3 4 5 6 7 8; do
        [ $((n % 2)) -eq 0 ] && side=sun || side=moon
        ikebana_on "$side" down c$n --timeout 60
    done
    sas_are 0 0
}

case_two_workers_meet_charon() {
    lab_begin case
    PEER=strongswan
    start_ikebanad moon --workers 2
    start_charon
    configure moon
    configure sun
    local n
    for n in 1 2 3 4 5 6; do
        if [ $((n % 2)) -eq 0 ]; then up_on moon; else up_on sun; fi
        both_ways 56 4000
        ikebana_on moon rekey lan --timeout 60
        both_ways
        down_on moon
        sas_are 0 0
    done
}

# strongSwan's client, at the socket of moon
swanctl_on_moon() {
    STRONGSWAN_CONF=$LAB/sun/client.conf SWANCTL_DIR=$LAB/sun/swanctl swanctl "$@" --uri "unix://$LAB/moon/vici"
}
case_swanctl_of_strongswan_commands_ikebanad() {
    lab strongswan
    configure sun
    conf moon >"$LAB/moon.conf"
    swanctl_on_moon --version --daemon | tee "$LAB/out"
    grep -qi ikebana "$LAB/out"
    swanctl_on_moon --load-all --noprompt --file "$LAB/moon.conf" | tee "$LAB/out"
    grep -q "loaded connection 'office'" "$LAB/out"
    grep -q "successfully loaded 1 connections" "$LAB/out"
    swanctl_on_moon --list-conns | tee "$LAB/out"
    grep -q '^office: IKEv2' "$LAB/out"
    grep -q '10.2.0.0/24' "$LAB/out"
    swanctl_on_moon --initiate --child lan --timeout 60 | tee "$LAB/out"
    grep -q 'initiate completed successfully' "$LAB/out"
    both_ways
    swanctl_on_moon --list-sas | tee "$LAB/out"
    grep -q '^office: #1, ESTABLISHED, IKEv2' "$LAB/out"
    grep -qE '^ +lan: #1, (reqid [0-9]+, )?INSTALLED, TUNNEL' "$LAB/out"
    grep -q 'AES_GCM_16-128' "$LAB/out"
    swanctl_on_moon --rekey --child lan | tee "$LAB/out"
    grep -q 'rekey completed successfully' "$LAB/out"
    swanctl_on_moon --rekey --ike office
    both_ways
    swanctl_on_moon --stats | tee "$LAB/out"
    grep -q '^uptime' "$LAB/out"
    grep -qi 'IKE_SAs: 1 total, 0 half-open' "$LAB/out"
    swanctl_on_moon --list-sas --raw | grep -q 'child-sas'
    swanctl_on_moon --terminate --child lan --timeout 60 | tee "$LAB/out"
    grep -q 'terminate completed successfully' "$LAB/out"
    sas_are 1 0
    swanctl_on_moon --terminate --ike office --timeout 60
    sas_are 0 0
    # What is refused is told by swanctl too.
    conf moon secret='wrong horse battery staple' >"$LAB/moon.conf"
    swanctl_on_moon --load-all --noprompt --file "$LAB/moon.conf"
    ! swanctl_on_moon --initiate --child lan --timeout 60 >"$LAB/out" 2>&1
    cat "$LAB/out"
    grep -q 'initiate failed' "$LAB/out"
    conf moon mediation=yes >"$LAB/moon.conf"
    ! swanctl_on_moon --load-conns --file "$LAB/moon.conf" >"$LAB/out" 2>&1
    cat "$LAB/out"
    grep -q mediation "$LAB/out"
}

case_swanctl_monitor_sees_both_ends_of_a_tunnel() {
    lab strongswan
    configure sun
    configure moon
    STRONGSWAN_CONF=$LAB/sun/client.conf SWANCTL_DIR=$LAB/sun/swanctl \
        stdbuf -oL swanctl --monitor-sa --uri "unix://$LAB/moon/vici" >"$LAB/monitor" 2>&1 &
    PIDS="$PIDS $!"
    sleep 0.5
    up_on sun
    down_on sun
    wait_for 10 grep -q "DELETING" "$LAB/monitor" || { cat "$LAB/monitor"; fail "no event"; }
    grep -q 'installed 0s ago' "$LAB/monitor" || { cat "$LAB/monitor"; fail "swanctl misses fields"; }
}
