/* The commands of spv-db: each runs on the options in the job and returns an exit code. */
#ifndef SPV_DB_COMMANDS_H
#define SPV_DB_COMMANDS_H

#include "db.h"

/* db_show.c */
int db_info(struct db_job *j);
int db_tip(struct db_job *j);
int db_header(struct db_job *j);
/* db_check.c */
int db_verify(struct db_job *j);
int db_repair(struct db_job *j);
/* db_stats.c */
int db_stats(struct db_job *j);
/* db_compact.c */
int db_compact(struct db_job *j);
int db_prune(struct db_job *j);

#endif
