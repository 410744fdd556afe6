/* Traffic selectors from text and back: "10.0.0.0/8[tcp/80]".
 *
 * charon's forms (data/spec/swanctl-cases.tsv): dynamic, an address, a prefix, a range, each with
 * an optional [protocol] or [protocol/port]; port a number, a range, a service name, any or opaque.
 * For ICMP the port is type * 256 + code, and we also read and print "type(code)". Names come from
 * the tables below: the core opens no file.
 *
 * What charon takes and a user does not expect is read as it was probably meant, and *why says so
 * although the answer is true: a prefix longer than the address, ranges that run backwards.
 */
#include "policy/line.h"
#include "policy/policy.h"
#include "policy/scan.h"

struct number_name {
    uint16_t number;
    const char *name;
};

enum { PROTO_ICMP = 1, PROTO_ICMPV6 = 58 };

/* The first name of a number is the one that is printed. IANA, protocol numbers. */
static const struct number_name protocols[] = {
    {1, "icmp"},        {2, "igmp"},
    {4, "ipencap"},     {4, "ipip"},
    {6, "tcp"},         {8, "egp"},
    {9, "igp"},         {17, "udp"},
    {27, "rdp"},        {33, "dccp"},
    {41, "ipv6"},       {43, "ipv6-route"},
    {44, "ipv6-frag"},  {46, "rsvp"},
    {47, "gre"},        {50, "esp"},
    {50, "ipsec-esp"},  {51, "ah"},
    {51, "ipsec-ah"},   {58, "ipv6-icmp"},
    {58, "icmpv6"},     {58, "icmp6"},
    {59, "ipv6-nonxt"}, {60, "ipv6-opts"},
    {88, "eigrp"},      {89, "ospf"},
    {89, "ospfigp"},    {94, "ipip-94"},
    {97, "etherip"},    {98, "encap"},
    {103, "pim"},       {108, "ipcomp"},
    {112, "vrrp"},      {115, "l2tp"},
    {124, "isis"},      {132, "sctp"},
    {133, "fc"},        {135, "mobility-header"},
    {136, "udplite"},   {137, "mpls-in-ip"},
    {139, "hip"},       {140, "shim6"},
    {141, "wesp"},      {142, "rohc"},
};

/* IANA, service names: those that people write into selectors. */
static const struct number_name services[] = {
    {7, "echo"},
    {9, "discard"},
    {13, "daytime"},
    {19, "chargen"},
    {20, "ftp-data"},
    {21, "ftp"},
    {22, "ssh"},
    {23, "telnet"},
    {25, "smtp"},
    {37, "time"},
    {43, "whois"},
    {49, "tacacs"},
    {53, "domain"},
    {53, "dns"},
    {67, "bootps"},
    {68, "bootpc"},
    {69, "tftp"},
    {70, "gopher"},
    {79, "finger"},
    {80, "http"},
    {88, "kerberos"},
    {110, "pop3"},
    {111, "sunrpc"},
    {113, "auth"},
    {119, "nntp"},
    {123, "ntp"},
    {135, "epmap"},
    {137, "netbios-ns"},
    {138, "netbios-dgm"},
    {139, "netbios-ssn"},
    {143, "imap2"},
    {143, "imap"},
    {161, "snmp"},
    {162, "snmp-trap"},
    {162, "snmptrap"},
    {179, "bgp"},
    {194, "irc"},
    {264, "bgmp"},
    {389, "ldap"},
    {427, "svrloc"},
    {443, "https"},
    {445, "microsoft-ds"},
    {465, "submissions"},
    {500, "isakmp"},
    {513, "login"},
    {514, "syslog"},
    {515, "printer"},
    {520, "route"},
    {546, "dhcpv6-client"},
    {547, "dhcpv6-server"},
    {554, "rtsp"},
    {563, "nntps"},
    {587, "submission"},
    {623, "asf-rmcp"},
    {631, "ipp"},
    {636, "ldaps"},
    {646, "ldp"},
    {853, "domain-s"},
    {860, "iscsi"},
    {873, "rsync"},
    {989, "ftps-data"},
    {990, "ftps"},
    {993, "imaps"},
    {995, "pop3s"},
    {1080, "socks"},
    {1194, "openvpn"},
    {1433, "ms-sql-s"},
    {1521, "ncube-lm"},
    {1701, "l2tp"},
    {1701, "l2f"},
    {1723, "pptp"},
    {1812, "radius"},
    {1813, "radius-acct"},
    {1883, "mqtt"},
    {2049, "nfs"},
    {2152, "gtp-user"},
    {3128, "squid"},
    {3260, "iscsi-target"},
    {3306, "mysql"},
    {3389, "ms-wbt-server"},
    {3478, "stun"},
    {3799, "radius-dynauth"},
    {4500, "ipsec-nat-t"},
    {4569, "iax"},
    {4789, "vxlan"},
    {5060, "sip"},
    {5061, "sip-tls"},
    {5222, "xmpp-client"},
    {5353, "mdns"},
    {5432, "postgresql"},
    {5671, "amqps"},
    {5672, "amqp"},
    {6379, "redis"},
    {6667, "ircd"},
    {8080, "http-alt"},
    {8883, "secure-mqtt"},
    {9100, "jetdirect"},
    {10050, "zabbix-agent"},
    {11211, "memcached"},
};

/* ---- small readers ---- */

static bool decimal(struct span s, uint32_t max, uint32_t *out)
{
    uint32_t v = 0;
    if (s.len == 0 || s.len > 9)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        v = v * 10 + (uint32_t)(s.at[i] - '0');
    }
    *out = v;
    return v <= max;
}

static bool by_name(const struct number_name *table, size_t count, struct span s, uint32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (scan_same_text(s, table[i].name)) {
            *out = table[i].number;
            return true;
        }
    }
    return false;
}

static bool is_icmp(uint8_t protocol)
{
    return protocol == PROTO_ICMP || protocol == PROTO_ICMPV6;
}

/* ---- protocol and port ---- */

static bool parse_protocol(struct span s, uint8_t *out)
{
    uint32_t v = 0;
    if (s.len == 0 || scan_same_text(s, "any") || scan_same_text(s, "%any") ||
        scan_same_text(s, "ip")) {
        *out = 0;
        return true;
    }
    if (!decimal(s, 255, &v) && !by_name(protocols, sizeof protocols / sizeof protocols[0], s, &v))
        return false;
    *out = (uint8_t)v;
    return v <= 255;
}

/* A number, and for ICMP also "8(0)". */
static bool parse_port_number(struct span s, uint8_t protocol, uint16_t *out)
{
    uint32_t v = 0, code = 0;
    struct span type, rest, tail;
    if (decimal(s, 65535, &v)) {
        *out = (uint16_t)v;
        return true;
    }
    if (!is_icmp(protocol) || !scan_split(s, '(', &type, &rest) ||
        !scan_split(rest, ')', &rest, &tail) || tail.len != 0 ||
        !decimal(scan_trim(type), 255, &v) || !decimal(scan_trim(rest), 255, &code))
        return false;
    *out = (uint16_t)(v << 8 | code);
    return true;
}

static bool parse_ports(struct span s, struct selector *out, const char **why)
{
    uint32_t v = 0;
    struct span from, to;
    if (s.len == 0 || scan_same_text(s, "any") || scan_same_text(s, "%any")) {
        out->port_from = 0;
        out->port_to = 65535;
        return true;
    }
    if (scan_same_text(s, "opaque") || scan_same_text(s, "%opaque")) {
        out->port_from = 65535;
        out->port_to = 0;
        return true;
    }
    if (parse_port_number(s, out->protocol, &out->port_from)) {
        out->port_to = out->port_from;
        return true;
    }
    if (by_name(services, sizeof services / sizeof services[0], s, &v)) {
        out->port_from = out->port_to = (uint16_t)v;
        return true;
    }
    if (!scan_split(s, '-', &from, &to) ||
        !parse_port_number(scan_trim(from), out->protocol, &out->port_from) ||
        !parse_port_number(scan_trim(to), out->protocol, &out->port_to))
        return false;
    if (out->port_from > out->port_to && !(out->port_from == 65535 && out->port_to == 0)) {
        uint16_t first = out->port_to;
        out->port_to = out->port_from;
        out->port_from = first;
        *why = "the port range runs backwards: it is read from the lower to the higher";
    }
    return true;
}

/* What stands in brackets. */
static bool parse_protoport(struct span s, struct selector *out, const char **why)
{
    struct span protocol, ports;
    scan_split(s, '/', &protocol, &ports);
    if (!parse_protocol(scan_trim(protocol), &out->protocol)) {
        *why = "the protocol is neither a number up to 255 nor a known name (tcp, udp, icmp, …)";
        return false;
    }
    if (!parse_ports(scan_trim(ports), out, why)) {
        *why = "the port is neither a number up to 65535, a range of numbers, a known service "
               "name, any nor opaque";
        return false;
    }
    return true;
}

/* ---- addresses ---- */

static bool parse_prefix(struct span address, struct span length, struct selector *out,
                         const char **why)
{
    struct address a;
    uint32_t bits = 0;
    if (!address_parse(scan_trim(address), &a) || !decimal(scan_trim(length), 999, &bits)) {
        *why = "expected an IPv4 or IPv6 prefix, for example 10.0.0.0/8";
        return false;
    }
    size_t len = address_len(a.family);
    if (bits > len * 8) {
        bits = (uint32_t)len * 8;
        *why = "the prefix is longer than the address: it is read as the single address";
    }
    out->family = a.family;
    for (size_t i = 0; i < len; i++) {
        uint32_t kept = bits >= 8 * (i + 1) ? 8 : bits <= 8 * i ? 0 : bits - (uint32_t)(8 * i);
        uint8_t host = (uint8_t)(0xff >> kept);
        out->from[i] = (uint8_t)(a.bytes[i] & ~host);
        out->to[i] = a.bytes[i] | host;
    }
    return true;
}

static bool parse_range(struct span from, struct span to, struct selector *out, const char **why)
{
    struct address a, b;
    if (!address_parse(scan_trim(from), &a) || !address_parse(scan_trim(to), &b) ||
        a.family != b.family) {
        *why = "expected a range of addresses of one family, for example 10.0.0.1-10.0.0.9";
        return false;
    }
    if (memcmp(a.bytes, b.bytes, sizeof a.bytes) > 0) {
        struct address first = b;
        b = a;
        a = first;
        *why = "the address range runs backwards: it is read from the lower to the higher";
    }
    out->family = a.family;
    memcpy(out->from, a.bytes, sizeof out->from);
    memcpy(out->to, b.bytes, sizeof out->to);
    return true;
}

static bool parse_addresses(struct span s, struct selector *out, const char **why)
{
    struct span before, behind;
    if (scan_same_text(s, "dynamic")) {
        out->is_dynamic = true;
        return true;
    }
    if (scan_split(s, '/', &before, &behind))
        return parse_prefix(before, behind, out, why);
    if (scan_split(s, '-', &before, &behind))
        return parse_range(before, behind, out, why);
    if (parse_range(s, s, out, why))
        return true;
    *why = "expected dynamic, an address, a prefix or a range, for example 10.0.0.0/8";
    return false;
}

bool policy_parse_selector(struct span text, struct selector *out, struct arena *a,
                           const char **why)
{
    (void)a;
    struct span addresses, protoport, tail;
    *why = NULL;
    *out = (struct selector){.port_to = 65535};
    if (scan_split(scan_trim(text), '[', &addresses, &protoport)) {
        if (!scan_split(protoport, ']', &protoport, &tail) || tail.len != 0) {
            *why = "the bracket of [protocol/port] is not closed at the end";
            return false;
        }
        if (!parse_protoport(scan_trim(protoport), out, why))
            return false;
    }
    return parse_addresses(scan_trim(addresses), out, why);
}

/* ---- to text ---- */

/* The prefix length when the range is exactly one prefix, else -1. */
static int prefix_of(const struct selector *s)
{
    int bits = 0;
    size_t len = address_len(s->family);
    bool in_host = false;
    for (size_t i = 0; i < len; i++) {
        for (unsigned mask = 0x80; mask != 0; mask >>= 1) {
            bool from = (s->from[i] & mask) != 0, to = (s->to[i] & mask) != 0;
            if (from == to && !in_host) {
                bits++;
                continue;
            }
            in_host = true;
            if (from || !to)
                return -1;
        }
    }
    return bits;
}

static const char *octets_text(const uint8_t *octets, uint8_t family, struct arena *a)
{
    struct address at;
    if (!address_from(span_of(octets, address_len(family)), 0, &at))
        return "?";
    return address_text(a, &at);
}

static const char *addresses_text(const struct selector *s, struct arena *a)
{
    if (s->is_dynamic)
        return "dynamic";
    int bits = prefix_of(s);
    const char *from = octets_text(s->from, s->family, a);
    if (bits >= 0)
        return arena_text(a, "%s/%d", from, bits);
    return arena_text(a, "%s-%s", from, octets_text(s->to, s->family, a));
}

static const char *port_text(uint8_t protocol, uint16_t port, struct arena *a)
{
    if (is_icmp(protocol))
        return arena_text(a, "%u(%u)", port >> 8, port & 255);
    return arena_text(a, "%u", port);
}

static const char *protocol_text(uint8_t protocol, struct arena *a)
{
    if (protocol == 0)
        return "any";
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
        if (protocols[i].number == protocol)
            return protocols[i].name;
    return arena_text(a, "%u", protocol);
}

const char *policy_selector_text(const struct selector *s, struct arena *a)
{
    const char *addresses = addresses_text(s, a);
    const char *protocol = protocol_text(s->protocol, a);
    if (s->port_from == 0 && s->port_to == 65535)
        return s->protocol == 0 ? addresses : arena_text(a, "%s[%s]", addresses, protocol);
    if (s->port_from == 65535 && s->port_to == 0)
        return arena_text(a, "%s[%s/opaque]", addresses, protocol);
    const char *from = port_text(s->protocol, s->port_from, a);
    if (s->port_from == s->port_to)
        return arena_text(a, "%s[%s/%s]", addresses, protocol, from);
    return arena_text(a, "%s[%s/%s-%s]", addresses, protocol, from,
                      port_text(s->protocol, s->port_to, a));
}

const char *policy_selectors_text(const struct selectors *s, struct arena *a)
{
    enum { SELECTORS_TEXT_MAX = 2000 };
    struct line l = line_new(a, SELECTORS_TEXT_MAX);
    for (size_t i = 0; i < s->count && !l.is_cut; i++)
        line_add(&l, ", ", policy_selector_text(&s->at[i], a));
    return l.len == 0 ? "none" : line_text(&l);
}
