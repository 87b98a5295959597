/* The commands of spv-watch: each runs on the options in the job and returns an exit code. */
#ifndef APPS_WATCH_COMMANDS_H
#define APPS_WATCH_COMMANDS_H

#include "watch.h"

/* watch_change.c */
int watch_add(struct watch_job *j);
int watch_remove(struct watch_job *j);
int watch_address(struct watch_job *j);
/* watch_show.c */
int watch_list(struct watch_job *j);
int watch_balance(struct watch_job *j);
/* watch_history.c */
int watch_history(struct watch_job *j);
/* watch_coins.c */
int watch_coins(struct watch_job *j);
/* watch_labels.c */
int watch_labels(struct watch_job *j);
/* watch_scan.c */
int watch_scan(struct watch_job *j);
int watch_follow(struct watch_job *j);

#endif
