/* Drop reasons as words and as causes. */
#include "esp/esp.h"

static const struct drop_row {
    const char *name;
    enum cause cause;
} rows[ESP_DROP_COUNT] = {
    [ESP_OK] = {"ok", CAUSE_NONE},
    [ESP_NO_POLICY] = {"no-policy", CAUSE_ESP_NO_POLICY},
    [ESP_NO_SA] = {"no-sa", CAUSE_ESP_NO_POLICY},
    [ESP_UNKNOWN_SPI] = {"unknown-spi", CAUSE_ESP_UNKNOWN_SPI},
    [ESP_TOO_SHORT] = {"too-short", CAUSE_ESP_MALFORMED},
    [ESP_REPLAYED] = {"replayed", CAUSE_ESP_REPLAY},
    [ESP_BAD_ICV] = {"bad-icv", CAUSE_ESP_INTEGRITY},
    [ESP_BAD_PADDING] = {"bad-padding", CAUSE_ESP_MALFORMED},
    [ESP_BAD_INNER] = {"bad-inner", CAUSE_ESP_MALFORMED},
    [ESP_WRONG_SELECTOR] = {"wrong-selector", CAUSE_ESP_SELECTOR},
    [ESP_TOO_BIG] = {"too-big", CAUSE_ESP_TOO_BIG},
    [ESP_SEQ_EXHAUSTED] = {"sequence-exhausted", CAUSE_ESP_SEQUENCE_EXHAUSTED},
    [ESP_LIFETIME] = {"lifetime", CAUSE_ESP_LIFETIME},
    [ESP_WRONG_WORKER] = {"wrong-worker", CAUSE_ESP_WRONG_WORKER},
    [ESP_BLOCKED] = {"blocked", CAUSE_ESP_BLOCKED},
};

const char *esp_drop_name(enum esp_drop why)
{
    return why < ESP_DROP_COUNT ? rows[why].name : "unknown";
}

enum cause esp_drop_cause(enum esp_drop why)
{
    return why < ESP_DROP_COUNT ? rows[why].cause : CAUSE_NONE;
}
