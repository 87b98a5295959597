/* The temporary file that an output is written to before it gets its name. Its writer holds a lock
 * on it as long as it lives, so the next one for the same output knows what a killed one left. */
#ifndef SPV_EXPORT_TEMPORARY_H
#define SPV_EXPORT_TEMPORARY_H

/* Removes what killed writers left beside `target`, then makes a new file there, locked. Its name
 * is the caller's to free. The descriptor, or -1 and errno. */
int temporary_make(char **name, const char *target);

#endif
