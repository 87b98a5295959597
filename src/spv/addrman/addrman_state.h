/* What the two files of the address book share; addrbook.c explains the places. */
#ifndef SPV_SPV_ADDRMAN_ADDRMAN_STATE_H
#define SPV_SPV_ADDRMAN_ADDRMAN_STATE_H

#include "spv/addrman/addrman.h"

uint64_t spv_book_draw(struct spv_addrbook *b);
uint64_t spv_book_hash_addr(const struct spv_addrbook *b, const struct spv_netaddr *addr);
uint64_t spv_book_tried_bucket(const struct spv_addrbook *b, const struct spv_book_address *a);
/* The probe-th place for the address in a bucket. */
size_t spv_book_place_in(uint64_t bucket, uint64_t addr_hash, unsigned probe);

/* It differs from what is stored, and may be dialled at another time. */
void spv_book_touch(struct spv_addrbook *b, struct spv_book_entry *e);

/* A place in the new table that it may have, its terrible holder evicted; -1: none. */
int spv_book_new_place(struct spv_addrbook *b, const struct spv_book_address *a, int64_t now);
/* A free place in the tried table; -1: none. */
int spv_book_tried_place(const struct spv_addrbook *b, const struct spv_book_address *a);
void spv_book_enter(struct spv_addrbook *b, int entry, int place, bool tried);
void spv_book_leave_table(struct spv_addrbook *b, const struct spv_book_entry *e);

void spv_book_forget_challenge(struct spv_addrbook *b, int entry);
/* Of an entry that is in no table any more. */
void spv_book_unlink_entry(struct spv_addrbook *b, int entry);

#endif
