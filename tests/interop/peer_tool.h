/* The text interface of peer_tool: it prints events as lines of JSON, and reads commands as lines
 * of words. */
#ifndef SPV_TESTS_INTEROP_PEER_TOOL_H
#define SPV_TESTS_INTEROP_PEER_TOOL_H

#include "spv/link.h"

/* Each prints one line; callable from any thread. */
void tool_print(const char *event);
void tool_print_port(uint16_t port);
void tool_print_error(const char *event, const char *command, int error); /* command may be NULL */
void tool_print_stats(const char *event, struct spv_link *link);
void tool_print_message(const struct spv_msg *msg);

enum tool_action {
    TOOL_SEND, /* COMMAND and its arguments: see tool_parse */
    TOOL_RAW, /* raw HEX: bytes written to the socket, not through struct spv_peer */
    TOOL_STATS, /* stats */
    TOOL_CLOSE, /* close */
};
#define TOOL_ITEMS 16 /* limit of hashes in one line; the tests need 3 */
struct tool_line {
    enum tool_action action;
    struct spv_msg msg; /* TOOL_SEND; points into the fields below */
    uint8_t *bytes; /* of the word in hex, if the line has one */
    size_t n_bytes;
    struct spv_inv items[TOOL_ITEMS];
    struct spv_blockhash locator[TOOL_ITEMS];
    struct spv_addr_entry address;
};
/* Reads one line; false when it is none of: raw HEX, stats, close, getaddr, mempool, sendheaders,
 * filterclear, ping N, feefilter RATE, addr A.B.C.D PORT SERVICES, inv|getdata TYPE HASH...,
 * getheaders HASH..., tx HEX, filteradd HEX, filterload FUNCTIONS TWEAK UPDATE HEX. When true, free
 * it. */
bool tool_parse(struct tool_line *out, const char *text);
void tool_line_free(struct tool_line *line);

#endif
