/* Input: one byte command, one byte protocol version, then the payload. What decodes must encode to
 * exactly spv_msg_size bytes, which are the payload where a message has only one encoding, and the
 * result must decode and encode to the same bytes again. The same input is parsed as a frame. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/error.h"
#include "support/msg_bytes.h"
#include "wire/codec.h"
#include "wire/frame.h"

static const uint32_t versions[] = {0, 31800, 60000, 60001, 70001, 70002, 70012, 70016, UINT32_MAX};

/* An ignored entry of addrv2 is decoded but cannot be sent. */
static bool has_ignored_entry(const struct spv_msg *msg)
{
    bool ignored = false;
    for (size_t i = 0; msg->command == SPV_CMD_ADDRV2 && i < msg->u.addr.n; i++)
        ignored = ignored || msg->u.addr.entries[i].addr.len == 0;
    return ignored;
}

/* The iterators cover the whole transaction. Returns its size. */
static size_t check_tx(const struct spv_tx *tx)
{
    size_t stripped = 4 + spv_compact_size(tx->n_inputs) + spv_compact_size(tx->n_outputs) + 4;
    size_t witness = tx->has_witness ? 2 : 0, n = 0, items = 0;
    struct spv_tx_input in;
    struct spv_tx_output out;
    struct spv_witness w;
    struct spv_bytes item;

    struct spv_tx_iter walk = spv_tx_inputs(tx);
    for (n = 0; spv_tx_next_input(&walk, &in); n++)
        stripped += 36 + spv_compact_size(in.script.n) + in.script.n + 4;
    FUZZ_CHECK(n == tx->n_inputs && n > 0);
    walk = spv_tx_outputs(tx);
    for (n = 0; spv_tx_next_output(&walk, &out); n++)
        stripped += 8 + spv_compact_size(out.script.n) + out.script.n;
    FUZZ_CHECK(n == tx->n_outputs && n > 0);
    walk = spv_tx_witnesses(tx);
    for (n = 0; spv_tx_next_witness(&walk, &w); n++) {
        witness += tx->has_witness ? spv_compact_size(w.n_items) : 0;
        for (; spv_witness_next(&w, &item); items++)
            witness += spv_compact_size(item.n) + item.n;
        FUZZ_CHECK(w.n_items == 0 && w.rest.n == 0);
    }
    FUZZ_CHECK(n == tx->n_inputs && (items > 0) == tx->has_witness);
    FUZZ_CHECK(stripped == tx->stripped_size && stripped + witness == tx->n);
    FUZZ_CHECK(spv_tx_weight(tx) == 4 * stripped + witness);

    struct spv_txid txid;
    struct spv_wtxid wtxid;
    spv_tx_txid(&txid, tx);
    spv_tx_wtxid(&wtxid, tx);
    FUZZ_CHECK((memcmp(txid.b, wtxid.b, 32) != 0) == tx->has_witness);
    return tx->n;
}

static void check_block(const struct spv_block *block)
{
    struct spv_block_iter walk = spv_block_txs(block);
    struct spv_tx tx;
    size_t n = 0, size = SPV_HEADER_SIZE + spv_compact_size(block->n_txs);

    for (; spv_block_next(&walk, &tx); n++)
        size += check_tx(&tx);
    FUZZ_CHECK(n == block->n_txs && n > 0 && size == block->n);
}

/* Messages with different payloads of the same meaning (headers: the transaction counts). */
static bool has_many_encodings(enum spv_command command)
{
    return command == SPV_CMD_VERSION || command == SPV_CMD_REJECT || command == SPV_CMD_ADDR ||
           command == SPV_CMD_HEADERS;
}

/* Tests one codec if the build sets it (fuzz_wire_<command>), else the one that the input chooses.
 */
#ifdef FUZZ_ONLY
#define CHOSEN(byte) ((void)(byte), FUZZ_ONLY)
#else
#define CHOSEN(byte) ((enum spv_command)((byte) % (SPV_CMD_CFCHECKPT + 1)))
#endif

static void codec(const uint8_t *data, size_t size)
{
    struct spv_msg msg = {.command = CHOSEN(data[0])};
    uint32_t version = versions[data[1] % (sizeof versions / sizeof versions[0])];
    struct spv_arena arena = {0};
    struct spv_buffer once;

    spv_buffer_init(&once);
    data += 2;
    size -= 2;
    if (version != 0 && version < spv_command_since(msg.command))
        version = spv_command_since(msg.command);
    if (size > spv_command_max_payload(msg.command) ||
        spv_msg_decode(&msg, data, size, version, &arena) != 0)
        goto out;
    if (msg.command == SPV_CMD_PING && !msg.u.ping.has_nonce)
        FUZZ_CHECK(version < SPV_VERSION_PING_NONCE && size == 0);
    if (msg.command == SPV_CMD_TX)
        check_tx(&msg.u.tx);
    if (msg.command == SPV_CMD_BLOCK)
        check_block(&msg.u.block);
    if (has_ignored_entry(&msg)) {
        FUZZ_CHECK(spv_msg_encode(&once, &msg, version) == SPV_ERR_INVALID && once.len == 0);
        goto out;
    }
    FUZZ_CHECK(spv_msg_encode(&once, &msg, version) == 0);
    FUZZ_CHECK(once.len == spv_msg_size(&msg, version));
    if (!has_many_encodings(msg.command))
        FUZZ_CHECK(once.len == size && (size == 0 || memcmp(once.data, data, size) == 0));
    FUZZ_CHECK(spv_msg_decode(&msg, once.data, once.len, version, &arena) == 0);
    FUZZ_CHECK(msg_encodes_to(&msg, version, once.data, once.len));
out:
    spv_buffer_free(&once);
    spv_arena_free(&arena);
}

static void frame(const uint8_t *data, size_t size)
{
    const struct spv_netid *net = spv_netid_get(SPV_MAINNET);
    struct spv_frame frame;

    if (size < SPV_FRAME_HEADER || spv_frame_read(&frame, data, net, SPV_MAX_PAYLOAD) != 0)
        return;
    FUZZ_CHECK(memcmp(data, net->magic, 4) == 0);
    FUZZ_CHECK(strlen(frame.name) <= SPV_COMMAND_SIZE);
    FUZZ_CHECK(frame.length <= spv_command_max_payload(frame.command));
    if (frame.length <= size - SPV_FRAME_HEADER)
        (void)spv_frame_check(&frame, data + SPV_FRAME_HEADER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2)
        codec(data, size);
    frame(data, size);
    return 0;
}
