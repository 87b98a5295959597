/* Input: one byte command, one byte protocol version, then the payload. What decodes must encode to
 * exactly spv_msg_size bytes; where a message has one form only, to the payload itself; and what
 * was encoded must decode and encode to the same bytes again. The same input, read as a frame,
 * must be judged without a fault. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "spv/error.h"
#include "wire/codec.h"
#include "wire/frame.h"

static const uint32_t versions[] = {0, 31800, 60000, 60001, 70001, 70002, 70012, 70016, UINT32_MAX};

/* Messages in which different payloads may mean the same. */
static bool has_many_forms(enum spv_command command)
{
    return command == SPV_CMD_VERSION || command == SPV_CMD_REJECT || command == SPV_CMD_ADDR;
}

static void codec(const uint8_t *data, size_t size)
{
    struct spv_msg msg = {.command = (enum spv_command)(data[0] % (SPV_CMD_CFCHECKPT + 1))};
    uint32_t version = versions[data[1] % (sizeof versions / sizeof versions[0])];
    struct spv_arena arena = {0};
    struct spv_buffer once, twice;

    spv_buffer_init(&once);
    spv_buffer_init(&twice);
    data += 2;
    size -= 2;
    if (version != 0 && version < spv_command_since(msg.command))
        version = spv_command_since(msg.command);
    if (size > spv_command_cap(msg.command) ||
        spv_msg_decode(&msg, data, size, version, &arena) != SPV_OK)
        goto out;
    if (msg.command == SPV_CMD_PING && !msg.u.ping.has_nonce)
        FUZZ_CHECK(version < SPV_VERSION_PING_NONCE && size == 0);
    FUZZ_CHECK(spv_msg_encode(&once, &msg, version) == SPV_OK);
    FUZZ_CHECK(once.len == spv_msg_size(&msg, version));
    if (!has_many_forms(msg.command))
        FUZZ_CHECK(once.len == size && (size == 0 || memcmp(once.data, data, size) == 0));
    FUZZ_CHECK(spv_msg_decode(&msg, once.data, once.len, version, &arena) == SPV_OK);
    FUZZ_CHECK(spv_msg_encode(&twice, &msg, version) == SPV_OK);
    FUZZ_CHECK(once.len == twice.len);
    FUZZ_CHECK(once.len == 0 || memcmp(once.data, twice.data, once.len) == 0);
out:
    spv_buffer_free(&twice);
    spv_buffer_free(&once);
    spv_arena_free(&arena);
}

static void frame(const uint8_t *data, size_t size)
{
    const struct spv_netid *net = spv_netid_get(SPV_MAINNET);
    struct spv_frame frame;

    if (size < SPV_FRAME_HEADER || spv_frame_read(&frame, data, net, SPV_MAX_PAYLOAD) != SPV_OK)
        return;
    FUZZ_CHECK(memcmp(data, net->magic, 4) == 0);
    FUZZ_CHECK(strlen(frame.name) <= SPV_COMMAND_SIZE);
    FUZZ_CHECK(frame.length <= spv_command_cap(frame.command));
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
