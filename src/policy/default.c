/* What "default" stands for.
 *
 * No 3DES, SHA-1, MD5 or MODP below 2048. AEAD first, the classic pairs behind it, few enough that
 * IKE_SA_INIT stays below 600 octets. tests/unit/policy/default_test.c proves which defaults of
 * other systems this meets, and names those that offer nothing safe.
 *
 * IKE: x25519 is what most peers put first; ecp256 and modp2048 are Apple's and Windows', modp4096
 * Android's.
 * ESP: ESN is preferred (RFC 4303 2.2.1: it should be), but a peer that knows only 32-bit numbers
 * takes noesn. Groups stand with "none": a rekey has a fresh key exchange with every peer that
 * wants one, and none with those that do not (strongSwan before 6.0.2, Windows); in IKE_AUTH the
 * groups are left out.
 */
#include "policy/keywords.h"

#define GROUPS "x25519-ecp256-ecp384-modp3072-modp2048-modp4096"

static const char *const ike[] = {
    "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-" GROUPS,
    "aes256-aes128-sha256-sha384-sha512-prfsha256-prfsha384-prfsha512-" GROUPS,
    NULL,
};

static const char *const esp[] = {
    "aes256gcm16-aes128gcm16-chacha20poly1305-" GROUPS "-none-esn-noesn",
    "aes256-aes128-sha256-sha384-sha512-" GROUPS "-none-esn-noesn",
    NULL,
};

static const char *const ah[] = {
    "sha256-sha384-sha512-" GROUPS "-none-esn-noesn",
    NULL,
};

const char *const *policy_default_proposals(uint8_t protocol)
{
    return protocol == PROTOCOL_IKE ? ike : protocol == PROTOCOL_ESP ? esp : ah;
}
