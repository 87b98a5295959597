/* Runs a fuzz target on files and on all files of folders: the corpora in every build, and inputs
 * that crashed. Each input has its own allocation, so that a sanitizer detects reads beyond it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

#define PATH_SIZE 4096

static size_t replayed;

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;

    if (!file || fstat(fileno(file), &st) != 0) {
        perror(path);
        if (file)
            fclose(file);
        return 1;
    }
    size_t n = (size_t)st.st_size;
    uint8_t *bytes = malloc(n > 0 ? n : 1);
    int rc = !bytes || fread(bytes, 1, n, file) != n;
    fclose(file);
    if (rc == 0) {
        LLVMFuzzerTestOneInput(bytes, n);
        replayed++;
    }
    free(bytes);
    return rc;
}

static int replay_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int rc = 0;

    if (!dir) {
        perror(path);
        return 1;
    }
    while (rc == 0 && (entry = readdir(dir))) {
        char file[PATH_SIZE];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        rc = replay_file(file);
    }
    closedir(dir);
    return rc;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) != 0) {
            perror(argv[i]);
            return 1;
        }
        if (S_ISDIR(st.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]))
            return 1;
    }
    printf("replayed %zu inputs\n", replayed);
    return replayed > 0 ? 0 : 1;
}
