/* Folders for a database that is about to be created. */
#ifndef SPV_STORE_PATH_H
#define SPV_STORE_PATH_H

/* Creates the folders above the file `path`, readable by their owner only (0700). 0, SPV_ERR_IO
 * with errno set, or SPV_ERR_NOMEM. */
int spv_path_make_folders(const char *path);

#endif
