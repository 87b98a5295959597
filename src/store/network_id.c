/* The network of a database: its name, magic, genesis, and on a signet the hash of the challenge
 * (custom signets share the genesis). */
#include "store/network_id.h"

#include <stdio.h>
#include <string.h>

#include "spv/version.h"
#include "store/meta.h"
#include "util/hex.h"

static const struct spv_dns_seed no_seeds[] = {{NULL, 0}};

struct identity {
    char name[SPV_NETNAME_MAX];
    char magic[9];
    char genesis[SPV_HASH_HEX];
    char challenge[SPV_HASH_HEX]; /* empty except on signets */
};

static void identity_of(struct identity *id, const struct spv_params *params)
{
    struct spv_blockhash genesis;
    memset(id, 0, sizeof *id);
    memcpy(id->name, params->net.name, sizeof id->name);
    id->name[sizeof id->name - 1] = '\0';
    spv_hex(id->magic, params->net.magic, sizeof params->net.magic);
    spv_header_hash(&genesis, &params->genesis);
    spv_blockhash_hex(id->genesis, &genesis);
    if (params->net.network == SPV_SIGNET)
        spv_hex(id->challenge, params->challenge_hash, sizeof params->challenge_hash);
}

int spv_network_id_write(struct spv_store *s)
{
    struct identity id;
    char created_by[48];
    identity_of(&id, &s->params);
    (void)snprintf(created_by, sizeof created_by, "libspv %s", spv_version());
    int rc = spv_meta_set(s, "network", id.name);
    if (rc)
        return rc;
    rc = spv_meta_set(s, "magic", id.magic);
    if (rc)
        return rc;
    rc = spv_meta_set(s, "genesis", id.genesis);
    if (rc)
        return rc;
    if (id.challenge[0] != '\0') {
        rc = spv_meta_set(s, "challenge_hash", id.challenge);
        if (rc)
            return rc;
    }
    return spv_meta_set(s, "created_by", created_by);
}

static int read_identity(struct spv_store *s, struct identity *id)
{
    const struct {
        char *out;
        size_t cap;
        const char *key;
        bool required;
    } values[] = {
        {id->name, sizeof id->name, "network", true},
        {id->magic, sizeof id->magic, "magic", true},
        {id->genesis, sizeof id->genesis, "genesis", true},
        {id->challenge, sizeof id->challenge, "challenge_hash", false},
    };
    memset(id, 0, sizeof *id);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        int rc = spv_meta_get(s, values[i].out, values[i].cap, values[i].key);
        if (rc < 0)
            return rc;
        if (rc == 0 && values[i].required) {
            return spv_db_fail(s, SPV_ERR_DB_DAMAGED,
                               "%s: does not name its network. " SPV_DB_REPAIR_ADVICE, s->path);
        }
    }
    return 0;
}

int spv_network_id_check(struct spv_store *s)
{
    struct identity want;
    struct identity have;
    identity_of(&want, &s->params);
    int rc = read_identity(s, &have);
    if (rc)
        return rc;
    if (strcmp(want.name, have.name) != 0) {
        return spv_db_fail(
            s, SPV_ERR_DB_NETWORK,
            "%s: contains headers of %s, not of %s. Name another database or the right "
            "network.",
            s->path, have.name, want.name);
    }
    const char *other = strcmp(want.magic, have.magic) != 0           ? "magic"
                        : strcmp(want.genesis, have.genesis) != 0     ? "genesis"
                        : strcmp(want.challenge, have.challenge) != 0 ? "signet challenge"
                                                                      : NULL;
    if (other) {
        return spv_db_fail(
            s, SPV_ERR_DB_NETWORK,
            "%s: contains headers of another network that is called %s as well: its %s "
            "differs. Name another database.",
            s->path, have.name, other);
    }
    return 0;
}

/* The challenge script of a custom signet is not in the file: header validation does not need it.
 */
static int custom_signet(struct spv_params *out, const struct identity *id)
{
    const struct spv_params *signet = spv_params_get(SPV_SIGNET);
    if (!signet || strncmp(id->name, "signet-", 7) != 0)
        return SPV_ERR_DB_NETWORK;
    *out = *signet;
    memcpy(out->net.name, id->name, sizeof out->net.name);
    out->checkpoints = NULL;
    out->n_checkpoints = 0;
    memset(&out->min_work, 0, sizeof out->min_work);
    out->dns_seeds = no_seeds;
    out->fixed_seeds = NULL;
    /* the name is written into exported SQL: only the one made from the magic is accepted */
    if (strcmp(id->name + 7, id->magic) != 0)
        return SPV_ERR_DB_NETWORK;
    if (spv_hex_decode(out->net.magic, sizeof out->net.magic, id->magic) != 0 ||
        spv_hex_decode(out->challenge_hash, sizeof out->challenge_hash, id->challenge) != 0)
        return SPV_ERR_DB_NETWORK;
    return 0;
}

int spv_network_id_load(struct spv_store *s)
{
    struct identity id;
    int rc = read_identity(s, &id);
    if (rc)
        return rc;
    const struct spv_netid *net = spv_netid_by_name(id.name);
    const struct spv_params *known = net ? spv_params_get(net->network) : NULL;
    if (known) {
        s->params = *known;
    } else if (custom_signet(&s->params, &id) != 0) {
        return spv_db_fail(
            s, SPV_ERR_DB_NETWORK,
            "%s: contains headers of '%s', a network that this version does not support.", s->path,
            id.name);
    }
    return spv_network_id_check(s);
}
