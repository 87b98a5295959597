/* Shared by the source files of the address manager; addrman.c explains buckets and slots. */
#ifndef SPV_SPV_ADDRMAN_ADDRMAN_STATE_H
#define SPV_SPV_ADDRMAN_ADDRMAN_STATE_H

#include "spv/addrman/addrman.h"

uint64_t spv_addrman_hash_addr(const struct spv_addrman *am, const struct spv_netaddr *addr);
uint64_t spv_addrman_tried_bucket(const struct spv_addrman *am, const struct spv_addr_info *a);
/* The slot of the probe-th attempt for an address in a bucket. */
size_t spv_addrman_slot_in(uint64_t bucket, uint64_t addr_hash, unsigned probe);

/* The entry differs from the store; the next selection is computed again. */
void spv_addrman_mark_dirty(struct spv_addrman *am, struct spv_addrman_entry *e);

/* A slot in the new table; a terrible entry in it is evicted. -1: none. */
int spv_addrman_new_slot(struct spv_addrman *am, const struct spv_addr_info *a, int64_t now);
/* A free slot in the tried table; -1: none. */
int spv_addrman_tried_slot(const struct spv_addrman *am, const struct spv_addr_info *a);
enum spv_addrman_table { SPV_ADDRMAN_TABLE_NEW, SPV_ADDRMAN_TABLE_TRIED };
void spv_addrman_insert(struct spv_addrman *am, int entry, int slot, enum spv_addrman_table table);
void spv_addrman_remove(struct spv_addrman *am, const struct spv_addrman_entry *e);

void spv_addrman_remove_collision(struct spv_addrman *am, int entry);
/* Frees an entry that is in no table. */
void spv_addrman_unlink_entry(struct spv_addrman *am, int entry);

#endif
