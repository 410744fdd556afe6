# IKE messages in fragments, RFC 7383: both sides cut at 200 octets, so that every message with content is split.

# fragments_lab PEER: as lab, with so small a size on both sides.
fragments_lab() {
    PEER=$1
    lab_begin case
    printf 'charon {\n  fragment_size = 200\n}\n' >"$LAB/settings"
    start_ikebanad moon --settings "$LAB/settings"
    if [ "$PEER" = strongswan ]; then
        start_charon "fragment_size = 200"
    else
        start_ikebanad sun --settings "$LAB/settings"
    fi
}
# The records of moon: how many messages were sent and received in fragments.
split_messages() { # DIRECTION ("out" or "in")
    ikebana_on moon why --json | "$PYTHON" -c '
import json, sys
trail = json.load(sys.stdin)["trail"]
print(sum(1 for m in trail if m["dir"] == sys.argv[1] and m.get("fragments", 0) > 1))' "$1"
}
split_both_ways() {
    [ "$(split_messages out)" -ge 1 ] || fail "nothing was sent in fragments: $(ikebana_on moon why)"
    [ "$(split_messages in)" -ge 1 ] || fail "nothing came in fragments: $(ikebana_on moon why)"
}
fragments_with() { # [KEY=VALUE...] of both; moon.KEY, sun.KEY of one
    local host word
    for host in moon sun; do
        local words=(fragmentation=yes lan.esp_proposals=aes128-sha256-modp2048)
        for word in "$@"; do
            case $word in
            "$host".*) words+=("${word#*.}") ;;
            moon.* | sun.*) ;;
            *) words+=("$word") ;;
            esac
        done
        configure "$host" "${words[@]}"
    done
    for host in moon sun; do
        up_on "$host"
        sas_are 1 1
        split_both_ways
        both_ways 56
        rekey_child_on "$host"
        rekey_ike_on "$host"
        rekey_child_on "$([ "$host" = moon ] && echo sun || echo moon)"
        both_ways 56
        down_on "$host"
        sas_are 0 0
    done
}
six=(moon.local_addrs=2001:db8::1 moon.remote_addrs=2001:db8::2 sun.local_addrs=2001:db8::2 sun.remote_addrs=2001:db8::1)

case_fragments_with_charon() {
    fragments_lab strongswan
    fragments_with
}
case_fragments_with_charon_over_ipv6() {
    fragments_lab strongswan
    fragments_with "${six[@]}"
}
case_fragments_with_charon_in_udp_4500() {
    fragments_lab strongswan
    fragments_with encap=yes proposals=aes256-sha256-modp2048
}
case_fragments_between_two_of_us() {
    fragments_lab ikebana
    fragments_with encap=yes
    fragments_with "${six[@]}"
}
# One side does not want them: nothing is split, and it works.
case_fragments_are_not_sent_to_who_does_not_take_them() {
    local host
    fragments_lab strongswan
    for host in moon sun; do
        configure moon fragmentation=$([ "$host" = moon ] && echo no || echo yes)
        configure sun fragmentation=$([ "$host" = sun ] && echo no || echo yes)
        up_on moon
        sas_are 1 1
        [ "$(split_messages out)" -eq 0 ] || fail "sent in fragments"
        both_ways 56
        down_on moon
        sas_are 0 0
    done
    # accept: it is announced, so the peer splits; we do not
    configure moon fragmentation=accept
    configure sun fragmentation=yes
    up_on moon
    [ "$(split_messages out)" -eq 0 ] || fail "sent in fragments"
    [ "$(split_messages in)" -ge 1 ] || fail "nothing came in fragments"
    both_ways 56
}
# The path loses what is larger than 600 octets: charon joins what we cut smaller, and the record says why.
case_fragments_are_cut_smaller_on_a_path_that_loses_large_ones() {
    local nets=() theirs=() i
    PEER=strongswan
    lab_begin case
    printf 'charon {\n  retransmit_timeout = 0.5\n}\n' >"$LAB/settings"
    start_ikebanad moon --settings "$LAB/settings"
    start_charon
    for i in {1..40}; do nets+=("10.1.$i.0/24") theirs+=("10.2.$i.0/24"); done
    nets=$(IFS=,; echo "10.1.0.0/24,${nets[*]}") theirs=$(IFS=,; echo "10.2.0.0/24,${theirs[*]}")
    configure moon fragmentation=yes "lan.local_ts=$nets" "lan.remote_ts=$theirs"
    configure sun fragmentation=yes # which narrows to its two nets
    on moon nft -f - <<END
table inet hole {
  chain out {
    type filter hook output priority 0;
    udp length > 580 drop
  }
}
END
    up_on moon
    sas_are 1 1
    ikebana_on moon why | grep -q 'large messages are lost on the way' ||
        fail "the record does not say so: $(ikebana_on moon why)"
    both_ways 56
}
