# What the cases of tests/interop/cases share: configurations, starting, asking, looking. Sourced by tests/interop/run;
# see lib.sh for the two hosts, moon (always ikebanad) and sun (strongSwan, or ikebanad as well).

PYTHON=$([ -x /usr/bin/python3 ] && echo /usr/bin/python3 || echo python3)
INTEROP=$here
SECRET='correct horse battery staple'

note() { echo "$*" >&2; }
fail() {
    note "$*"
    exit 1
}

# ---- hosts ----

# lab PEER [OPTION...]: two hosts with daemons. PEER: strongswan (OPTIONs: settings of charon) or ikebana (options of both).
lab() {
    PEER=$1
    shift
    lab_begin case
    if [ "$PEER" = strongswan ]; then
        start_ikebanad moon
        start_charon "$@"
    else
        start_ikebanad moon "$@"
        start_ikebanad sun "$@"
    fi
}

# At the end of a case: no daemon of ours may have crashed, leaked or told of undefined behaviour.
lab_check() {
    local good=yes host pid code
    for host in moon sun; do
        if grep -E 'ERROR: (Address|Leak)Sanitizer|runtime error:|Assertion' "$LAB/$host/log" 2>/dev/null; then
            good=no
            cat "$LAB/$host/log"
        fi
    done
    while read -r pid; do
        code=$(sed -n "s/^$pid //p" "$LAB/ended")
        if [ "${code:-0}" -ne 0 ]; then
            echo "ikebanad $pid ended with $code"
            good=no
        fi
    done < <(cat "$LAB/ikebanad.pids" 2>/dev/null)
    if [ "$status" -ne 0 ] || [ "$good" = no ]; then
        echo "--- the log of moon"
        tail -n 30 "$LAB/moon/log"
        echo "--- the log of sun"
        tail -n 30 "$LAB/sun/charon.log" "$LAB/sun/log" 2>/dev/null
    fi
    [ "$good" = yes ]
}

on() { # HOST COMMAND...
    local host=$1
    shift
    ip netns exec "$(namespace "$host")" "$@"
}
namespace() { [ "$1" = moon ] && echo "$MOON" || echo "$SUN"; }

# ---- configurations ----

# conf HOST [KEY=VALUE...]: one connection and its secret, as text. A KEY without a dot belongs to the connection (name and
# secret are special), local.KEY and remote.KEY to its ends, CHILD.KEY to a child. An empty VALUE takes the key away.
conf() {
    local host=$1 section key word
    shift
    local -A v=([name]=office [secret]=$SECRET)
    local keys=(version=2 mobike=no fragmentation=no proposals=aes128gcm16-prfsha256-x25519
        local.auth=psk remote.auth=psk lan.esp_proposals=aes128gcm16)
    if [ "$host" = moon ]; then
        keys+=(local_addrs=192.0.2.1 remote_addrs=192.0.2.2 local.id=moon.example remote.id=sun.example
            lan.local_ts=10.1.0.0/24 lan.remote_ts=10.2.0.0/24)
    else
        keys+=(local_addrs=192.0.2.2 remote_addrs=192.0.2.1 local.id=sun.example remote.id=moon.example
            lan.local_ts=10.2.0.0/24 lan.remote_ts=10.1.0.0/24)
    fi
    local order=()
    for word in "${keys[@]}" "$@"; do
        key=${word%%=*}
        [ -n "${v[$key]+set}" ] || order+=("$key")
        v[$key]=${word#*=}
    done
    echo "connections {"
    echo "  ${v[name]} {"
    for key in "${order[@]}"; do
        case $key in *.* | name | secret) ;; *) [ -z "${v[$key]}" ] || echo "    $key = ${v[$key]}" ;; esac
    done
    for section in local remote; do
        echo "    $section {"
        for key in "${order[@]}"; do
            case $key in $section.*) [ -z "${v[$key]}" ] || echo "      ${key#*.} = ${v[$key]}" ;; esac
        done
        echo "    }"
    done
    echo "    children {"
    for section in $(printf '%s\n' "${order[@]}" | sed -n 's/\..*//p' | grep -vxE 'local|remote' | uniq); do
        [ "${v[$section.drop]:-}" != yes ] || continue
        echo "      $section {"
        for key in "${order[@]}"; do
            case $key in $section.*) [ -z "${v[$key]}" ] || echo "        ${key#*.} = ${v[$key]}" ;; esac
        done
        echo "      }"
    done
    echo "    }"
    echo "  }"
    echo "}"
    echo "secrets {"
    echo "  ike-${v[name]} {"
    echo "    secret = \"${v[secret]}\""
    echo "  }"
    echo "}"
}

load_on() { # HOST: what stands on stdin
    if [ "$1" = sun ] && [ "$PEER" = strongswan ]; then
        cat >"$LAB/sun/swanctl/swanctl.conf"
        load_charon "$LAB/sun/swanctl/swanctl.conf" >"$LAB/sun/load" 2>&1 || {
            cat "$LAB/sun/load" "$LAB/sun/swanctl/swanctl.conf"
            return 1
        }
    else
        cat >"$LAB/$1/ikebana.conf"
        ikebana_on "$1" load "$LAB/$1/ikebana.conf" >"$LAB/$1/load" 2>&1 || {
            cat "$LAB/$1/load" "$LAB/$1/ikebana.conf"
            return 1
        }
    fi
}

configure() { # HOST [KEY=VALUE...]
    conf "$@" | load_on "$1"
}

# ---- commands ----

up_on() { # HOST [CHILD]: a child (lan), and its IKE SA if there is none
    if [ "$1" = sun ] && [ "$PEER" = strongswan ]; then
        swanctl_on_sun --initiate --child "${2:-lan}" --timeout 60
    else
        ikebana_on "$1" up "${2:-office}" --timeout 60
    fi
}

down_on() { # HOST: the IKE SA
    if [ "$1" = sun ] && [ "$PEER" = strongswan ]; then
        swanctl_on_sun --terminate --ike office --timeout 60
    else
        ikebana_on "$1" down office --timeout 60
    fi
}

# ---- looking ----

# Our SAs as lines "PATH=VALUE".
ours() { # [HOST]
    ikebana_on "${1:-moon}" list --json | "$PYTHON" -B "$INTEROP/facts.py" lines
}
# charon's SAs, one key=value a line; children after their IKE SA.
theirs() {
    swanctl_on_sun --list-sas --raw | tr ' {}' '\n\n\n'
}

# count_sas HOST ike|child: how many are up
count_sas() {
    if [ "$1" = sun ] && [ "$PEER" = strongswan ]; then
        case $2 in
        ike) theirs | grep -c '^state=ESTABLISHED' || true ;;
        child) theirs | grep -c '^state=INSTALLED' || true ;;
        esac
    else
        case $2 in
        ike) ours "$1" | grep -cE '^sas\.[0-9]+\.state=ESTABLISHED' || true ;;
        child) ours "$1" | grep -cE 'child-sas\.[^.]+\.state=INSTALLED' || true ;;
        esac
    fi
}
has_sas() { [ "$(count_sas "$1" "$2")" -eq "$3" ]; }

# sas_are N_IKE N_CHILD: soon, on both sides
sas_are() {
    local host
    for host in moon sun; do
        wait_for 20 has_sas "$host" ike "$1" || fail "$host has $(count_sas "$host" ike) IKE SAs, not $1"
        wait_for 20 has_sas "$host" child "$2" || fail "$host has $(count_sas "$host" child) CHILD SAs, not $2"
    done
}

# The counters of all CHILD SAs of both hosts are above zero, in and out.
all_counted() {
    local host lines
    for host in moon sun; do
        if [ "$host" = sun ] && [ "$PEER" = strongswan ]; then lines=$(theirs); else lines=$(ours "$host"); fi
        grep -qE 'packets-in=[1-9]' <<<"$lines" || fail "$host has counted no packet in: $lines"
        grep -qE 'packets-out=[1-9]' <<<"$lines" || fail "$host has counted no packet out: $lines"
        ! grep -qE 'packets-(in|out)=0$' <<<"$lines" || fail "an SA of $host carries nothing: $lines"
    done
}

# passes FROM SOURCE DESTINATION [SIZE...]: pings get through, of each size
passes() {
    local host=$1 source=$2 destination=$3 size
    shift 3
    [ $# -gt 0 ] || set -- 56
    for size in "$@"; do
        # One at a time: behind a first answer, ping waits for the others no longer than twice as long.
        on "$host" ping -q -c 1 -W 20 -s "$size" -I "$source" "$destination" >"$LAB/ping" 2>&1 ||
            { cat "$LAB/ping"; fail "no ping of $size octets from $host"; }
    done
}
both_ways() { # [SIZE...]: between the nets behind moon and sun
    passes moon 10.1.0.1 10.2.0.1 "$@"
    passes sun 10.2.0.1 10.1.0.1 "$@"
}
refuses_traffic() { # FROM SOURCE DESTINATION
    ! on "$1" ping -q -c 1 -W 1 -I "$2" "$3" >/dev/null 2>&1 || fail "a ping from $1 got through"
}

# why_is HOST [WHAT]: the last record of HOST (of WHAT) is exactly as stdin says: lines "KEY VALUE" (facts.py).
why_is() {
    cat >"$LAB/expected"
    ikebana_on "$1" why ${2:+"$2"} --json >"$LAB/record"
    "$PYTHON" -B "$INTEROP/facts.py" check "$LAB/record" "$LAB/expected" || { ikebana_on "$1" why; return 1; }
}
fact() { # KEY: of the last record of moon
    ikebana_on moon why --json | "$PYTHON" -B "$INTEROP/facts.py" get "$1"
}

# row NAME COMMAND...: one row of a table, in a subshell; the table goes on after a failure
row() {
    local name=$1 rc=0
    shift
    (
        trap - EXIT
        set -e
        "$@"
    ) >"$LAB/row" 2>&1 &
    wait "$!" || rc=$?
    if [ "$rc" -eq 0 ]; then
        echo "ok $name" >>"$ROWS"
    else
        echo "FAILED $name" >>"$ROWS"
        echo "--- $name"
        cat "$LAB/row"
        ROWS_FAILED=yes
    fi
}
rows_done() { [ "${ROWS_FAILED:-no}" = no ]; }

# pinging FILE [OPTION...]: pings in the background while something happens; pinged waits, and wants no loss
pinging() {
    ip netns exec "$MOON" ping -q -c "$1" -i 0.01 -W 10 -I 10.1.0.1 10.2.0.1 >"$LAB/pinging" 2>&1 &
    PINGING=$!
    PIDS="$PIDS $PINGING"
    sleep 0.3
}
pinged() {
    wait "$PINGING" || true
    lab_forget_pid "$PINGING"
    grep -q ' 0% packet loss' "$LAB/pinging" || { cat "$LAB/pinging"; fail "packets were lost"; }
}

# sniff HOST FILTER: tcpdump in the background; sniffed prints what it saw
sniff() {
    # Immediate, -U and -w: each packet is in the file at once. Not by on(): $! must be tcpdump itself.
    ip netns exec "$(namespace "$1")" tcpdump -n --immediate-mode -i eth0 -U -w "$LAB/sniff" "$2" >/dev/null 2>"$LAB/sniff.err" &
    SNIFFING=$!
    PIDS="$PIDS $SNIFFING"
    wait_for 10 grep -q 'listening on' "$LAB/sniff.err"
}
sniffed() {
    sleep 0.3
    kill "$SNIFFING" 2>/dev/null || true
    wait "$SNIFFING" 2>/dev/null || true
    lab_forget_pid "$SNIFFING"
    tcpdump -n -r "$LAB/sniff" 2>/dev/null
}
