#include "plots/results.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plots/draft.h"
#include "plots/memory.h"
#include "plots/results_read.h"

enum { DEPTH_MAX = 4 };

const char *
quantity_name(quantity_t quantity)
{
    static const char *const names[N_QUANTITIES] = {
        "t_s",     "work_s",   "overhead_s",        "work_share", "overhead_share",
        "speedup", "accuracy", "time_to_accuracy_s"};
    return names[quantity];
}

quantity_t
quantity_parse(const char *name)
{
    quantity_t quantity = 0;
    while (quantity < N_QUANTITIES && strcmp(quantity_name(quantity), name) != 0)
        quantity++;
    return quantity;
}

static bool
is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool
is_result_set(const char *folder)
{
    char *path = plots_format("%s/runs.csv", folder);
    const bool is_there = access(path, F_OK) == 0;
    free(path);
    return is_there;
}

static int
add_set(results_t *results, const char *folder, draft_t *notes, plots_error_t *error)
{
    results_set_t set;
    const int result = results_set_read(folder, &set, notes, error);
    if (result != PLOTS_OK)
        return result;
    results->sets = plots_resize(results->sets, results->n_sets + 1, sizeof *results->sets);
    results->sets[results->n_sets++] = set;
    return PLOTS_OK;
}

static int
search(results_t *results, const char *folder, int depth, draft_t *notes, plots_error_t *error)
{
    if (is_result_set(folder))
        return add_set(results, folder, notes, error);
    struct dirent **entries = NULL;
    const int n = scandir(folder, &entries, NULL, alphasort);
    if (n < 0)
        return plots_fail(error, PLOTS_IO, "cannot read the folder '%s': %s", folder,
                          strerror(errno));
    int result = PLOTS_OK;
    for (int i = 0; i < n; i++) {
        char *path = plots_format("%s/%s", folder, entries[i]->d_name);
        const bool is_hidden = entries[i]->d_name[0] == '.';
        if (result == PLOTS_OK && !is_hidden && depth < DEPTH_MAX && is_folder(path))
            result = search(results, path, depth + 1, notes, error);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return result;
}

static bool
is_synthetic(const results_set_t *set)
{
    return strstr(set->data, "synthetic") != NULL;
}

// Among the sets found in one folder from `first` on: made-up data beside real would be drawn into
// the same figures, and its accuracies mean nothing. Whoever wants them names their folder.
static void
leave_out_synthetic(results_t *results, size_t first, draft_t *notes)
{
    size_t n_real = 0;
    size_t n_kept = first;
    for (size_t i = first; i < results->n_sets; i++)
        n_real += !is_synthetic(&results->sets[i]);
    for (size_t i = first; n_real > 0 && i < results->n_sets; i++) {
        if (!is_synthetic(&results->sets[i])) {
            results->sets[n_kept++] = results->sets[i];
            continue;
        }
        draft_add(notes, "%s: of synthetic data, left out beside real data; name it to see it\n",
                  results->sets[i].folder);
        results_set_clear(&results->sets[i]);
    }
    results->n_sets = n_real > 0 ? n_kept : results->n_sets;
}

static bool
has_finished_run(const results_t *results)
{
    for (size_t i = 0; i < results->n_sets; i++) {
        for (size_t j = 0; j < results->sets[i].n_runs; j++) {
            if (results->sets[i].runs[j].is_done)
                return true;
        }
    }
    return false;
}

// "results/" and "results" are one folder.
static char *
without_slash(const char *folder)
{
    char *copy = plots_copy(folder);
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = '\0';
    return copy;
}

int
results_load(const char *const *folders, size_t n_folders, results_t **results,
             plots_error_t *error)
{
    results_t *loaded = plots_alloc(1, sizeof *loaded);
    draft_t notes = {0};
    int result = PLOTS_OK;
    for (size_t i = 0; result == PLOTS_OK && i < n_folders; i++) {
        char *folder = without_slash(folders[i]);
        const size_t first = loaded->n_sets;
        result = search(loaded, folder, 0, &notes, error);
        leave_out_synthetic(loaded, first, &notes);
        if (loaded->root == NULL)
            loaded->root = folder;
        else
            free(folder);
    }
    loaded->notes = plots_copy(notes.text);
    draft_clear(&notes);
    const char *first = n_folders > 0 ? folders[0] : "";
    if (result == PLOTS_OK && loaded->n_sets == 0)
        result = plots_fail(error, PLOTS_EMPTY,
                            "no results in '%s': no folder in it holds a runs.csv; make some with "
                            "'dmlx run'",
                            first);
    else if (result == PLOTS_OK && !has_finished_run(loaded))
        result =
            plots_fail(error, PLOTS_EMPTY, "no finished run in '%s'; go on with 'dmlx run'", first);
    if (result == PLOTS_OK)
        *results = loaded;
    else
        results_free(&loaded);
    return result;
}

void
results_free(results_t **results)
{
    if (*results == NULL)
        return;
    for (size_t i = 0; i < (*results)->n_sets; i++)
        results_set_clear(&(*results)->sets[i]);
    free((*results)->sets);
    free((*results)->root);
    free((*results)->notes);
    free(*results);
    *results = NULL;
}

typedef struct {
    double low, high;
} range_t;

static void
widen(range_t *range, double value)
{
    range->low = fmin(range->low, value);
    range->high = fmax(range->high, value);
}

static void
add_range(draft_t *draft, range_t range, const char *one, const char *many)
{
    if (range.low == range.high)
        draft_add(draft, "%.3g %s", range.low, range.low == 1.0 ? one : many);
    else
        draft_add(draft, "%.3g–%.3g %s", range.low, range.high, many);
}

// Adds ", WORD" (or just the word, first) unless the draft has it already.
static void
add_once(draft_t *draft, const char *word, const char *suffix)
{
    char *whole = plots_format("%s%s", word, suffix);
    if (*word != '\0' && strstr(draft->text, whole) == NULL)
        draft_add(draft, "%s%s", draft->length > 0 ? ", " : "", whole);
    free(whole);
}

char *
results_setting(const results_set_t *const *sets, size_t n)
{
    range_t nodes = {INFINITY, -INFINITY};
    range_t cores = {INFINITY, -INFINITY};
    range_t speeds = {INFINITY, -INFINITY};
    size_t mean_of = 1;
    bool is_emulated = false;
    bool is_published = false;
    for (size_t i = 0; i < n; i++) {
        is_emulated = is_emulated || sets[i]->is_emulated;
        is_published = is_published || sets[i]->is_published;
        if (sets[i]->is_emulated)
            widen(&speeds, sets[i]->core_speed);
        for (size_t j = 0; j < sets[i]->n_runs; j++) {
            widen(&nodes, sets[i]->runs[j].nodes);
            widen(&cores, sets[i]->runs[j].cores);
            mean_of = sets[i]->runs[j].mean_of > mean_of ? sets[i]->runs[j].mean_of : mean_of;
        }
    }
    draft_t draft = {0};
    draft_add(&draft, "%s", is_emulated ? "emulated: " : is_published ? "published: " : "");
    add_range(&draft, nodes, "node", "nodes");
    draft_add(&draft, ", ");
    add_range(&draft, cores, "core", "cores");
    if (is_emulated && isfinite(speeds.low)) {
        draft_add(&draft, speeds.low == speeds.high ? " at %.2f" : " at %.2f–%.2f", speeds.low,
                  speeds.high);
        draft_add(&draft, " of a real core");
    }
    if (is_published && mean_of > 1)
        draft_add(&draft, ", means of %zu runs", mean_of);
    for (size_t i = 0; i < n; i++)
        add_once(&draft, sets[i]->launcher, " launcher");
    for (size_t i = 0; i < n; i++)
        add_once(&draft, sets[i]->data, strstr(sets[i]->data, "synthetic") ? " data" : "");
    return draft.text;
}

bool
results_same_values(const results_set_t *set, char *const *a, char *const *b)
{
    for (size_t i = 0; i < set->n_axes; i++) {
        if (strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

char *
results_values_label(const results_set_t *set, char *const *values)
{
    draft_t label = {0};
    draft_add(&label, "%s", "");
    for (size_t i = 0; i < set->n_axes; i++) {
        const results_axis_t *axis = &set->axes[i];
        draft_add(&label, "%s%s %s%s%s", i > 0 ? ", " : "", axis->name, values[i],
                  *axis->unit != '\0' ? " " : "", axis->unit);
    }
    return label.text;
}
