/* The transport of a connection, as options and output name it. */
#include <string.h>

#include "cli.h"

static const char *const names[] = {
    [SPV_TRANSPORT_AUTO] = "auto", [SPV_TRANSPORT_ONLY_V1] = "v1", [SPV_TRANSPORT_ONLY_V2] = "v2"};

const char *cli_transport_name(enum spv_transport_choice choice)
{
    return names[choice];
}

int cli_read_transport(enum spv_transport_choice *out, const char *label, const char *text)
{
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum spv_transport_choice)i;
            return CLI_PROCEED;
        }
    }
    return cli_usage("%s: '%s' is not a transport. Use one of: auto, v1, v2.", label, text);
}

static const char *session_hex(char out[2 * SPV_SESSION_ID + 1],
                               const uint8_t session_id[SPV_SESSION_ID])
{
    for (size_t i = 0; i < SPV_SESSION_ID; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", session_id[i]);
    return out;
}

const char *cli_transport(char out[CLI_TRANSPORT_TEXT], enum spv_transport transport,
                          const uint8_t session_id[SPV_SESSION_ID])
{
    char id[2 * SPV_SESSION_ID + 1];

    if (transport == SPV_TRANSPORT_V2)
        (void)snprintf(out, CLI_TRANSPORT_TEXT, "v2, session %s", session_hex(id, session_id));
    else
        (void)snprintf(out, CLI_TRANSPORT_TEXT, "v1");
    return out;
}

void cli_json_transport(json_t *object, enum spv_transport transport,
                        const uint8_t session_id[SPV_SESSION_ID])
{
    char id[2 * SPV_SESSION_ID + 1];
    const bool v2 = transport == SPV_TRANSPORT_V2;

    if (!object)
        return;
    json_object_set_new(object, "transport", json_string(v2 ? "v2" : "v1"));
    if (v2)
        json_object_set_new(object, "session_id", json_string(session_hex(id, session_id)));
}
