/* Folders for a database that is about to be made. */
#ifndef SPV_STORE_PATH_H
#define SPV_STORE_PATH_H

/* Makes the folders above the file `path`, for the owner's eyes alone (0700). 0, or SPV_ERR_IO with
 * errno set, SPV_ERR_NOMEM. */
int spv_path_make_folders(const char *path);

#endif
