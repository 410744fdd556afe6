# Libreswan (pluto): the functions of a peer, see ../README.md. Sourced by one.

PEER_IKE=aes256gcm16-prfsha256-x25519
PEER_ESP=aes256gcm16-x25519 # its default is PFS
PEER_OTHER_IKE=aes128-sha256-modp2048
PEER_OTHER_ESP=aes128-sha256-modp2048
EXEC=/usr/libexec/ipsec

peer_version_of() { chroot "$1" $EXEC/pluto --version | sed 's/^\(Libreswan [^ ]*\).*/\1/'; }

words() { # swanctl's keywords as Libreswan's
    case $1 in
    aes256gcm16-prfsha256-x25519) echo "aes_gcm256-sha2_256;dh31" ;;
    aes128-sha256-modp2048) echo "aes_cbc128-sha2_256;dh14" ;;
    aes256gcm16) echo aes_gcm256 ;;
    aes256gcm16-x25519) echo "aes_gcm256;dh31" ;;
    *) fail "no words for $1" ;;
    esac
}

peer_start() {
    printf 'config setup\n\tlogfile=/lab/pluto.log\n\tuniqueids=yes\n' >"$LAB/sun/ipsec.conf"
    : >"$LAB/sun/ipsec.secrets"
    start_peer $EXEC/pluto --config /lab/ipsec.conf --secretsfile /lab/ipsec.secrets --rundir /run/pluto \
        --nssdir /var/lib/ipsec/nss --nofork --no-dnssec --logfile /lab/pluto.log
    wait_for 60 whack --listen
    # As its updown script would: towards what is protected there is a route.
    ip -n "$SUN" route add 10.1.0.0/16 dev eth0 2>/dev/null || true
    ip -n "$SUN" -6 route add fd01::/64 dev eth0 2>/dev/null || true
}
whack() { in_peer $EXEC/whack --ctlsocket /run/pluto/pluto.ctl "$@"; }
peer_log() { cat "$LAB/sun/pluto.log"; }

bulk() { # more proposals than anybody needs
    local encr
    for encr in aes_cbc128 aes_cbc192 aes_cbc256 aes_ctr128 aes_ctr192 aes_ctr256; do
        printf ',%s;dh31' $encr-sha1 $encr-sha2_512 $encr-sha2_256 $encr-aes_xcbc $encr-aes_cmac
    done
}
conn() { # NAME LOCAL_TS REMOTE_TS
    cat <<END
conn $1
	left=${P[local_addr]}
	leftid=@${P[local_id]}
	leftsubnet=$2
	right=${P[remote_addr]}
	rightid=@${P[remote_id]}
	rightsubnet=$3
	leftupdown=%disabled
	authby=secret
	ikev2=insist
	ike=$(words "${P[ike]}")
	esp=$(words "${P[esp]}")$([ "${P[bulk]}" = no ] || bulk)
	narrowing=yes
	fragmentation=${P[fragment]}
	mobike=no
	keyingtries=1
	auto=add
$([ "${P[dpd]}" = 0 ] || printf '\tdpddelay=%s\n\tdpdtimeout=10\n\tdpdaction=clear\n\tretransmit-timeout=5s\n' "${P[dpd]}")
END
}
peer_load() {
    local conns=lan
    {
        printf 'config setup\n\tlogfile=/lab/pluto.log\n\tuniqueids=yes\n'
        conn lan "${P[local_ts]}" "${P[remote_ts]}"
        [ "${P[second]}" = no ] || conn dmz "${P[second_local_ts]}" "${P[second_remote_ts]}"
    } >"$LAB/sun/ipsec.conf"
    [ "${P[second]}" = no ] || conns="lan dmz"
    echo "@${P[local_id]} @${P[remote_id]} : PSK \"${P[secret]}\"" >"$LAB/sun/ipsec.secrets"
    in_peer sh -c 'PATH=$PATH:/usr/libexec/ipsec; whack --ctlsocket "$1" --rereadsecrets && exec addconn --config /lab/ipsec.conf --ctlsocket "$@"' \
        sh /run/pluto/pluto.ctl $conns
}
peer_quiet() { # in one go: programs start slowly in user-mode Linux
    in_peer sh -c 'for name in lan dmz; do "$@" --delete --name $name; done' \
        sh $EXEC/whack --ctlsocket /run/pluto/pluto.ctl
}

peer_up() { whack --initiate --name "$1" --asynchronous; }
peer_show() { whack --showstates; }
peer_has() {
    local states ike child
    states=$(peer_show)
    ike=${states//ESTABLISHED_IKE_SA/} child=${states//ESTABLISHED_CHILD_SA/}
    echo "$(((${#states} - ${#ike}) / 18)) $(((${#states} - ${#child}) / 20))"
}
state_of() { whack --showstates | sed -nE "s/^(000 )?#([0-9]+):.*ESTABLISHED_$1_SA.*/\2/p" | tail -n 1; }
peer_down_child() { whack --deletestate "$(state_of CHILD)"; }
peer_down_ike() { whack --deletestate "$(state_of IKE)"; }
peer_kill() { kill -9 "$PEER_PID"; }
peer_rekey_child() { whack "$(whack --help 2>&1 | grep -oE -- '--rekey-(child|ipsec)' | head -n 1)" --name lan --asynchronous; }
peer_rekey_ike() { whack --rekey-ike --name lan --asynchronous; }

peer_cannot() { # CASE ROLE
    case $1 in
    both_inside) [ "$PEER" != libreswan-4.10 ] || echo "a connection has one subnet on each side" ;;
    esac
}
