/* Three round trips at most: methods, credentials, request. A reply is checked as soon as its first
 * two bytes are there, because some proxies truncate a refusal; only a successful reply to the
 * request is read to its end, which its address type determines. */
#include "net/socks5.h"

#include <stdbool.h>
#include <string.h>

#include "net/sockaddr.h"
#include "spv/error.h"

#define VERSION 5
#define AUTH_VERSION 1 /* of RFC 1929 */
#define NO_AUTH 0
#define USER_PASSWORD 2
#define CONNECT 1
#define ATYP_IPV4 1
#define ATYP_NAME 3
#define ATYP_IPV6 4
#define MIN_REPLY 5 /* bytes of every successful reply, enough to know its length */

static void put_bytes(struct spv_socks5 *s, const void *bytes, size_t n)
{
    memcpy(s->out + s->out_len, bytes, n);
    s->out_len += n;
}

static void put_u8(struct spv_socks5 *s, uint8_t x)
{
    put_bytes(s, &x, 1);
}

static void enter_state(struct spv_socks5 *s, enum spv_socks5_state state)
{
    s->state = state;
    s->out_len = 0;
    s->out_off = 0;
    s->in_len = 0;
}

static void put_credential(struct spv_socks5 *s, const char *text)
{
    size_t n = strlen(text);
    put_u8(s, (uint8_t)n);
    put_bytes(s, text, n);
}

static void put_credentials(struct spv_socks5 *s)
{
    enter_state(s, SPV_SOCKS5_AUTH);
    put_u8(s, AUTH_VERSION);
    put_credential(s, s->user);
    put_credential(s, s->password);
}

/* A literal address is sent as such, a name for the proxy to resolve. */
static void put_request(struct spv_socks5 *s)
{
    struct spv_netaddr addr;
    enter_state(s, SPV_SOCKS5_REPLY);
    put_bytes(s, (const uint8_t[]){VERSION, CONNECT, 0}, 3);
    if (spv_sock_literal(&addr, s->target.host, s->target.port) == 0) {
        put_u8(s, addr.network == SPV_ADDR_IPV4 ? ATYP_IPV4 : ATYP_IPV6);
        put_bytes(s, addr.bytes, addr.len);
    } else {
        put_u8(s, ATYP_NAME);
        put_credential(s, s->target.host);
    }
    put_u8(s, (uint8_t)(s->target.port >> 8));
    put_u8(s, (uint8_t)s->target.port);
}

static int set_credential(char out[SPV_SOCKS5_CREDENTIAL + 1], const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > SPV_SOCKS5_CREDENTIAL)
        return SPV_ERR_INVALID;
    memcpy(out, text, n + 1);
    return 0;
}

int spv_socks5_begin(struct spv_socks5 *s, const struct spv_endpoint *target, const char *user,
                     const char *password)
{
    memset(s, 0, sizeof *s);
    s->target = *target;
    size_t host = strnlen(target->host, sizeof target->host);
    if (host == 0 || host >= sizeof target->host || target->port == 0)
        return SPV_ERR_INVALID;
    if (!user != !password)
        return SPV_ERR_INVALID;
    if (user && (set_credential(s->user, user) < 0 || set_credential(s->password, password) < 0))
        return SPV_ERR_INVALID;
    enter_state(s, SPV_SOCKS5_METHOD);
    put_bytes(s, (const uint8_t[]){VERSION, 1, user ? USER_PASSWORD : NO_AUTH}, 3);
    return 0;
}

size_t spv_socks5_pending(const struct spv_socks5 *s, const uint8_t **bytes)
{
    *bytes = s->out + s->out_off;
    return s->out_len - s->out_off;
}

void spv_socks5_sent(struct spv_socks5 *s, size_t n)
{
    size_t left = s->out_len - s->out_off;
    s->out_off += n < left ? n : left;
}

/* The length of the reply; MIN_REPLY until it is known, 0 for an unknown address type. */
static size_t reply_length(const struct spv_socks5 *s)
{
    if (s->in_len < MIN_REPLY)
        return MIN_REPLY;
    switch (s->in[3]) {
    case ATYP_IPV4:
        return 4 + 4 + 2;
    case ATYP_IPV6:
        return 4 + 16 + 2;
    case ATYP_NAME:
        return 4 + 1 + (size_t)s->in[4] + 2;
    default:
        return 0;
    }
}

size_t spv_socks5_wants(const struct spv_socks5 *s)
{
    if (s->out_off < s->out_len)
        return 0;
    switch (s->state) {
    case SPV_SOCKS5_METHOD:
    case SPV_SOCKS5_AUTH:
        return 2 - s->in_len;
    case SPV_SOCKS5_REPLY:
        return reply_length(s) - s->in_len;
    case SPV_SOCKS5_CONNECTED:
    case SPV_SOCKS5_FAILED:
        return 0;
    }
    return 0;
}

int spv_socks5_reply_error(uint8_t code)
{
    switch (code) {
    case 0:
        return 0;
    case 3: /* network unreachable */
    case 4: /* host unreachable */
    case 0xf0: /* Tor, from here: no such onion service */
    case 0xf2: /* introduction failed */
    case 0xf3: /* rendezvous failed */
        return SPV_ERR_UNREACHABLE;
    case 5:
        return SPV_ERR_REFUSED;
    case 6: /* TTL expired: Tor's code for a circuit that took too long */
    case 0xf7: /* introduction timed out */
        return SPV_ERR_CONNECT_TIMEOUT;
    case 0xf6: /* no onion address */
        return SPV_ERR_RESOLVE;
    default: /* 1 general failure, 2 not allowed, 7 command, 8 address type; Tor: credentials */
        return SPV_ERR_PROXY;
    }
}

static int socks5_fail(struct spv_socks5 *s, int error)
{
    enter_state(s, SPV_SOCKS5_FAILED);
    s->error = error;
    return error;
}

static int check_method(struct spv_socks5 *s)
{
    uint8_t offered = s->user[0] != '\0' ? USER_PASSWORD : NO_AUTH;
    if (s->in[0] != VERSION || s->in[1] != offered)
        return socks5_fail(s, SPV_ERR_PROXY); /* 255: no acceptable method */
    if (offered == USER_PASSWORD)
        put_credentials(s);
    else
        put_request(s);
    return 0;
}

static int check_auth(struct spv_socks5 *s)
{
    /* RFC 1929: any status except 0 is a refusal. The version is ignored: some proxies send 5. */
    if (s->in[1] != 0)
        return socks5_fail(s, SPV_ERR_PROXY);
    put_request(s);
    return 0;
}

static int check_reply(struct spv_socks5 *s)
{
    if (s->in[0] != VERSION)
        return socks5_fail(s, SPV_ERR_PROXY);
    if (s->in[1] != 0)
        return socks5_fail(s, spv_socks5_reply_error(s->in[1]));
    size_t length = reply_length(s);
    if (length == 0)
        return socks5_fail(s, SPV_ERR_PROXY);
    if (s->in_len < length)
        return 0;
    enter_state(s, SPV_SOCKS5_CONNECTED);
    return 1;
}

int spv_socks5_feed(struct spv_socks5 *s, const uint8_t *bytes, size_t n)
{
    if (s->error < 0)
        return s->error;
    if (n > spv_socks5_wants(s))
        return socks5_fail(s, SPV_ERR_INVALID);
    if (n > 0)
        memcpy(s->in + s->in_len, bytes, n);
    s->in_len += n;
    const bool has_status = s->in_len >= 2;
    switch (s->state) {
    case SPV_SOCKS5_METHOD:
        return has_status ? check_method(s) : 0;
    case SPV_SOCKS5_AUTH:
        return has_status ? check_auth(s) : 0;
    case SPV_SOCKS5_REPLY:
        return has_status ? check_reply(s) : 0;
    case SPV_SOCKS5_CONNECTED:
        return 1;
    case SPV_SOCKS5_FAILED:
        break;
    }
    return s->error;
}
