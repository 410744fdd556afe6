# What is wrong, on either side, and what the record says: exactly. Numbers are statuses of winerror.h, see docs/status.md.
# A refusal by charon tells us a notify only; when charon asks, we know both sides.

refused_on_moon() { # the command prints the record and ends with 1
    local rc=0
    up_on moon || rc=$?
    [ "$rc" -eq 1 ] || fail "up ended with $rc"
}
refused_on_sun() {
    ! up_on sun || fail "charon's initiation worked"
}

case_charon_refuses_our_ike_proposal() {
    lab strongswan
    configure moon proposals=aes256gcm16-prfsha384-ecp384
    configure sun proposals=aes128-sha256-modp2048
    refused_on_moon
    why_is moon <<'END'
result      failed
role        initiator
phase       IKE_SA_INIT
cause       ike.peer-refused-proposal
status      13800
reason      13868
param       connections.office.proposals
expected    one of our proposals: aes256gcm16-prfsha384-ecp384
seen        the peer answered NO_PROPOSAL_CHOSEN (14)
END
    sas_are 0 0
}
case_we_refuse_the_ike_proposal_of_charon() {
    lab strongswan
    configure moon proposals=aes256gcm16-prfsha384-ecp384
    configure sun proposals=aes128-sha256-modp2048
    refused_on_sun
    why_is moon <<'END'
result      failed
role        responder
phase       IKE_SA_INIT
cause       ike.no-common-proposal
status      13800
reason      13868
param       connections.office.proposals
expected    aes256gcm16-prfsha384-ecp384
seen        aes128-sha256-modp2048
at_fault    both
END
    sas_are 0 0
}

case_charon_refuses_our_secret() {
    lab strongswan
    configure moon secret='wrong horse battery staple'
    configure sun
    refused_on_moon
    why_is moon <<'END'
result      failed
phase       IKE_AUTH
cause       auth.peer-refused
status      13800
reason      13801
param       connections.office.local.id
expected    that it accepts us as moon.example by secrets.ike-office, and is sun.example
seen        the peer answered AUTHENTICATION_FAILED (24)
END
    sas_are 0 0
}
case_we_refuse_the_secret_of_charon() {
    lab strongswan
    configure moon secret='wrong horse battery staple'
    configure sun
    refused_on_sun
    why_is moon <<'END'
result      failed
role        responder
phase       IKE_AUTH
cause       auth.psk-mismatch
status      13800
reason      13870
param       secrets.ike-office
expected    an AUTH payload made with the secret of ike-office
seen        one made with another secret, between moon.example and sun.example
at_fault    both
END
    sas_are 0 0
}

case_charon_has_no_such_identity() {
    lab strongswan
    configure moon remote.id=mars.example
    configure sun
    refused_on_moon
    why_is moon <<'END'
result      failed
phase       IKE_AUTH
cause       auth.peer-refused
status      13800
reason      13801
param       connections.office.local.id
expected    that it accepts us as moon.example by secrets.ike-office, and is mars.example
seen        the peer answered AUTHENTICATION_FAILED (24)
END
}
case_the_identity_of_charon_is_not_the_expected_one() {
    lab strongswan
    configure moon remote.id=mars.example
    configure sun
    refused_on_sun
    why_is moon <<'END'
result      failed
role        responder
phase       IKE_AUTH
cause       auth.id-mismatch
status      13800
reason      13869
param       connections.office.remote.id
expected    mars.example
seen        sun.example
END
    sas_are 0 0
}
case_charon_refuses_our_identity() {
    lab strongswan
    configure moon local.id=mars.example
    configure sun
    refused_on_moon
    why_is moon <<'END'
phase       IKE_AUTH
cause       auth.peer-refused
status      13800
reason      13801
param       connections.office.local.id
expected    that it accepts us as mars.example by secrets.ike-office, and is sun.example
seen        the peer answered AUTHENTICATION_FAILED (24)
END
}

case_charon_refuses_our_selectors() {
    lab strongswan
    configure moon lan.remote_ts=10.99.0.0/24
    configure sun
    refused_on_moon
    why_is moon <<'END'
phase       CHILD_SA
cause       child.peer-ts-unacceptable
status      13897
reason      13868
param       connections.office.children.lan.remote_ts
expected    local 10.1.0.0/24, remote 10.99.0.0/24
seen        the peer answered TS_UNACCEPTABLE (38)
END
    sas_are 1 0
}
case_we_refuse_the_selectors_of_charon() {
    lab strongswan
    configure moon lan.remote_ts=10.99.0.0/24
    configure sun
    refused_on_sun
    why_is moon <<'END'
role        responder
phase       CHILD_SA
cause       child.ts-unacceptable
status      13897
reason      13868
param       connections.office.children.lan.remote_ts
expected    10.99.0.0/24
seen        10.2.0.0/24
END
}
case_narrowed_selectors_are_a_warning() {
    lab strongswan
    configure moon lan.local_ts=10.1.0.0/16 lan.remote_ts=10.2.0.0/16
    configure sun
    up_on moon
    why_is moon <<'END'
result      up
status      -
reason      -
cause       child.ts-narrowed
severity    warning
child.local_ts   10.1.0.0/24
child.remote_ts  10.2.0.0/24
END
    both_ways
    down_on moon
    sas_are 0 0
    up_on sun
    [ "$(fact child.remote_ts)" = 10.2.0.0/24 ]
    both_ways
}

case_charon_refuses_our_esp_proposal() {
    lab strongswan
    configure moon lan.esp_proposals=aes256gcm16
    configure sun lan.esp_proposals=aes128-sha256
    refused_on_moon
    why_is moon <<'END'
phase       CHILD_SA
cause       child.peer-refused-proposal
status      13897
reason      13868
param       connections.office.children.lan.esp_proposals
expected    aes256gcm16
seen        the peer answered NO_PROPOSAL_CHOSEN (14)
END
    sas_are 1 0
}
case_we_refuse_the_esp_proposal_of_charon() {
    lab strongswan
    configure moon lan.esp_proposals=aes256gcm16
    configure sun lan.esp_proposals=aes128-sha256
    refused_on_sun
    why_is moon <<'END'
role        responder
phase       CHILD_SA
cause       child.no-common-proposal
status      13897
reason      13868
param       connections.office.children.lan.esp_proposals
expected    aes256gcm16
seen        aes128-sha256
END
}

case_a_peer_without_a_connection_is_told_apart() {
    lab strongswan
    configure moon remote_addrs=192.0.2.77
    configure sun
    refused_on_sun
    why_is moon <<'END'
role        responder
phase       IKE_SA_INIT
cause       ike.no-connection
status      13800
END
}

case_a_closed_port_is_told_at_once_and_ends_the_attempt() {
    lab strongswan
    configure moon remote_port=999
    local rc=0
    ikebana_on moon up office || rc=$?
    [ "$rc" -eq 1 ]
    why_is moon <<'END'
result    failed
cause     net.unreachable
expected  an answer to IKE_SA_INIT from 192.0.2.2[999]
seen      ICMP port unreachable
END
    grep -q 'hint: 13813 ERROR_IPSEC_IKE_DROP_NO_RESPONSE net.unreachable' "$LAB/moon/log"
}
