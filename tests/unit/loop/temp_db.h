/* A folder of its own for the database of a test of the event loop, as a cmocka fixture. */
#ifndef SPV_TESTS_UNIT_LOOP_TEMP_DB_H
#define SPV_TESTS_UNIT_LOOP_TEMP_DB_H

struct temp_db {
    char folder[64];
    char path[96]; /* of the database, which does not exist yet */
};

/* Sets *state to a struct temp_db. */
int temp_db_make(void **state);
/* Deletes the database and the folder, in which nothing else may be. */
int temp_db_remove(void **state);

#endif
