# Every algorithm of IKE and ESP, with charon and between two of us: negotiated, and used by traffic.

IKE_PROPOSALS=(
    aes128-sha256-modp2048 aes192-sha256-modp2048 aes256-sha256-modp2048 3des-sha1-modp1024
    aes128ctr-sha256-x25519 aes192ctr-sha256-x25519 aes256ctr-sha256-x25519
    aes128gcm8-prfsha256-x25519 aes192gcm12-prfsha256-x25519 aes256gcm16-prfsha256-x25519
    aes128ccm8-prfsha256-x25519 aes192ccm12-prfsha256-x25519 aes256ccm16-prfsha256-x25519
    chacha20poly1305-prfsha256-x25519
    aes128-sha1-x25519 aes128-sha384-x25519 aes128-sha512-x25519
    aes128-aesxcbc-x25519 aes128-aescmac-x25519 aes128-sha256-prfsha512-x25519
    aes128gcm16-prfsha1-x25519 aes128gcm16-prfsha384-x25519 aes128gcm16-prfsha512-x25519
    aes128gcm16-prfaesxcbc-x25519 aes128gcm16-prfaescmac-x25519
    aes128gcm16-prfsha256-modp1536 aes128gcm16-prfsha256-modp3072 aes128gcm16-prfsha256-modp4096
    aes128gcm16-prfsha256-modp6144 aes128gcm16-prfsha256-modp1024s160 aes128gcm16-prfsha256-modp2048s224
    aes128gcm16-prfsha256-modp2048s256 aes128gcm16-prfsha256-ecp256 aes128gcm16-prfsha256-ecp384
    aes128gcm16-prfsha256-ecp521 aes128gcm16-prfsha256-ecp256bp aes128gcm16-prfsha256-ecp384bp
    aes128gcm16-prfsha256-ecp512bp aes128gcm16-prfsha256-x448
)
ESP_PROPOSALS=(
    aes128-sha1 aes192-sha384 aes256-sha256 aes128-sha512 aes128-aesxcbc aes128-aescmac 3des-sha1 null-sha256
    aes128ctr-sha256 aes192ctr-sha1 aes256ctr-sha512
    aes128gcm8 aes192gcm8 aes256gcm8 aes128gcm12 aes192gcm12 aes256gcm12 aes128gcm16 aes192gcm16 aes256gcm16
    aes128ccm8 aes192ccm8 aes256ccm8 aes128ccm12 aes192ccm12 aes256ccm12 aes128ccm16 aes192ccm16 aes256ccm16
    chacha20poly1305
)

join() { # with commas
    local IFS=,
    echo "$*"
}

ike_row() { # INITIATOR PROPOSAL: one side has only this one, the other all of them
    if [ "$1" = moon ]; then
        configure moon "proposals=$2"
    else
        configure sun "proposals=$2"
    fi
    up_on "$1"
    [ "$(fact ike.suite)" = "$2" ] || fail "we have $(fact ike.suite)"
    passes moon 10.1.0.1 10.2.0.1
    down_on "$1"
    sas_are 0 0
}
case_ike_proposals_that_we_offer_are_charons() {
    lab strongswan
    configure sun "proposals=$(join "${IKE_PROPOSALS[@]}")"
    for proposal in "${IKE_PROPOSALS[@]}"; do row "$proposal" ike_row moon "$proposal"; done
    rows_done
}
case_ike_proposals_that_charon_offers_are_ours() {
    lab strongswan
    configure moon "proposals=$(join "${IKE_PROPOSALS[@]}")"
    for proposal in "${IKE_PROPOSALS[@]}"; do row "$proposal" ike_row sun "$proposal"; done
    rows_done
}

esp_row() { # INITIATOR PROPOSAL
    configure moon "lan.esp_proposals=$2"
    configure sun "lan.esp_proposals=$2"
    up_on "$1"
    [ "$(fact child.suite)" = "$2" ] || fail "we have $(fact child.suite)"
    both_ways 56 1300 4000
    all_counted
    down_on "$1"
    sas_are 0 0
}
esp_table() { # PROPOSAL...: by turns from each side
    local proposal side=moon
    for proposal in "$@"; do
        row "$proposal" esp_row "$side" "$proposal"
        [ "$side" = moon ] && side=sun || side=moon
    done
    rows_done
}
case_esp_proposals_carry_traffic_to_charon() {
    lab strongswan
    esp_table "${ESP_PROPOSALS[@]}"
}
case_esp_proposals_carry_traffic_between_two_of_us() {
    lab ikebana
    esp_table "${ESP_PROPOSALS[@]}" aes128-sha256-esn aes256gcm16-esn chacha20poly1305-esn aes256ctr-sha256-esn \
        aes128ccm16-esn null-sha256-esn aes128gmac aes256gmac-esn
}

case_the_defaults_of_both_sides_meet() {
    lab strongswan
    for side in moon sun; do
        for host in moon sun; do configure "$host" proposals=default lan.esp_proposals=default; done
        up_on "$side"
        both_ways
        all_counted
        sas_are 1 1
        down_on "$side"
        sas_are 0 0
    done
}
