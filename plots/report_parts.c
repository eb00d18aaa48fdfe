#include "plots/report_parts.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/memory.h"

enum { CSV_ROWS_MAX = 400, CSV_ROWS_LONG = 60, ROUNDS_MAX = 200, TIMELINES_MAX = 40 };

void
html_add(draft_t *page, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            draft_add(page, "&amp;");
            break;
        case '<':
            draft_add(page, "&lt;");
            break;
        case '>':
            draft_add(page, "&gt;");
            break;
        case '"':
            draft_add(page, "&quot;");
            break;
        default:
            draft_add_bytes(page, text, 1);
        }
    }
}

void
frame_add(draft_t *page, const char *kind, const char *title)
{
    draft_add(page, "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"%s: ", kind);
    html_add(page, title);
    draft_add(page, "\">\n");
}

// ---- figures ----

// What an id stands behind in gnuplot's SVG.
static const char *const ID_MARKS[] = {"id=\"", "id='", "url(#", "href='#", "href=\"#", NULL};

static size_t
mark_length(const char *text)
{
    for (size_t i = 0; ID_MARKS[i] != NULL; i++) {
        const size_t n = strlen(ID_MARKS[i]);
        if (strncmp(text, ID_MARKS[i], n) == 0)
            return n;
    }
    return 0;
}

// gnuplot's hypertext calls a script of its own, which no page of ours has: it becomes a title,
// which any browser shows. Returns how much of the SVG that replaces, 0 where there is no
// hypertext.
static size_t
readout_add(draft_t *page, const char *svg)
{
    static const char start[] = "<g onmousemove=\"gnuplot_svg.showHypertext(evt,'";
    static const char between[] =
        "')\" onmouseout=\"gnuplot_svg.hideHypertext()\"><title> </title>";
    if (strncmp(svg, start, strlen(start)) != 0)
        return 0;
    const char *words = svg + strlen(start);
    const char *end = strstr(words, between);
    if (end == NULL)
        return 0;
    draft_add(page, "<g class=\"readout\"><title>");
    draft_add_bytes(page, words, (size_t)(end - words));
    draft_add(page, "</title>");
    return (size_t)(end - svg) + strlen(between);
}

void
svg_add(draft_t *page, const char *svg, size_t index, const char *title)
{
    const char *start = strstr(svg, "<svg");
    if (start == NULL)
        return;
    draft_add(page, "<svg role=\"img\" aria-label=\"");
    html_add(page, title);
    draft_add(page, "\"");
    for (const char *c = start + strlen("<svg"); *c != '\0';) {
        const size_t n_readout = readout_add(page, c);
        c += n_readout;
        if (n_readout > 0)
            continue;
        const size_t n = mark_length(c);
        draft_add_bytes(page, c, n > 0 ? n : 1);
        if (n > 0)
            draft_add(page, "f%zu_", index);
        c += n > 0 ? n : 1;
    }
}

void
csv_table_add(draft_t *page, const char *path, const char *title)
{
    csv_t *csv = NULL;
    if (csv_read(path, &csv, NULL) != PLOTS_OK || csv_rows(csv) > CSV_ROWS_MAX) {
        csv_free(&csv);
        return;
    }
    // Long tables are curves' points: pages of them would be printed for a line in a figure.
    const bool is_long = csv_rows(csv) > CSV_ROWS_LONG;
    draft_add(page, "<details%s><summary>Numbers (%zu rows of %s)</summary>\n",
              is_long ? " class=\"long\"" : "", csv_rows(csv), strrchr(path, '/') + 1);
    frame_add(page, "Numbers", title);
    draft_add(page, "<table>\n<caption><span>");
    html_add(page, title);
    draft_add(page, "</span></caption>\n<thead><tr>");
    for (size_t i = 0; i < csv_columns(csv); i++) {
        draft_add(page, "<th scope=\"col\">");
        html_add(page, csv_name(csv, i));
        draft_add(page, "</th>");
    }
    draft_add(page, "</tr></thead>\n<tbody>\n");
    for (size_t row = 0; row < csv_rows(csv); row++) {
        draft_add(page, "<tr>");
        for (size_t i = 0; i < csv_columns(csv); i++) {
            draft_add(page, i == 0 ? "<th scope=\"row\">" : "<td>");
            html_add(page, csv_text(csv, row, (int)i));
            draft_add(page, i == 0 ? "</th>" : "</td>");
        }
        draft_add(page, "</tr>\n");
    }
    draft_add(page, "</tbody>\n</table>\n</div></details>\n");
    csv_free(&csv);
}

// ---- provenance ----

static void
add_pairs(draft_t *page, const json_t *value, const char *key)
{
    if (json_is_object(value)) {
        const char *name;
        json_t *inner;
        json_object_foreach((json_t *)value, name, inner)
        {
            char *longer = plots_format("%s%s%s", key, *key != '\0' ? "." : "", name);
            add_pairs(page, inner, longer);
            free(longer);
        }
        return;
    }
    if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            char *longer = plots_format("%s.%zu", key, i + 1);
            add_pairs(page, json_array_get(value, i), longer);
            free(longer);
        }
        return;
    }
    draft_add(page, "<tr><th scope=\"row\">");
    html_add(page, key);
    draft_add(page, "</th><td>");
    char *text = json_is_string(value)
                     ? plots_copy(json_string_value(value))
                     : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    html_add(page, text);
    free(text);
    draft_add(page, "</td></tr>\n");
}

void
json_table_add(draft_t *page, const char *set, const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    if (value == NULL) {
        draft_add(page, "<p>There is no manifest.json.</p>\n");
        return;
    }
    frame_add(page, "Manifest", set);
    draft_add(page, "<table class=\"wide\">\n<caption><span>manifest.json</span></caption>\n"
                    "<thead>\n<tr><th scope=\"col\">fact</th><th scope=\"col\">value</th></tr>\n"
                    "</thead>\n<tbody>\n");
    add_pairs(page, value, "");
    draft_add(page, "</tbody>\n</table>\n</div>\n");
    json_decref(value);
}

// ---- timelines ----

// In the drawing's own units; it is scaled to the page's width.
enum { WIDTH = 1000, LANE = 18, GAP = 4, LEFT = 80, TOP = 4, AXIS = 22 };

// The rounds of one run, as pointers into the set.
typedef struct {
    const results_round_t **rounds;
    size_t n;
    int n_ranks;
    int last_round;
    double total_s;
} timeline_t;

static double
known(double seconds)
{
    return isfinite(seconds) && seconds > 0.0 ? seconds : 0.0;
}

// How long a round took: what it says, or else its slowest worker.
static double
length_of(const timeline_t *timeline, int round)
{
    double length = 0.0;
    for (size_t i = 0; i < timeline->n; i++) {
        const results_round_t *r = timeline->rounds[i];
        if (r->round != round)
            continue;
        length = fmax(length, known(r->round_s));
        length = fmax(length, known(r->compute_s) + known(r->send_s) + known(r->aggregate_s));
    }
    return length;
}

static timeline_t
timeline_of(const results_set_t *set, size_t run)
{
    timeline_t timeline = {.rounds = plots_alloc(set->n_rounds, sizeof(results_round_t *))};
    for (size_t i = 0; i < set->n_rounds; i++) {
        const results_round_t *r = &set->rounds[i];
        if (r->run != run || r->round < 0 || r->round > 1000000 || r->rank < 0 || r->rank > 255)
            continue;
        timeline.rounds[timeline.n++] = r;
        timeline.n_ranks = r->rank >= timeline.n_ranks ? r->rank + 1 : timeline.n_ranks;
        timeline.last_round = r->round > timeline.last_round ? r->round : timeline.last_round;
    }
    if (timeline.last_round >= ROUNDS_MAX)
        timeline.last_round = ROUNDS_MAX - 1;
    for (int round = 0; round <= timeline.last_round; round++)
        timeline.total_s += length_of(&timeline, round);
    return timeline;
}

static double
add_part(draft_t *page, const char *class_name, double x, double y, double seconds, double scale)
{
    const double width = known(seconds) * scale;
    if (width >= 0.05)
        draft_add(page, "<rect class=\"%s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\"/>",
                  class_name, x, y, width, LANE);
    return x + width;
}

// One worker's round: compute, send, wait; the coordinator's aggregation ends it.
static void
add_round(draft_t *page, const results_round_t *r, double start, double length, double scale)
{
    const double y = TOP + r->rank * (LANE + GAP);
    const double end = LEFT + (start + length) * scale;
    const double aggregate = known(r->aggregate_s) * scale;
    draft_add(page,
              "<g><title>round %d, worker %d: compute %.3g s, send %.3g s, wait %.3g s, "
              "aggregate %.3g s</title>",
              r->round, r->rank, known(r->compute_s), known(r->send_s), known(r->wait_s),
              known(r->aggregate_s));
    double x = LEFT + start * scale;
    x = add_part(page, "compute", x, y, r->compute_s, scale);
    x = add_part(page, "send", x, y, r->send_s, scale);
    if (end - aggregate > x)
        add_part(page, "wait", x, y, (end - aggregate - x) / scale, scale);
    add_part(page, "aggregate", end - aggregate, y, r->aggregate_s, scale);
    draft_add(page, "</g>\n");
}

static void
add_lanes(draft_t *page, const timeline_t *timeline, const char *title)
{
    const double scale = (WIDTH - LEFT - 10) / timeline->total_s;
    const int height = TOP + timeline->n_ranks * (LANE + GAP) + AXIS;
    frame_add(page, "Timeline", title);
    draft_add(
        page,
        "<svg class=\"lanes\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"A lane for each "
        "of %d workers over %.3g seconds\">\n",
        WIDTH, height, timeline->n_ranks, timeline->total_s);
    for (int rank = 0; rank < timeline->n_ranks; rank++)
        draft_add(page, "<text x=\"0\" y=\"%d\">worker %d</text>\n",
                  TOP + rank * (LANE + GAP) + LANE - 4, rank);
    double start = 0.0;
    for (int round = 0; round <= timeline->last_round; round++) {
        const double length = length_of(timeline, round);
        for (size_t i = 0; i < timeline->n; i++) {
            if (timeline->rounds[i]->round == round)
                add_round(page, timeline->rounds[i], start, length, scale);
        }
        start += length;
    }
    draft_add(page,
              "<text x=\"%d\" y=\"%d\">0</text><text x=\"%d\" y=\"%d\" "
              "text-anchor=\"end\">%.3g s</text>\n</svg></div>\n",
              LEFT, height - 6, WIDTH - 10, height - 6, timeline->total_s);
}

// How much of the workers' time each part took: what the lanes show, for those who cannot see them.
static void
add_shares(draft_t *page, const timeline_t *timeline)
{
    double compute = 0.0;
    double send = 0.0;
    double wait = 0.0;
    for (size_t i = 0; i < timeline->n; i++) {
        compute += known(timeline->rounds[i]->compute_s);
        send += known(timeline->rounds[i]->send_s);
        wait += known(timeline->rounds[i]->wait_s);
    }
    const double all = compute + send + wait;
    if (all > 0.0)
        draft_add(page,
                  "<p class=\"note\">Of the workers' time: compute %.1f %%, send %.1f %%, wait "
                  "%.1f %%.%s</p>\n",
                  100.0 * compute / all, 100.0 * send / all, 100.0 * wait / all,
                  timeline->last_round == ROUNDS_MAX - 1 ? " The first 200 rounds are shown." : "");
}

size_t
timelines_add(draft_t *page, const results_set_t *set)
{
    size_t n_drawn = 0;
    for (size_t i = 0; i < set->n_runs && n_drawn < TIMELINES_MAX; i++) {
        const bool is_first = i == 0 || strcmp(set->runs[i].cell, set->runs[i - 1].cell) != 0 ||
                              !set->runs[i - 1].is_done;
        if (!set->runs[i].is_done || !is_first)
            continue;
        timeline_t timeline = timeline_of(set, i);
        if (timeline.n > 0 && timeline.total_s > 0.0 && timeline.n_ranks > 1) {
            char *title = plots_format("%s: %.4g nodes, %.4g cores (%s)", set->name,
                                       set->runs[i].nodes, set->runs[i].cores, set->runs[i].cell);
            draft_add(page, "<div class=\"run\"><h3>");
            html_add(page, title);
            draft_add(page, "</h3>\n");
            add_lanes(page, &timeline, title);
            free(title);
            add_shares(page, &timeline);
            draft_add(page, "</div>\n");
            n_drawn++;
        }
        free(timeline.rounds);
    }
    return n_drawn;
}
