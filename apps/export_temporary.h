/* The temporary file of an output. Its writer locks it, so that the next writer to the same output
 * can remove the files of killed ones. */
#ifndef SPV_EXPORT_TEMPORARY_H
#define SPV_EXPORT_TEMPORARY_H

/* Removes the temporary files of killed writers to `target`, then creates a locked one. The caller
 * frees *name. Returns the descriptor, or -1 and errno. */
int temporary_make(char **name, const char *target);

#endif
