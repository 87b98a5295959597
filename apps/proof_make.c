/* spv-proof make: a proof as gettxoutproof makes it, from what the wallet has stored or from a
 * whole block. It is verified, and its block looked up in the database, before anything is written.
 */
#include "proof_make.h"

#include <stdlib.h>
#include <string.h>

#include "output_file.h"
#include "proof.h"
#include "spv/block.h"
#include "spv/wallet_db.h"

/* A proof and where it comes from. */
struct made {
    const struct proof_make_options *options;
    struct spv_txid txid;
    uint8_t *bytes; /* owned */
    size_t n;
    const char *source; /* "wallet" or "block" */
    bool depth_proven;
    uint32_t position; /* in the block */
    struct spv_blockhash block;
    uint32_t height, confirmations;
};

/* Keeps the bytes. */
static int keep_bytes(struct made *m, const uint8_t *bytes, size_t n)
{
    m->bytes = malloc(n);
    if (!m->bytes) {
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    }
    memcpy(m->bytes, bytes, n);
    m->n = n;
    return CLI_DONE;
}

/* ---- from the wallet ---- */

static int take_row(struct made *m, const struct spv_wallet_tx_row *row)
{
    if (row->state != SPV_TX_CONFIRMED) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: is in no block of the best chain, as far as the wallet knows.",
                           m->options->txid);
    }
    if (row->proof.n == 0) {
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: the wallet has stored no proof of it. Give its block with "
                           "--block-file FILE.",
                           m->options->txid);
    }
    m->source = "wallet";
    m->depth_proven = (row->flags & SPV_TX_FLAG_DEPTH_PROVEN) != 0;
    return keep_bytes(m, row->proof.bytes, row->proof.n);
}

static int make_from_wallet(struct made *m, struct spv_store *store)
{
    struct spv_wallet_iter *iter = NULL;
    struct spv_wallet_tx_row row = {.id = 0};
    int rc = spv_wallet_iter_open(&iter, store);

    if (rc == 0) {
        rc = spv_wallet_iter_find_tx(iter, &row, &m->txid);
    }
    if (rc == 0 || rc == SPV_ERR_NOT_FOUND) {
        rc = cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                         "%s: is not in a wallet of %s. Give its block with --block-file FILE "
                         "(bitcoin-cli getblock HASH 0).",
                         m->options->txid, spv_store_path(store));
    } else if (rc < 0) {
        rc = cli_fail(rc, "%s", spv_store_last_error(store));
    } else {
        rc = take_row(m, &row);
    }
    spv_wallet_iter_close(iter);
    return rc;
}

/* ---- from a block ---- */

/* Fills in all txids. Returns the position of ours, or the number of transactions. */
static uint32_t read_txids(struct spv_txid *out, const struct spv_block *block,
                           const struct spv_txid *wanted)
{
    struct spv_block_iter iter = spv_block_txs(block);
    struct spv_tx tx;
    uint32_t found = (uint32_t)block->n_txs;

    for (uint32_t i = 0; spv_block_next(&iter, &tx); i++) {
        spv_tx_txid(&out[i], &tx);
        if (memcmp(&out[i], wanted, sizeof *wanted) == 0 && found == block->n_txs) {
            found = i;
        }
    }
    return found;
}

static int encode(struct made *m, const struct spv_msg_merkleblock *proof)
{
    const size_t n = spv_merkle_encoded_size(proof);
    int rc;

    m->bytes = malloc(n);
    if (!m->bytes) {
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    }
    rc = spv_merkle_encode(m->bytes, n, proof);
    if (rc < 0) {
        return cli_fail(rc, "%s: no proof can be made: %s.", m->options->txid, spv_strerror(rc));
    }
    m->n = (size_t)rc;
    m->source = "block";
    m->depth_proven = true; /* all transactions of the block were read */
    return CLI_DONE;
}

static int make_of_block(struct made *m, const struct spv_block *block)
{
    const char *name = read_bytes_name(m->options->block_file);
    struct spv_txid *txids = calloc(block->n_txs, sizeof *txids);
    struct spv_merkle_proof *proof = NULL;
    uint32_t position;
    int rc;

    if (!txids) {
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    }
    position = read_txids(txids, block, &m->txid);
    if (position == block->n_txs) {
        rc = cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND, "%s: %s is not in this block.", name,
                         m->options->txid);
    } else {
        rc = spv_merkle_proof_new(&proof, &block->header, txids, block->n_txs, &position, 1);
        if (rc < 0) {
            rc = cli_fail_as(CLI_FAILED, rc == SPV_ERR_INVALID ? SPV_ERR_MERKLE_ROOT : rc,
                             "%s: its transactions are not those of its header.", name);
        } else {
            rc = encode(m, spv_merkle_proof_message(proof));
        }
    }
    spv_merkle_proof_free(proof);
    free(txids);
    return rc;
}

static int make_from_block(struct made *m)
{
    struct read_bytes in;
    struct spv_block block;
    int rc = read_bytes(&in, m->options->block_file, PROOF_TX_MAX);

    if (rc != CLI_DONE) {
        return rc;
    }
    rc = spv_block_parse(&block, in.at, in.n);
    if (rc < 0) {
        rc = cli_fail_as(CLI_FAILED, rc, "%s: is no block: %s.",
                         read_bytes_name(m->options->block_file), spv_strerror(rc));
    } else {
        rc = make_of_block(m, &block);
    }
    free(in.at);
    return rc;
}

/* ---- verification ---- */

/* The proof is valid, and of nothing but the transaction. */
static int verify_proof(struct made *m, struct spv_header *header)
{
    struct spv_msg_merkleblock tree;
    struct spv_merkle_match *matches = NULL;
    int rc = spv_merkle_parse(&tree, m->bytes, m->n);

    if (rc == 0) {
        matches = calloc(tree.n_hashes + 1, sizeof *matches);
        rc = matches ? spv_merkle_verify(matches, &tree) : SPV_ERR_NOMEM;
    }
    if (rc == 1 && matches && memcmp(&matches[0].txid, &m->txid, sizeof m->txid) == 0) {
        m->position = matches[0].position;
        *header = tree.header;
        rc = CLI_DONE;
    } else {
        rc = cli_fail_as(CLI_FAILED, rc < 0 ? rc : SPV_ERR_MERKLE_ROOT,
                         "%s: the proof that was made is wrong: %s. Check the database with "
                         "spv-db verify.",
                         m->options->txid, rc < 0 ? spv_strerror(rc) : "it proves something else");
    }
    free(matches);
    return rc;
}

static int find_block(struct made *m, struct spv_store *store, const struct spv_header *header)
{
    struct proof_block found;
    int rc;

    spv_header_hash(&m->block, header);
    rc = proof_find_block(&found, store, &m->block);
    if (rc != CLI_DONE) {
        return rc;
    }
    if (found.confirmations == 0) {
        char hash[SPV_HASH_HEX];
        spv_blockhash_hex(hash, &m->block);
        return cli_fail_as(CLI_FAILED, SPV_ERR_NOT_FOUND,
                           "%s: its block %s is not in the best chain up to height %s in %s. Sync "
                           "first (spv-sync).",
                           m->options->txid, hash, CLI_COUNT(found.tip), spv_store_path(store));
    }
    m->height = found.header.height;
    m->confirmations = found.confirmations;
    return CLI_DONE;
}

/* ---- output ---- */

static void print_json(const struct made *m, const char *hex)
{
    char txid[SPV_HASH_HEX], block[SPV_HASH_HEX];

    spv_txid_hex(txid, &m->txid);
    spv_blockhash_hex(block, &m->block);
    cli_json(json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:s, s:s}", "event", "made", "txid",
                       txid, "block", block, "height", (json_int_t)m->height, "confirmations",
                       (json_int_t)m->confirmations, "position", (json_int_t)m->position,
                       "depth_proven", (int)m->depth_proven, "source", m->source, "proof", hex));
}

static int write_file(const struct made *m, const char *hex, const char *database)
{
    struct output_file out = {.fd = -1};
    int rc = output_file_open(&out, "output", m->options->output, database, false);

    if (rc == CLI_DONE) {
        output_file_text(&out, hex);
        output_file_text(&out, "\n");
        rc = output_file_finish(&out);
    }
    output_file_close(&out);
    return rc;
}

static int print_proof(const struct made *m, const char *database)
{
    char *hex = cli_hex(m->bytes, m->n);
    int rc = CLI_DONE;

    if (!hex) {
        return cli_fail(SPV_ERR_NOMEM, "not enough memory.");
    }
    if (cli_json_on()) {
        print_json(m, hex);
    }
    if (m->options->output || !cli_json_on()) {
        rc = write_file(m, hex, database);
    }
    free(hex);
    if (rc == CLI_DONE && !m->depth_proven) {
        cli_warn("%s: the depth of the transaction is not proven by what the wallet has.",
                 m->options->txid);
    }
    return rc;
}

int proof_make(const struct proof_make_options *options, struct spv_store *store)
{
    struct made m = {.options = options};
    struct spv_header header;
    int rc;

    if (spv_txid_from_hex(&m.txid, options->txid) != 0) {
        return cli_usage("make: '%s' is not a TXID of 64 hex digits.", options->txid);
    }
    rc = options->block_file ? make_from_block(&m) : make_from_wallet(&m, store);
    if (rc == CLI_DONE) {
        rc = verify_proof(&m, &header);
    }
    if (rc == CLI_DONE) {
        rc = find_block(&m, store, &header);
    }
    if (rc == CLI_DONE) {
        rc = print_proof(&m, spv_store_path(store));
    }
    free(m.bytes);
    return rc;
}
