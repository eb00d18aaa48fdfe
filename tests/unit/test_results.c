// results and summary: what of a results folder counts, and what it amounts to.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "plots/csv.h"
#include "plots/memory.h"
#include "plots/results.h"
#include "plots/summary.h"

static char folder[64];

static void
put(const char *name, const char *text)
{
    char *path = plots_format("%s/%s", folder, name);
    draft_t draft = {0};
    draft_add(&draft, "%s", text);
    plots_error_t error = {""};
    if (draft_write(&draft, path, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    draft_clear(&draft);
    free(path);
}

static int
make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_results_XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
remove_folder(void **state)
{
    (void)state;
    const char *const names[] = {
        "runs.csv", "rounds.csv", "expect.csv", "manifest.json", "a/b/runs.csv", "z/runs.csv",
        "a/b",      "a",          "z",          "summary.csv",   "claims.csv",   "stops.csv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = plots_format("%s/%s", folder, names[i]);
        remove(path);
        free(path);
    }
    return rmdir(folder);
}

static results_t *
loaded(const char *path)
{
    results_t *results = NULL;
    plots_error_t error = {""};
    if (results_load(&path, 1, &results, &error) != PLOTS_OK)
        fail_msg("%s", error.text);
    return results;
}

static void
refused(int code, const char *words)
{
    const char *path = folder;
    results_t *results = NULL;
    plots_error_t error = {""};
    assert_int_equal(results_load(&path, 1, &results, &error), code);
    assert_null(results);
    if (strstr(error.text, words) == NULL)
        fail_msg("'%s' lacks '%s'", error.text, words);
}

static void
near(double value, double wanted, double tolerance)
{
    if (!(fabs(value - wanted) <= tolerance))
        fail_msg("%.12g is not %.12g", value, wanted);
}

#define RUNS "cell,nodes,cores,repeat,attempt,status,t_s,work_s,accuracy\n"

static void
a_later_row_replaces_an_earlier_one(void **state)
{
    (void)state;
    put("runs.csv", RUNS "n1-c2,1,2,1,a,failed,,,\n"
                         "n1-c2,1,2,2,b,done,10,10,0.5\n"
                         "n1-c2,1,2,1,c,done,12,12,0.5\n");
    results_t *results = loaded(folder);
    assert_int_equal(results->sets[0].n_runs, 2);
    assert_string_equal(results->sets[0].runs[0].attempt, "c");
    summary_t *summary = summary_new(&results->sets[0]);
    assert_int_equal(summary->cells[0].n, 2);
    assert_int_equal(summary->cells[0].n_failed, 0);
    near(summary->cells[0].quantities[QUANTITY_T].mean, 11, 1e-12);
    summary_free(&summary);
    results_free(&results);
}

static void
synthetic_data_is_not_mixed_into_real_results(void **state)
{
    (void)state;
    plots_error_t error = {""};
    static const char head[] = "cell,nodes,cores,repeat,attempt,status,data,t_s,work_s\n";
    char *real = plots_format("%sn1-c2,1,2,1,a,done,cifar10,10,10\n", head);
    char *made_up = plots_format("%sn1-c2,1,2,1,a,done,synthetic,9,9\n", head);
    char *inner = plots_format("%s/a/b", folder);
    char *other = plots_format("%s/z", folder);
    assert_int_equal(draft_folder(inner, &error), PLOTS_OK);
    assert_int_equal(draft_folder(other, &error), PLOTS_OK);
    put("a/b/runs.csv", made_up);
    results_t *results = loaded(folder); // nothing else is there: it is what was asked for
    assert_int_equal(results->n_sets, 1);
    results_free(&results);
    put("z/runs.csv", real);
    results = loaded(folder);
    assert_int_equal(results->n_sets, 1);
    assert_string_equal(results->sets[0].data, "cifar10");
    assert_non_null(strstr(results->notes, "synthetic"));
    results_free(&results);
    const char *const both[] = {folder, inner};
    assert_int_equal(results_load(both, 2, &results, &error), PLOTS_OK);
    assert_int_equal(results->n_sets, 2); // named, it is there
    results_free(&results);
    free(inner);
    free(other);
    free(real);
    free(made_up);
}

static void
rounds_of_an_orphan_or_a_failed_attempt_are_never_counted(void **state)
{
    (void)state;
    put("runs.csv", RUNS "n1-c2,1,2,1,a,failed,,,\n"
                         "n1-c2,1,2,1,b,done,10,10,0.5\n"
                         "n1-c2,1,2,2,c,failed,,,\n");
    put("rounds.csv", "cell,repeat,attempt,round,rank,compute_s\n"
                      "n1-c2,1,a,0,0,1\n"
                      "n1-c2,1,b,0,0,2\n"
                      "n1-c2,1,zombie,0,0,3\n"
                      "n1-c2,2,c,0,0,4\n"
                      "n2-c2,1,b,0,0,5\n"
                      "n1-c2,1,b,1,0,6\n");
    results_t *results = loaded(folder);
    const results_set_t *set = &results->sets[0];
    assert_int_equal(set->n_rounds, 2);
    near(set->rounds[0].compute_s, 2, 0);
    near(set->rounds[1].compute_s, 6, 0);
    assert_string_equal(set->runs[set->rounds[1].run].attempt, "b");
    assert_non_null(strstr(results->notes, "4 rows of attempts that did not finish"));
    results_free(&results);
}

static void
failed_repeats_are_counted_as_such_and_not_averaged(void **state)
{
    (void)state;
    put("runs.csv", RUNS "n1-c2,1,2,1,a,done,10,10,0.5\n"
                         "n1-c2,1,2,2,b,failed,99,99,0.1\n"
                         "n2-c4,2,4,1,c,failed,,,\n");
    results_t *results = loaded(folder);
    summary_t *summary = summary_new(&results->sets[0]);
    assert_int_equal(summary->n_cells, 2);
    assert_int_equal(summary->cells[0].n, 1);
    assert_int_equal(summary->cells[0].n_failed, 1);
    near(summary->cells[0].quantities[QUANTITY_T].mean, 10, 0);
    assert_int_equal(summary->cells[1].n, 0);
    assert_true(isnan(summary->cells[1].quantities[QUANTITY_SPEEDUP].mean));
    summary_free(&summary);
    results_free(&results);
}

static void
shares_sum_to_one_and_the_base_has_speedup_one(void **state)
{
    (void)state;
    put("runs.csv", RUNS "n3-c6,3,6,1,e,done,41,33,0.5\nn3-c6,3,6,2,f,done,43,35,0.5\n"
                         "n1-c2,1,2,1,a,done,98,98,0.5\nn1-c2,1,2,2,b,done,102,102,0.5\n"
                         "n2-c4,2,4,1,c,done,52,47,0.5\nn2-c4,2,4,2,d,done,54,48,0.5\n");
    results_t *results = loaded(folder);
    summary_t *summary = summary_new(&results->sets[0]);
    assert_int_equal(summary->n_cells, 3);
    near(summary->cells[0].quantities[QUANTITY_SPEEDUP].mean, 1, 0);
    assert_true(isnan(summary->cells[0].quantities[QUANTITY_SPEEDUP].low));
    near(summary->cells[2].quantities[QUANTITY_SPEEDUP].mean, 100.0 / 42.0, 1e-12);
    for (size_t i = 0; i < 3; i++) {
        const estimate_t *q = summary->cells[i].quantities;
        near(q[QUANTITY_WORK_SHARE].mean + q[QUANTITY_OVERHEAD_SHARE].mean, 1, 1e-12);
        near(q[QUANTITY_WORK].mean + q[QUANTITY_OVERHEAD].mean, q[QUANTITY_T].mean, 1e-9);
    }
    near(summary->cells[2].quantities[QUANTITY_OVERHEAD_SHARE].mean, 8.0 / 42.0, 1e-12);
    summary_free(&summary);
    results_free(&results);
}

static void
speedup_is_among_cells_that_differ_only_in_nodes_and_cores(void **state)
{
    (void)state;
    put("runs.csv", "train.batch,t_s,cell,nodes,cores,repeat,attempt,status,work_s\n"
                    "4,100,n1-c2-batch4,1,2,1,a,done,100\n"
                    "32,50,n1-c2-batch32,1,2,1,b,done,50\n"
                    "4,60,n2-c4-batch4,2,4,1,c,done,50\n"
                    "32,40,n2-c4-batch32,2,4,1,d,done,30\n");
    results_t *results = loaded(folder);
    assert_int_equal(results->sets[0].n_axes, 1);
    assert_string_equal(results->sets[0].axes[0].name, "batch");
    summary_t *summary = summary_new(&results->sets[0]);
    // In order of nodes, cores, then the batch as a number: 4 before 32.
    assert_string_equal(summary->cells[0].cell, "n1-c2-batch4");
    assert_string_equal(summary->cells[1].cell, "n1-c2-batch32");
    near(summary->cells[1].quantities[QUANTITY_SPEEDUP].mean, 1, 0);
    near(summary->cells[2].quantities[QUANTITY_SPEEDUP].mean, 100.0 / 60.0, 1e-12);
    near(summary->cells[3].quantities[QUANTITY_SPEEDUP].mean, 50.0 / 40.0, 1e-12);
    char *label = summary_label(summary, 3);
    assert_string_equal(label, "2:4 batch 32");
    free(label);
    summary_free(&summary);
    results_free(&results);
}

static void
references_are_completed_from_times(void **state)
{
    (void)state;
    put("runs.csv", RUNS "n1-c2,1,2,1,a,done,10,10,0.5\nn3-c6,3,6,1,b,done,5,4,0.5\n");
    put("expect.csv", "cell,nodes,cores,quantity,value,tolerance,source\n"
                      "n1-c2,1,2,t_s,936.3,,paper\n"
                      ",3,6,t_s,387.0,,\"paper, Table 1\"\n"
                      ",3,6,work_s,327.0,,\"paper, Table 1\"\n"
                      ",3,6,accuracy,0.56,0.1,\"paper, Table 1\"\n");
    results_t *results = loaded(folder);
    summary_t *summary = summary_new(&results->sets[0]);
    const reference_t reference = summary_reference(summary, 1);
    near(reference.values[QUANTITY_OVERHEAD_SHARE], 0.155, 5e-4);
    near(reference.values[QUANTITY_SPEEDUP], 2.42, 5e-3);
    near(reference.tolerances[QUANTITY_ACCURACY], 0.1, 0);
    assert_true(isnan(reference.tolerances[QUANTITY_T]));
    assert_string_equal(reference.source, "paper, Table 1");
    summary_free(&summary);
    results_free(&results);
}

static void
claims_are_read_by_the_names_of_their_columns(void **state)
{
    (void)state;
    put("runs.csv", RUNS "n1-c2,1,2,1,a,done,10,10,0.5\n");
    put("claims.csv", "kind,claim,tolerance,over,quantity,source\n"
                      "flat,\"accuracy, by nodes\",0.01,nodes,accuracy,paper\n");
    results_t *results = loaded(folder);
    assert_int_equal(results->sets[0].n_claims, 1);
    const results_claim_t *claim = &results->sets[0].claims[0];
    assert_string_equal(claim->text, "accuracy, by nodes");
    assert_string_equal(claim->over, "nodes");
    near(claim->tolerance, 0.01, 0);
    results_free(&results);
}

static void
stops_are_read_and_need_not_be_there(void **state)
{
    (void)state;
    put("runs.csv", RUNS "n1-c2,1,2,1,a,done,10,10,0.5\n");
    results_t *results = loaded(folder);
    assert_false(results->sets[0].has_stops);
    results_free(&results);
    put("stops.csv", "half_width,cell,repeats,ci\n0.01,n1-c2,1,0.05\n0.01,n2-c4");
    results = loaded(folder);
    assert_true(results->sets[0].has_stops);
    assert_int_equal(results->sets[0].n_stops, 1); // and a cut row is none
    assert_string_equal(results->sets[0].stops[0].cell, "n1-c2");
    assert_int_equal(results->sets[0].stops[0].repeats, 1);
    assert_non_null(strstr(results->notes, "stops.csv: its last line was cut short"));
    results_free(&results);
}

static void
the_paper_is_a_result_set(void **state)
{
    (void)state;
    results_t *results = loaded(PAPER);
    assert_int_equal(results->n_sets, 2);
    assert_string_equal(results->sets[0].name, "core_sweep");
    assert_true(results->sets[0].is_published);
    summary_t *cores = summary_new(&results->sets[0]);
    summary_t *nodes = summary_new(&results->sets[1]);
    assert_int_equal(cores->n_cells, 6);
    assert_int_equal(nodes->n_cells, 3);
    assert_int_equal(nodes->cells[2].n, 3); // runs behind the mean; but no interval
    assert_true(isnan(nodes->cells[2].quantities[QUANTITY_T].low));
    const estimate_t *q = nodes->cells[2].quantities;
    near(q[QUANTITY_OVERHEAD_SHARE].mean, 0.155, 5e-4); // printed as 0.18
    near(q[QUANTITY_WORK_SHARE].mean, 0.84, 5e-3);
    near(q[QUANTITY_SPEEDUP].mean, 2.42, 5e-3);
    near(nodes->cells[0].quantities[QUANTITY_SPEEDUP].mean, 1.0, 0); // printed as 0.00
    const double speedups[] = {1.00, 1.77, 2.71, 3.51, 4.38, 5.70};
    const double shares[] = {0.84, 0.87, 0.89, 0.89, 0.90, 0.84};
    for (size_t i = 0; i < 6; i++) {
        near(cores->cells[i].quantities[QUANTITY_SPEEDUP].mean, speedups[i], 6e-3);
        near(cores->cells[i].quantities[QUANTITY_WORK_SHARE].mean, shares[i], 6e-3);
    }
    near(q[QUANTITY_ACCURACY].mean, 0.56, 0);
    near(cores->cells[5].quantities[QUANTITY_ACCURACY].mean, 0.61, 0);
    summary_free(&cores);
    summary_free(&nodes);
    results_free(&results);
}

static void
every_set_below_a_folder_is_found_in_order(void **state)
{
    (void)state;
    char *inner = plots_format("%s/a/b", folder);
    assert_int_equal(draft_folder(inner, NULL), PLOTS_OK);
    free(inner);
    inner = plots_format("%s/z", folder);
    assert_int_equal(draft_folder(inner, NULL), PLOTS_OK);
    free(inner);
    put("z/runs.csv", RUNS "n1-c2,1,2,1,a,done,10,10,0.5\n");
    put("a/b/runs.csv", RUNS "n1-c2,1,2,1,a,failed,,,\n");
    results_t *results = loaded(folder);
    assert_int_equal(results->n_sets, 2);
    assert_string_equal(results->sets[0].name, "b");
    assert_string_equal(results->sets[1].name, "z");
    assert_string_equal(results->root, folder);
    results_free(&results);
}

static void
faults_name_the_file(void **state)
{
    (void)state;
    refused(PLOTS_EMPTY, "no folder in it holds a runs.csv");
    put("runs.csv", RUNS "n1-c2,1,2,1,a,failed,,,\n");
    refused(PLOTS_EMPTY, "no finished run");
    put("runs.csv", RUNS "n1-c2,,2,1,a,done,1,1,\n");
    refused(PLOTS_INVALID, "row 1 has no number of nodes");
    put("runs.csv", RUNS "n1-c2,1,2,1,a,done,,1,\n");
    refused(PLOTS_INVALID, "row 1 is done but has no t_s");
    put("runs.csv", RUNS "n1-c2,1,2,1,a,done,1,1,\n");
    put("manifest.json", "{\"name\": }");
    refused(PLOTS_INVALID, "manifest.json', line 1");
    put("manifest.json", "{}");
    put("expect.csv", "cell,nodes,cores,quantity,value,tolerance,source\n,1,2,speed,1,,\n");
    refused(PLOTS_INVALID, "unknown quantity 'speed'");
    const char *path = "/no/such/folder";
    results_t *results = NULL;
    plots_error_t error = {""};
    assert_int_equal(results_load(&path, 1, &results, &error), PLOTS_IO);
}

static void
a_goal_of_repeats_is_read(void **state)
{
    (void)state;
    put("runs.csv", "cell,nodes,cores,repeat,attempt,status,data,t_s,work_s\n"
                    "n1-c2,1,2,1,a,done,synthetic,10,10\n");
    put("manifest.json", "{\"repeats\": {\"min\": 3, \"max\": 20, \"ci\": 0.05}}");
    results_t *results = loaded(folder);
    assert_true(results->sets[0].repeats_ci == 0.05);
    assert_true(results->sets[0].repeats_max == 20);
    results_free(&results);
    put("manifest.json", "{\"repeats\": 3}");
    results = loaded(folder);
    assert_true(results->sets[0].repeats_ci == 0);
    results_free(&results);
}

static void
the_setting_names_what_was_emulated(void **state)
{
    (void)state;
    put("runs.csv", "cell,nodes,cores,repeat,attempt,status,data,t_s,work_s\n"
                    "n1-c2,1,2,1,a,done,synthetic,10,10\nn3-c6,3,6,1,b,done,synthetic,5,4\n");
    put("manifest.json", "{\"emulated\": true, \"core_speed\": 0.3, \"launcher\": \"local\"}");
    results_t *results = loaded(folder);
    const results_set_t *set = &results->sets[0];
    char *setting = results_setting(&set, 1);
    assert_string_equal(setting, "emulated: 1–3 nodes, 2–6 cores at 0.30 of a real core, "
                                 "local launcher, synthetic data");
    free(setting);
    results_free(&results);
}

static void
the_summary_is_written_with_every_axis_and_read_back(void **state)
{
    (void)state;
    put("runs.csv", "cell,nodes,cores,train.batch,repeat,attempt,status,t_s,work_s\n"
                    "x,1,2,4,1,a,done,10,10\nx,1,2,4,2,b,done,14,14\nx,1,2,4,3,c,done,12,12\n");
    results_t *results = loaded(folder);
    summary_t *summary = summary_new(&results->sets[0]);
    plots_error_t error = {""};
    const summary_t *summaries[] = {summary};
    assert_int_equal(summary_write(summaries, 1, folder, &error), PLOTS_OK);
    char *path = plots_format("%s/summary.csv", folder);
    csv_t *csv = NULL;
    assert_int_equal(csv_read(path, &csv, &error), PLOTS_OK);
    free(path);
    assert_string_equal(csv_text(csv, 0, csv_column(csv, "train.batch")), "4");
    near(csv_number(csv, 0, csv_column(csv, "t_s")), 12, 0);
    near(csv_number(csv, 0, csv_column(csv, "t_s_sd")), 2, 0);
    near(csv_number(csv, 0, csv_column(csv, "t_s_high")), 16.9683, 1e-4);
    assert_string_equal(csv_text(csv, 0, csv_column(csv, "accuracy")), "");
    csv_free(&csv);
    draft_t json = {0};
    summary_json(summaries, 1, &json);
    assert_non_null(strstr(json.text, "\"accuracy\": null"));
    assert_non_null(strstr(json.text, "\"t_s\": 12"));
    draft_clear(&json);
    summary_free(&summary);
    results_free(&results);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_later_row_replaces_an_earlier_one, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(rounds_of_an_orphan_or_a_failed_attempt_are_never_counted,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(failed_repeats_are_counted_as_such_and_not_averaged,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(shares_sum_to_one_and_the_base_has_speedup_one, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(speedup_is_among_cells_that_differ_only_in_nodes_and_cores,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(references_are_completed_from_times, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(stops_are_read_and_need_not_be_there, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(claims_are_read_by_the_names_of_their_columns, make_folder,
                                        remove_folder),
        cmocka_unit_test(the_paper_is_a_result_set),
        cmocka_unit_test_setup_teardown(every_set_below_a_folder_is_found_in_order, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(synthetic_data_is_not_mixed_into_real_results, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(faults_name_the_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_goal_of_repeats_is_read, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_setting_names_what_was_emulated, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_summary_is_written_with_every_axis_and_read_back,
                                        make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
