/* The transports of a connection: v1, the frames of the original protocol, and v2, the encrypted
 * packets of BIP324. v2 hides the messages from an observer of the path; it does not authenticate
 * the peer: compare session ids out of band for that. */
#ifndef SPV_TRANSPORT_H
#define SPV_TRANSPORT_H

#include "spv/error.h"
#include "spv/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The transport that a connection has. */
enum spv_transport {
    SPV_TRANSPORT_V1 = 0, /* unencrypted frames */
    SPV_TRANSPORT_V2 = 1, /* encrypted packets; the peer's version packet was authenticated */
    SPV_TRANSPORT_PENDING = 2, /* not detected yet, or the v2 handshake is not complete */
};

/* The transports that a configuration allows. */
enum spv_transport_choice {
    SPV_TRANSPORT_AUTO = 0, /* both: v2 where the peer has it */
    SPV_TRANSPORT_ONLY_V1 = 1,
    SPV_TRANSPORT_ONLY_V2 = 2,
};

#define SPV_SESSION_ID 32 /* bytes; equal on both sides of an encrypted connection */

/* What the v2 handshakes of a process share: precomputed tables, blinded once with random bytes.
 * Read-only after its creation: for any number of connections and threads. */
struct spv_v2_context;

/* Creates a context; rng is read during the call. *out is the caller's; free it with
 * spv_v2_context_free after all that use it. Returns 0, SPV_ERR_NOMEM or SPV_ERR_CRYPTO. Any
 * thread. */
SPV_API int spv_v2_context_new(struct spv_v2_context **out, const struct spv_rng *rng);
/* Frees a context. NULL is ignored. Any thread, once no connection uses it. */
SPV_API void spv_v2_context_free(struct spv_v2_context *c);

#ifdef __cplusplus
}
#endif

#endif
