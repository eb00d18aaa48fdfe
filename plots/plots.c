#include "plots/plots.h"

#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"

// The set's results alone, to be written into a folder of its own. It borrows the set.
static int
write_own(const results_set_t *set, plots_error_t *error)
{
    results_set_t copy = *set;
    const results_t own = {.root = set->folder, .sets = &copy, .n_sets = 1, .notes = NULL};
    summary_t *summary = summary_new(set);
    const summary_t *summaries[] = {summary};
    int result = summary_write(summaries, 1, set->folder, error);
    if (result == PLOTS_OK)
        result = fits_write(&own, set->folder, error);
    summary_free(&summary);
    return result;
}

static bool
lies_under(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

static int
write_summaries(const results_t *results, const char *folder, plots_error_t *error)
{
    summary_t **summaries = plots_alloc(results->n_sets, sizeof(summary_t *));
    for (size_t i = 0; i < results->n_sets; i++)
        summaries[i] = summary_new(&results->sets[i]);
    const int result =
        summary_write((const summary_t *const *)summaries, results->n_sets, folder, error);
    for (size_t i = 0; i < results->n_sets; i++)
        summary_free(&summaries[i]);
    free(summaries);
    return result;
}

// tables/claims.txt, .md and .tex, when the experiment makes any.
static int
write_claims(const results_t *results, const char *folder, plots_error_t *error)
{
    claims_t *claims = claims_judge(results);
    int result = PLOTS_OK;
    for (table_format_t format = 0; claims->n > 0 && format < TABLE_CSV; format++) {
        grid_t *grid = claims_grid(claims);
        draft_t draft = {0};
        grid_render(grid, format, &draft);
        char *path = plots_format("%s/tables/claims.%s", folder, table_format_name(format));
        if (result == PLOTS_OK)
            result = draft_write(&draft, path, error);
        free(path);
        draft_clear(&draft);
        grid_free(&grid);
    }
    claims_free(&claims);
    return result;
}

int
plots_write(const results_t *results, const plots_options_t *options, char **notes,
            plots_error_t *error)
{
    const char *folder = options->folder != NULL ? options->folder : results->root;
    draft_t told = {0};
    draft_add(&told, "%s", results->notes);
    int result = draft_folder(folder, error);
    if (result == PLOTS_OK)
        result = write_summaries(results, folder, error);
    if (result == PLOTS_OK)
        result = fits_write(results, folder, error);
    if (result == PLOTS_OK)
        result = tables_write(results, folder, error);
    if (result == PLOTS_OK)
        result = write_claims(results, folder, error);
    for (size_t i = 0; result == PLOTS_OK && i < results->n_sets; i++) {
        if (lies_under(results->sets[i].folder, folder))
            result = write_own(&results->sets[i], error);
    }
    if (result == PLOTS_OK)
        result = figures_write(results, options->against, folder, options->formats, &told, error);
    if (notes != NULL)
        *notes = plots_copy(told.text);
    draft_clear(&told);
    return result;
}
