/* Stands in for libFuzzer: runs a target over every file of the given folders, so that each input
 * that was ever found is tried again by the ordinary tests, with any compiler.
 * Usage: TARGET FOLDER-OR-FILE… */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* false: cannot be read, or is no regular file. */
static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return 0;
    size_t size = 0, room = 1 << 20;
    uint8_t *data = malloc(room);
    size = data == NULL ? 0 : fread(data, 1, room, f);
    int is_whole = data != NULL && !ferror(f) && feof(f);
    fclose(f);
    /* A block of exactly this size: reading one octet more is then an error that ASan sees. */
    uint8_t *exact = is_whole ? malloc(size == 0 ? 1 : size) : NULL;
    if (exact != NULL) {
        for (size_t i = 0; i < size; i++)
            exact[i] = data[i];
        LLVMFuzzerTestOneInput(exact, size);
    }
    free(exact);
    free(data);
    return is_whole;
}

static int run_folder(const char *path)
{
    DIR *d = opendir(path);
    if (d == NULL)
        return run_file(path);
    int count = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char name[PATH_MAX];
        if (e->d_name[0] != '.' &&
            snprintf(name, sizeof name, "%s/%s", path, e->d_name) < (int)sizeof name)
            count += run_file(name);
    }
    closedir(d);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += run_folder(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
