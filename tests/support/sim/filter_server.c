/* An answer is a job: an event that sends messages while there is room in the send queue, and else
 * is postponed. It keeps the blocks that were served when the request came. As Bitcoin Core does
 * while more than 1 MB wait to be sent, a server reads nothing while a job is unfinished. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spv/error.h"
#include "support/sim/blocks.h"
#include "support/sim/internal.h"

#define SIM_JOB_WAIT (SPV_SECOND / 200)
#define SIM_WITNESS_BLOCK (SPV_INV_BLOCK | SPV_INV_WITNESS)
#define SIM_LIMITED_DEPTH 290 /* BIP159: 288 blocks, and two more that Bitcoin Core allows */

/* One answer; moved as bytes. */
struct sim_job {
    enum spv_command command; /* of the request */
    const struct sim_blocks *blocks;
    const struct sim_filters *filters, *headers, *checkpoints;
    uint32_t start, stop; /* getdata: the block's height in both */
    uint32_t sent; /* messages */
};

static int send_msg(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg)
{
    return spv_peer_send(conn->end[SIM_SERVER_END].peer, msg,
                         sim_end_now(sim, conn, SIM_SERVER_END));
}

static const struct sim_filter_service *service_of(const struct sim *sim,
                                                   const struct sim_conn *conn)
{
    return &sim->host[conn->server].cfg.filters;
}

/* Entries of an answer with some more or fewer. */
static size_t changed_count(size_t n, int more)
{
    if (more >= 0)
        return n + (size_t)more;
    return n > (size_t)-more ? n - (size_t)-more : 0;
}

static struct spv_hash256 *new_hashes(size_t n)
{
    struct spv_hash256 *hashes = calloc(n + 1, sizeof(*hashes));
    if (!hashes)
        abort();
    return hashes;
}

/* Also a message that is too long to be sent by our own encoder. */
static int send_hashes(struct sim *sim, struct sim_conn *conn, struct spv_msg *msg)
{
    const struct spv_msg_cfheaders *m = &msg->u.cfheaders;
    struct spv_msg raw = {.command = SPV_CMD_UNKNOWN, .name = "cfheaders"};
    struct spv_buffer b;
    if (m->n <= SPV_MAX_CFHEADERS)
        return send_msg(sim, conn, msg);
    spv_buffer_init(&b);
    spv_buffer_u8(&b, m->type);
    spv_buffer_put(&b, m->stop.b, sizeof(m->stop.b));
    spv_buffer_put(&b, m->prev.b, sizeof(m->prev.b));
    spv_buffer_compact(&b, m->n);
    spv_buffer_put(&b, m->hashes, m->n * sizeof(m->hashes[0]));
    if (b.error != 0)
        abort();
    raw.u.raw = (struct spv_msg_raw){b.data, b.len};
    const int rc = send_msg(sim, conn, &raw);
    spv_buffer_free(&b);
    return rc;
}

static int send_checkpoints(struct sim *sim, struct sim_conn *conn, const struct sim_job *job)
{
    const size_t n = job->stop / SPV_CFCHECKPT_INTERVAL;
    const size_t sent = changed_count(n, service_of(sim, conn)->more_checkpoints);
    struct spv_hash256 *headers = new_hashes(n + sent);
    for (size_t i = 0; i < n; i++)
        memcpy(headers[i].b, job->checkpoints->at[(i + 1) * SPV_CFCHECKPT_INTERVAL].header.b, 32);
    struct spv_msg msg = {
        .command = SPV_CMD_CFCHECKPT,
        .u.cfcheckpt = {SPV_FILTER_BASIC, job->blocks->at[job->stop]->hash, headers, sent}};
    const int rc = send_msg(sim, conn, &msg);
    free(headers);
    return rc;
}

static int send_filter_headers(struct sim *sim, struct sim_conn *conn, const struct sim_job *job)
{
    const size_t n = job->stop - job->start + 1;
    const size_t sent = changed_count(n, service_of(sim, conn)->more_headers);
    struct spv_hash256 *hashes = new_hashes(n + sent);
    for (size_t i = 0; i < n; i++)
        memcpy(hashes[i].b, job->headers->at[job->start + i].hash.b, 32);
    struct spv_msg msg = {.command = SPV_CMD_CFHEADERS,
                          .u.cfheaders = {.type = SPV_FILTER_BASIC,
                                          .stop = job->blocks->at[job->stop]->hash,
                                          .hashes = hashes,
                                          .n = sent}};
    if (job->start > 0)
        memcpy(msg.u.cfheaders.prev.b, job->headers->at[job->start - 1].header.b, 32);
    const int rc = send_hashes(sim, conn, &msg);
    free(hashes);
    return rc;
}

/* The i-th filter of an answer. Those beyond it are of the blocks below. */
static int send_filter(struct sim *sim, struct sim_conn *conn, const struct sim_job *job, size_t i)
{
    const size_t n = job->stop - job->start + 1;
    size_t height = job->start + i;
    if (i >= n)
        height = job->start > i - n ? job->start - (i - n) - 1 : 0;
    else if (service_of(sim, conn)->reversed)
        height = job->stop - i;
    const struct sim_filter *filter = &job->filters->at[height];
    struct spv_msg msg = {.command = SPV_CMD_CFILTER,
                          .u.cfilter = {.type = SPV_FILTER_BASIC,
                                        .block = job->blocks->at[height]->hash,
                                        .filter = filter->bytes,
                                        .n = filter->n}};
    sim->host[conn->server].filter_counts.filters_sent++;
    return send_msg(sim, conn, &msg);
}

/* Offsets of the transactions, their number plus one of them. */
static size_t *tx_offsets(const struct sim_block *block)
{
    size_t *at = calloc(block->parsed.n_txs + 1, sizeof(*at)), i = 0;
    struct spv_block_iter iter = spv_block_txs(&block->parsed);
    struct spv_tx tx;
    if (!at)
        abort();
    while (spv_block_next(&iter, &tx))
        at[i++] = (size_t)(tx.bytes - block->bytes);
    at[i] = block->n;
    return at;
}

/* Appends copies of the last transactions so that the merkle root stays the same: as many as the
 * lowest set bit of their number. Of a power of two none can be appended. */
static void put_doubled(struct spv_buffer *out, const struct sim_block *block)
{
    const size_t n = block->parsed.n_txs, last = n & (~n + 1);
    size_t *at = tx_offsets(block);
    const size_t copied = last == n ? 0 : last;
    spv_buffer_put(out, block->bytes, SPV_HEADER_SIZE);
    spv_buffer_compact(out, n + copied);
    spv_buffer_put(out, block->bytes + at[0], block->n - at[0]);
    spv_buffer_put(out, block->bytes + at[n - copied], at[n] - at[n - copied]);
    free(at);
}

/* A byte that only the lie changes: of the last transaction's lock time, or of its last witness
 * item, which lies before it. */
static size_t changed_byte(const struct sim_block *block, enum sim_block_lie lie)
{
    struct spv_block_iter iter = spv_block_txs(&block->parsed);
    struct spv_tx tx;
    size_t at = block->n - 1;
    while (lie == SIM_BLOCK_WITNESS && spv_block_next(&iter, &tx))
        if (tx.has_witness && tx.bytes[tx.n - 5] != 0) /* not an input without a witness */
            at = (size_t)(tx.bytes - block->bytes) + tx.n - 5;
    return at;
}

static void put_block(struct spv_buffer *out, const struct sim_block *block, enum sim_block_lie lie)
{
    if (lie == SIM_BLOCK_DOUBLED) {
        put_doubled(out, block);
    } else {
        spv_buffer_put(out, block->bytes, block->n - (lie == SIM_BLOCK_CUT));
        if (out->error == 0 && (lie == SIM_BLOCK_MUTATED || lie == SIM_BLOCK_WITNESS))
            out->data[changed_byte(block, lie)] ^= 0x40;
    }
    if (out->error != 0)
        abort();
}

static int send_block(struct sim *sim, struct sim_conn *conn, const struct sim_job *job)
{
    const enum sim_block_lie lie = service_of(sim, conn)->block_lie;
    const struct sim_block *block = job->blocks->at[job->stop];
    struct spv_msg msg = {.command = SPV_CMD_UNKNOWN, .name = "block"};
    struct spv_buffer bytes;
    if (lie == SIM_BLOCK_NOTFOUND) {
        struct spv_inv item = {.type = SIM_WITNESS_BLOCK};
        memcpy(item.hash.b, block->hash.b, sizeof(item.hash.b));
        msg = (struct spv_msg){.command = SPV_CMD_NOTFOUND, .u.inv = {&item, 1}};
        return send_msg(sim, conn, &msg);
    }
    spv_buffer_init(&bytes);
    put_block(&bytes,
              lie == SIM_BLOCK_OTHER && job->stop > 0 ? job->blocks->at[job->stop - 1] : block,
              lie);
    msg.u.raw = (struct spv_msg_raw){bytes.data, bytes.len};
    const int rc = send_msg(sim, conn, &msg);
    spv_buffer_free(&bytes);
    sim->host[conn->server].filter_counts.blocks_sent++;
    sim->blocks_sent =
        sim_grow(sim->blocks_sent, &sim->blocks_sent_cap, sim->n_blocks_sent, sizeof(block->hash));
    sim->blocks_sent[sim->n_blocks_sent++] = block->hash;
    return rc;
}

/* Messages of an answer. */
static size_t messages(const struct sim *sim, const struct sim_conn *conn,
                       const struct sim_job *job)
{
    const struct sim_filter_service *service = service_of(sim, conn);
    size_t n = 1;
    if (job->command == SPV_CMD_GETCFILTERS)
        n = changed_count(job->stop - job->start + 1, service->more_filters);
    return job->command != SPV_CMD_GETDATA && service->twice ? 2 * n : n;
}

static int send_next(struct sim *sim, struct sim_conn *conn, const struct sim_job *job)
{
    if (job->command == SPV_CMD_GETCFCHECKPT)
        return send_checkpoints(sim, conn, job);
    if (job->command == SPV_CMD_GETCFHEADERS)
        return send_filter_headers(sim, conn, job);
    if (job->command == SPV_CMD_GETDATA)
        return send_block(sim, conn, job);
    return send_filter(sim, conn, job, service_of(sim, conn)->twice ? job->sent / 2 : job->sent);
}

void sim_filter_server_answer(struct sim *sim, struct sim_event *e)
{
    struct sim_conn *conn = sim_conn_find(sim, e->conn);
    if (!conn || conn->end[SIM_SERVER_END].closed)
        return;
    struct sim_end *end = &conn->end[SIM_SERVER_END];
    struct sim_job *job = (struct sim_job *)(void *)e->bytes;
    const uint8_t *bytes;
    const size_t n = messages(sim, conn, job);
    if (conn->end[SIM_CLIENT_END].closed) {
        end->job_unfinished = false;
        return;
    }
    if (e->order != end->answered) {
        sim_postpone(sim, e, SIM_JOB_WAIT);
        return;
    }
    while (job->sent < n && spv_peer_pending(end->peer, &bytes) <= SIM_QUEUE_MAX) {
        if (send_next(sim, conn, job) < 0)
            sim_break(sim, "a server could not send a filter answer");
        job->sent++;
        sim_conn_flush(sim, conn, SIM_SERVER_END);
    }
    end->job_unfinished = job->sent < n;
    if (job->sent < n) {
        sim_postpone(sim, e, SIM_JOB_WAIT);
        return;
    }
    end->answered++;
}

static void begin_job(struct sim *sim, struct sim_conn *conn, const struct sim_job *job)
{
    struct sim_job *copy = malloc(sizeof(*copy));
    if (!copy)
        abort();
    *copy = *job;
    struct sim_event *e =
        sim_push(sim, sim->host[conn->server].cfg.answer_delay_us, SIM_FILTER_ANSWER);
    e->conn = conn->id;
    e->order = conn->end[SIM_SERVER_END].answers++;
    e->bytes = (uint8_t *)copy;
    e->n = sizeof(*copy);
}

static void close_conn(struct sim *sim, struct sim_conn *conn, uint64_t *count, const char *why)
{
    (*count)++;
    sim_note(sim, "server %zu closes: %s", conn->server, why);
    sim_conn_close(sim, conn, SIM_SERVER_END);
}

/* Bitcoin Core's index lags behind its chain for some time after each block. */
static bool is_indexed(const struct sim *sim, const struct sim_conn *conn, uint32_t height)
{
    const struct sim_host *host = &sim->host[conn->server];
    const struct sim_filter_service *service = &host->cfg.filters;
    if (service->indexed > 0 && height > service->indexed)
        return false;
    return service->index_delay_us == 0 || height <= host->announced_above ||
           sim->now.mono_us >= host->announced_us + service->index_delay_us;
}

/* The chain that the stop hash is on, and its height; NULL: it is not known. */
static bool find_stop(const struct sim_filter_service *service, struct sim_job *job,
                      const struct spv_blockhash *stop)
{
    job->blocks = service->blocks;
    if (!sim_blocks_find(service->blocks, &job->stop, stop)) {
        job->blocks = service->stale;
        if (!service->stale || !sim_blocks_find(service->stale, &job->stop, stop))
            return false;
    }
    const bool best = job->blocks == service->blocks;
    job->filters = best && service->filters ? service->filters : &job->blocks->filters;
    job->headers = best && service->headers ? service->headers : job->filters;
    job->checkpoints = best && service->checkpoints ? service->checkpoints : job->headers;
    return true;
}

static void serve_filters(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg)
{
    const struct sim_filter_service *service = service_of(sim, conn);
    struct sim_filter_counts *counts = &sim->host[conn->server].filter_counts;
    const struct spv_msg_getcfilters *range = &msg->u.getcfilters;
    const bool checkpoints = msg->command == SPV_CMD_GETCFCHECKPT;
    const bool headers = msg->command == SPV_CMD_GETCFHEADERS;
    const uint8_t type = checkpoints ? msg->u.getcfcheckpt.type : range->type;
    const struct spv_blockhash *stop = checkpoints ? &msg->u.getcfcheckpt.stop : &range->stop;
    const unsigned bit = checkpoints ? SIM_MUTE_CHECKPOINTS
                         : headers   ? SIM_MUTE_HEADERS
                                     : SIM_MUTE_FILTERS;
    struct sim_job job = {.command = msg->command, .start = checkpoints ? 0 : range->start};
    *(checkpoints ? &counts->checkpoints : headers ? &counts->headers : &counts->filters) += 1;
    if (type != SPV_FILTER_BASIC) {
        close_conn(sim, conn, &counts->closed, "a filter type that it does not have");
    } else if (!find_stop(service, &job, stop)) {
        close_conn(sim, conn, &counts->closed, "an unknown stop hash");
    } else if (!checkpoints && job.start > job.stop) {
        close_conn(sim, conn, &counts->closed, "a start above the stop");
    } else if (!checkpoints &&
               job.stop - job.start >= (headers ? SPV_MAX_CFHEADERS : SPV_MAX_GETCFILTERS)) {
        close_conn(sim, conn, &counts->closed, "a range that is too long");
    } else if (service->close_on & bit) {
        close_conn(sim, conn, &counts->unserved, "it serves none of this");
    } else if ((service->mute & bit) == 0 && is_indexed(sim, conn, job.stop)) {
        begin_job(sim, conn, &job);
    }
}

static void serve_block(struct sim *sim, struct sim_conn *conn, const struct spv_inv *item)
{
    const struct sim_server_config *cfg = &sim->host[conn->server].cfg;
    const struct sim_filter_service *service = &cfg->filters;
    struct sim_filter_counts *counts = &sim->host[conn->server].filter_counts;
    const bool limited =
        (cfg->services & SPV_NODE_NETWORK_LIMITED) != 0 && (cfg->services & SPV_NODE_NETWORK) == 0;
    struct sim_job job = {.command = SPV_CMD_GETDATA};
    struct spv_blockhash hash;
    if (sim_bloom_server_getdata(sim, conn, item))
        return;
    if (item->type != SIM_WITNESS_BLOCK) {
        sim_break(sim, "a client asks for something other than a block with its witnesses");
        return;
    }
    memcpy(hash.b, item->hash.b, sizeof(hash.b));
    counts->blocks++;
    if (!find_stop(service, &job, &hash))
        return;
    job.start = job.stop;
    const uint32_t tip = sim_store_tip(&service->blocks->store)->height;
    const uint32_t depth = tip > job.stop ? tip - job.stop : 0;
    if (limited && depth > SIM_LIMITED_DEPTH)
        close_conn(sim, conn, &counts->closed, "a block below those of NODE_NETWORK_LIMITED");
    else if ((service->close_on & SIM_MUTE_BLOCKS) != 0 ||
             (service->max_depth > 0 && depth > service->max_depth))
        close_conn(sim, conn, &counts->unserved, "it has reached its upload target");
    else if ((service->mute & SIM_MUTE_BLOCKS) == 0 && job.stop >= service->blocks_from)
        begin_job(sim, conn, &job);
}

void sim_filter_server_message(struct sim *sim, struct sim_conn *conn, const struct spv_msg *msg)
{
    if (!service_of(sim, conn)->blocks)
        return;
    switch ((int)msg->command) {
    case SPV_CMD_GETCFILTERS:
    case SPV_CMD_GETCFHEADERS:
    case SPV_CMD_GETCFCHECKPT:
        serve_filters(sim, conn, msg);
        break;
    case SPV_CMD_GETDATA:
        for (size_t i = 0; i < msg->u.inv.n && !conn->end[SIM_SERVER_END].closed; i++)
            serve_block(sim, conn, &msg->u.inv.items[i]);
        break;
    default:
        break;
    }
}

struct sim_filter_counts sim_server_filter_counts(const struct sim *sim, size_t server)
{
    return sim->host[server].filter_counts;
}

uint64_t sim_block_sent(const struct sim *sim, const struct spv_blockhash *hash)
{
    uint64_t n = 0;
    for (size_t i = 0; i < sim->n_blocks_sent; i++)
        n += spv_blockhash_eq(&sim->blocks_sent[i], hash);
    return n;
}
