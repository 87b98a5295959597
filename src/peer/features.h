/* The features that a peer has announced (BIP434). */
#ifndef SPV_PEER_FEATURES_H
#define SPV_PEER_FEATURES_H

#include "spv/peer.h"

struct spv_features {
    struct spv_msg_feature *list; /* each with its own memory */
    size_t n;
};

void spv_features_free(struct spv_features *f);
/* Copies a feature; those above SPV_PEER_FEATURES are dropped. Returns 0 or SPV_ERR_NOMEM. */
int spv_features_add(struct spv_features *f, const struct spv_msg_feature *feature);
size_t spv_features_memory(const struct spv_features *f);

#endif
