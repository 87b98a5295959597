/* The output of spv-proof verify. */
#include <stdio.h>

#include "proof.h"

const char *proof_depth_reason(enum spv_merkle_depth depth)
{
    switch (depth) {
    case SPV_MERKLE_DEPTH_PROVEN:
        return "proven";
    case SPV_MERKLE_DEPTH_NO_TX:
        return "the raw transaction is not given";
    case SPV_MERKLE_DEPTH_INVALID_PROOF:
        return "the coinbase's proof is invalid";
    case SPV_MERKLE_DEPTH_NOT_MATCHED:
        return "the coinbase's proof does not prove the coinbase given";
    case SPV_MERKLE_DEPTH_TX_64_BYTES:
        return "a transaction of 64 bytes may be two hashes of the tree";
    case SPV_MERKLE_DEPTH_PAIR_IS_TX:
        return "two hashes above it may be a transaction";
    case SPV_MERKLE_DEPTH_NOT_COINBASE:
        return "the transaction given is no coinbase";
    case SPV_MERKLE_DEPTH_OTHER_BLOCK:
        return "the coinbase's proof is of another block";
    case SPV_MERKLE_DEPTH_OTHER_LEVELS:
        return "the coinbase's proof has a tree of another height";
    case SPV_MERKLE_DEPTH_NOMEM:
        return "not enough memory";
    }
    return "unknown";
}

static const char *depth_by(const struct proof_match *m)
{
    return m->by == PROOF_BY_TX ? "transaction" : m->by == PROOF_BY_COINBASE ? "coinbase" : NULL;
}

static json_t *match_json(const struct proof_match *m)
{
    char txid[SPV_HASH_HEX];

    spv_txid_hex(txid, &m->match.txid);
    return json_pack("{s:s, s:I, s:b, s:s?, s:s?}", "txid", txid, "position",
                     (json_int_t)m->match.position, "depth_proven", m->by != PROOF_BY_NOTHING,
                     "depth_by", depth_by(m), "reason",
                     m->by == PROOF_BY_NOTHING ? proof_depth_reason(m->reason) : NULL);
}

static void print_json(const struct proof *p, const char *network)
{
    char block[SPV_HASH_HEX], utc[CLI_FIGURE];
    json_t *list = json_array();

    for (size_t i = 0; i < p->n_matches; i++) {
        (void)json_array_append_new(list, match_json(&p->matches[i]));
    }
    spv_blockhash_hex(block, &p->block);
    cli_json(json_pack(
        "{s:s, s:s, s:s, s:b, s:o?, s:I, s:I, s:s, s:o}", "event", "proof", "network", network,
        "block", block, "best", p->in_chain.confirmations > 0, "height",
        p->in_chain.stored ? json_integer((json_int_t)p->in_chain.header.height) : json_null(),
        "confirmations", (json_int_t)p->in_chain.confirmations, "time",
        (json_int_t)p->tree.header.time, "utc", cli_iso_time(utc, p->tree.header.time),
        "transactions", list));
}

void proof_print(const struct proof *p, const char *network)
{
    char hash[SPV_HASH_HEX], text[CLI_FIGURE];

    if (cli_json_on()) {
        print_json(p, network);
        return;
    }
    spv_blockhash_hex(hash, &p->block);
    cli_print("%-14s %s", "block", hash);
    if (p->in_chain.stored) {
        cli_print("%-14s %s", "height", cli_count(text, p->in_chain.header.height));
    }
    if (p->in_chain.confirmations > 0) {
        cli_print("%-14s %s", "confirmations", cli_count(text, p->in_chain.confirmations));
    } else if (p->in_chain.stored) {
        cli_print("%-14s %s", "branch", "a side branch, not the best chain");
    }
    cli_print("%-14s %s", "time", cli_time(text, p->tree.header.time));
    for (size_t i = 0; i < p->n_matches; i++) {
        const struct proof_match *m = &p->matches[i];
        spv_txid_hex(hash, &m->match.txid);
        cli_print("%-14s %s", "transaction", hash);
        cli_print("%-14s %s in the block", "position", cli_count(text, m->match.position));
        if (m->by == PROOF_BY_NOTHING) {
            cli_print("%-14s not proven: %s", "depth", proof_depth_reason(m->reason));
        } else {
            cli_print("%-14s proven by the %s", "depth",
                      m->by == PROOF_BY_TX ? "raw transaction" : "coinbase");
        }
    }
}
