# Rekeying under traffic, closing, and a peer that dies.

# Of the installed ones: one that was replaced stays in the list for some seconds.
child_spi() {
    ours moon | awk -F= '{ key = $1; sub(/\.[^.]*$/, "", key) }
        $1 ~ /child-sas.*\.state$/ { state[key] = $2 }
        $1 ~ /\.spi-in$/ { spi[key] = $2 }
        END { for (key in spi) if (state[key] == "INSTALLED") print spi[key] }' | sort
}
child_is_new() { # OLD SPI: there is one child, another one
    local now
    now=$(child_spi)
    [ "$(wc -w <<<"$now")" -eq 1 ] && [ "$now" != "$1" ]
}
ike_spi() { ours moon | sed -nE 's/^sas\.[0-9]+\.initiator-spi=//p' | sort; }
ike_is_new() {
    local now
    now=$(ike_spi)
    [ "$(wc -w <<<"$now")" -eq 1 ] && [ "$now" != "$1" ]
}

rekey_child_on() { # HOST: and wait until it is done
    local old
    old=$(child_spi)
    if [ "$1" = moon ]; then
        ikebana_on moon rekey lan --timeout 60
    elif [ "$PEER" = strongswan ]; then
        swanctl_on_sun --rekey --child lan
    else
        ikebana_on sun rekey lan --timeout 60
    fi
    wait_for 30 child_is_new "$old" || fail "the CHILD SA was not rekeyed"
}
rekey_ike_on() {
    local old
    old=$(ike_spi)
    if [ "$1" = moon ]; then
        ikebana_on moon rekey office --timeout 60
    elif [ "$PEER" = strongswan ]; then
        swanctl_on_sun --rekey --ike office
    else
        ikebana_on sun rekey office --timeout 60
    fi
    wait_for 30 ike_is_new "$old" || fail "the IKE SA was not rekeyed"
}

# Everything once from each side, while pings run; then the tunnel still works, also for new children.
rekeyings() { # ESP proposal
    local host
    for host in moon sun; do configure "$host" "lan.esp_proposals=$1"; done
    up_on moon
    pinging 700
    rekey_child_on moon
    rekey_child_on sun
    rekey_ike_on moon
    rekey_ike_on sun
    rekey_child_on sun
    rekey_child_on moon
    pinged
    both_ways 56 4000
    sas_are 1 1
    down_on sun
    sas_are 0 0
}
case_rekeying_with_charon_loses_nothing() {
    lab strongswan
    rekeyings aes128gcm16
}
case_rekeying_with_key_exchange_with_charon_loses_nothing() {
    lab strongswan
    rekeyings aes256-sha256-modp2048
}
case_rekeying_between_two_of_us_loses_nothing() {
    lab ikebana
    rekeyings aes128gcm16-x25519-esn
}

case_lifetimes_rekey_by_themselves() {
    lab strongswan
    configure moon lan.rekey_time=3s lan.life_time=30s lan.rand_time=0 rekey_time=5s over_time=30s rand_time=0
    configure sun
    up_on moon
    local child ike
    child=$(child_spi) ike=$(ike_spi)
    pinging 700
    wait_for 30 child_is_new "$child" || fail "no new CHILD SA"
    wait_for 30 ike_is_new "$ike" || fail "no new IKE SA"
    pinged
    both_ways
}
case_charons_lifetimes_rekey_too() {
    lab strongswan
    configure moon
    configure sun lan.rekey_time=3s lan.life_time=30s lan.rand_time=0 rekey_time=5s over_time=30s rand_time=0
    up_on moon
    local child ike
    child=$(child_spi) ike=$(ike_spi)
    pinging 700
    wait_for 30 child_is_new "$child" || fail "no new CHILD SA"
    wait_for 30 ike_is_new "$ike" || fail "no new IKE SA"
    pinged
    both_ways
}
case_a_volume_limit_rekeys() {
    lab strongswan
    configure moon lan.rekey_packets=200 lan.life_packets=2000 lan.rand_packets=0
    configure sun
    up_on moon
    local child
    child=$(child_spi)
    pinging 500
    wait_for 30 child_is_new "$child"
    pinged
    both_ways
}

case_a_rekeying_that_charon_refuses_is_told() {
    lab strongswan
    configure moon lan.esp_proposals=aes128gcm16-x25519
    configure sun lan.esp_proposals=aes128gcm16
    up_on moon
    local rc=0
    ikebana_on moon rekey lan --timeout 30 || rc=$?
    [ "$rc" -eq 1 ] || fail "rekey ended with $rc"
    why_is moon <<'END'
kind      child-rekey
result    failed
cause     child.rekey-refused
status    13897
reason    13868
param     connections.office.children.lan.esp_proposals
seen      the peer answered NO_PROPOSAL_CHOSEN (14)
END
    both_ways
    sas_are 1 1
}

case_either_side_closes() {
    lab strongswan
    configure moon
    configure sun
    local n
    for n in 1 2 3 4; do
        up_on moon
        both_ways
        case $n in
        1) ikebana_on moon down lan && sas_are 1 0 && ikebana_on moon down office ;;
        2) swanctl_on_sun --terminate --child lan --timeout 60 && sas_are 1 0 && down_on sun ;;
        3) down_on moon ;;
        4) down_on sun ;;
        esac
        sas_are 0 0
        refuses_traffic moon 10.1.0.1 10.2.0.1
    done
}

case_the_end_of_charon_is_told() {
    lab strongswan
    configure moon
    configure sun
    up_on moon
    kill "$CHARON_PID"
    wait_for 30 has_sas moon ike 0
    why_is moon <<'END'
cause    ike.peer-closed
status   -
END
}

case_our_end_is_told_to_charon() {
    lab strongswan
    configure moon
    configure sun
    up_on moon
    kill "$IKEBANAD_PID"
    wait_for 30 has_sas sun ike 0
    grep -q 'received DELETE for IKE_SA' "$LAB/sun/charon.log"
    ! ip -n "$MOON" rule list | grep 220 || fail "a rule was left"
}
