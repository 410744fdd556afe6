# strongSwan (charon-systemd, with its ESP in user space): the functions of a peer, see ../README.md. Sourced by one.

PEER_IKE=aes256gcm16-prfsha256-x25519
PEER_ESP=aes256gcm16
PEER_OTHER_IKE=aes128-sha256-modp2048
PEER_OTHER_ESP=aes128-sha256

peer_version_of() { chroot "$1" swanctl --help 2>&1 | sed -nE 's/^(strongSwan [0-9.]+) .*/\1/p'; }

peer_start() {
    local folder
    for folder in x509 x509ca x509ocsp x509aa x509ac x509crl pubkey private rsa ecdsa bliss pkcs8 pkcs12; do
        mkdir -p "$LAB/sun/swanctl/$folder"
    done
    : >"$LAB/sun/client.conf"
    cat >"$LAB/sun/daemon.conf" <<END
charon-systemd { }
charon {
  load_modular = yes
  retransmit_timeout = 1
  retransmit_tries = 2
  fragment_size = 600
  filelog {
    f {
      path = /lab/charon.log
      default = 1
      flush_line = yes
    }
  }
  plugins {
    include /etc/strongswan.d/charon/*.conf
    vici {
      socket = unix:///lab/charon.vici
    }
    kernel-libipsec {
      load = yes
    }
    bypass-lan {
      load = no
    }
    resolve {
      load = no
    }
  }
}
END
    start_peer env STRONGSWAN_CONF=/lab/daemon.conf charon-systemd
    wait_for 15 swanctl --stats
}
swanctl() {
    in_peer env STRONGSWAN_CONF=/lab/client.conf SWANCTL_DIR=/lab/swanctl swanctl "$@" --uri unix:///lab/charon.vici
}
peer_log() { cat "$LAB/sun/charon.log"; }

peer_load() {
    swanctl_conf >"$LAB/sun/swanctl/swanctl.conf"
    swanctl --load-all --noprompt --file /lab/swanctl/swanctl.conf
}
peer_quiet() { swanctl --terminate --ike office --timeout 5; }

peer_up() { swanctl --initiate --child "$1" --timeout 30 || true; } # what came of it is seen on both sides
peer_show() { swanctl --list-sas; }
peer_has() {
    local list ike child
    list=$(swanctl --list-sas --raw)
    ike=${list//state=ESTABLISHED/} child=${list//state=INSTALLED/}
    echo "$(((${#list} - ${#ike}) / 17)) $(((${#list} - ${#child}) / 15))"
}
peer_down_child() { swanctl --terminate --child lan --timeout 30; }
peer_down_ike() { swanctl --terminate --ike office --timeout 30; }
peer_kill() { kill -9 "$PEER_PID"; }
peer_rekey_child() { swanctl --rekey --child lan; }
peer_rekey_ike() { swanctl --rekey --ike office; }

peer_cannot() { :; } # CASE ROLE
