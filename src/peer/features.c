/* Features are copied, id and data in one allocation each; those past SPV_PEER_FEATURES are
 * ignored. */
#include "peer/features.h"

#include <stdlib.h>
#include <string.h>

#include "spv/error.h"

void spv_features_free(struct spv_features *f)
{
    for (size_t i = 0; i < f->n; i++)
        free((void *)(uintptr_t)f->list[i].id);
    free(f->list);
    *f = (struct spv_features){0};
}

int spv_features_add(struct spv_features *f, const struct spv_msg_feature *feature)
{
    if (f->n == SPV_PEER_FEATURES)
        return 0;
    if (!f->list)
        f->list = calloc(SPV_PEER_FEATURES, sizeof *f->list);
    uint8_t *bytes = f->list ? malloc(feature->id_len + feature->n) : NULL;
    if (!bytes)
        return SPV_ERR_NOMEM;
    memcpy(bytes, feature->id, feature->id_len);
    if (feature->n > 0)
        memcpy(bytes + feature->id_len, feature->data, feature->n);
    f->list[f->n++] = (struct spv_msg_feature){
        .id = bytes, .id_len = feature->id_len, .data = bytes + feature->id_len, .n = feature->n};
    return 0;
}

size_t spv_features_memory(const struct spv_features *f)
{
    if (!f->list)
        return 0;
    size_t bytes = SPV_PEER_FEATURES * sizeof *f->list;
    for (size_t i = 0; i < f->n; i++)
        bytes += f->list[i].id_len + f->list[i].n;
    return bytes;
}
