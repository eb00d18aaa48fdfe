// What an experiment file means, and what is said about one that is off.
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

#include "runner/spec.h"

// Every test that reads does so through these; the diag lives as long as the experiment does.
static diag_t *diag;

static int
set_up(void **state)
{
    (void)state;
    diag = diag_new();
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    diag_free(diag);
    return 0;
}

static void
must_read(const char *text, experiment_t *experiment)
{
    if (spec_read_text(text, "a.cfg", NULL, experiment, diag) != 0) {
        diag_print(diag, stderr);
        fail();
    }
}

static void
assert_faults(const char *text, const spec_options_t *options, const char *expected)
{
    experiment_t experiment;
    diag_t *own = diag_new();
    assert_int_equal(spec_read_text(text, "a.cfg", options, &experiment, own), -1);
    char *faults = diag_text(own);
    assert_string_equal(faults, expected);
    free(faults);
    diag_free(own);
}

#define ONE_CELL "matrix = { nodes = 1; };"

static void
what_is_not_written_has_its_default(void **state)
{
    (void)state;
    experiment_t experiment;
    must_read(ONE_CELL, &experiment);
    assert_string_equal(experiment.name, "a");
    assert_string_equal(experiment.train.model.name, "lenet");
    assert_int_equal(experiment.train.epochs, 2);
    assert_int_equal(experiment.train.batch, 4);
    assert_true(experiment.train.learning_rate == 0.001);
    assert_int_equal(experiment.train.lr_scaling, LR_SCALING_LINEAR);
    assert_int_equal(experiment.cluster.launcher, LAUNCHER_LOCAL);
    assert_true(experiment.cluster.enforce);
    assert_true(experiment.cluster.core_speed == 1);
    experiment_free(&experiment);
}

static void
a_real_setting_takes_an_integer(void **state)
{
    (void)state;
    experiment_t experiment;
    must_read("train = { learning_rate = 1; }; " ONE_CELL, &experiment);
    assert_true(experiment.train.learning_rate == 1.0);
    experiment_free(&experiment);
}

static void
layers_become_the_engines_network(void **state)
{
    (void)state;
    experiment_t experiment;
    must_read(
        "train = { model = ("
        "{ type = \"conv\"; filters = 6; kernel = 5; padding = 2; }, { type = \"relu\"; },"
        "{ type = \"max_pool\"; kernel = 2; }, { type = \"dense\"; neurons = 10; name = \"out\"; }"
        "); }; " ONE_CELL,
        &experiment);
    network_spec_t network = experiment_network(&experiment);
    assert_int_equal(network.n_layers, 4);
    assert_int_equal(network.input.width, 32);
    assert_int_equal(network.classes, 10);
    assert_int_equal(network.layers[0].kind, LAYER_CONV);
    assert_int_equal(network.layers[0].outputs, 6);
    assert_int_equal(network.layers[0].stride, 1);
    assert_int_equal(network.layers[0].padding, 2);
    assert_int_equal(network.layers[3].outputs, 10);
    assert_string_equal(network.layers[3].name, "out");
    experiment_free(&experiment);
}

static void
an_override_replaces_what_stands_outside(void **state)
{
    (void)state;
    experiment_t experiment;
    must_read("train = { epochs = 5; batch = 8; };"
              "override = { train = { epochs = 1; }; title = \"x\"; };" ONE_CELL,
              &experiment);
    assert_int_equal(experiment.train.epochs, 1);
    assert_int_equal(experiment.train.batch, 8);
    assert_string_equal(experiment.title, "x");
    experiment_free(&experiment);
}

static void
repeats_are_a_number_or_a_goal(void **state)
{
    (void)state;
    experiment_t experiment, again;
    must_read("matrix = { nodes = 1; repeats = 3; };", &experiment);
    assert_int_equal(experiment.matrix.repeats.min, 3);
    assert_int_equal(experiment.matrix.repeats.max, 3);
    assert_true(experiment.matrix.repeats.ci == 0);
    experiment_free(&experiment);
    must_read("matrix = { nodes = 1; repeats = { max = 7; ci = 0.1; }; };", &experiment);
    char *text = experiment_text(&experiment);
    must_read(text, &again);
    assert_int_equal(again.matrix.repeats.min, 3);
    assert_int_equal(again.matrix.repeats.max, 7);
    assert_true(again.matrix.repeats.ci == 0.1);
    free(text);
    experiment_free(&experiment);
    experiment_free(&again);
}

static void
faults_of_a_goal_are_told(void **state)
{
    (void)state;
    assert_faults("matrix = { repeats = { min = 9; max = 4; }; };", NULL,
                  "a.cfg:1: error: 'matrix.repeats' has min 9 and max 4\n");
    assert_faults("matrix = { repeats = { min = 0; ci = 5; most = 4; }; };", NULL,
                  "a.cfg:1: error: 'matrix.repeats.min' takes an integer from 1 to 10000\n"
                  "a.cfg:1: error: 'matrix.repeats.ci' takes a number from 0.0001 to 1\n"
                  "a.cfg:1: error: 'matrix.repeats' has no 'most'; it has min, max and ci\n");
}

static void
claims_read_back_as_they_are_written(void **state)
{
    (void)state;
    experiment_t experiment, again;
    must_read(
        "claim = ( { name = \"a \\\"b\\\"\"; kind = \"flat\"; quantity = \"accuracy\"; tolerance "
        "= 0.01; over = \"cores\"; }, { name = \"c\"; kind = \"diminishing\"; } );" ONE_CELL,
        &experiment);
    assert_int_equal(experiment.n_claims, 2);
    assert_string_equal(experiment.claims[0].over, "cores");
    assert_true(experiment.claims[0].tolerance == 0.01);
    assert_string_equal(experiment.claims[1].over, "nodes");
    char *text = experiment_text(&experiment);
    must_read(text, &again);
    char *text_again = experiment_text(&again);
    assert_string_equal(text, text_again);
    free(text);
    free(text_again);
    experiment_free(&experiment);
    experiment_free(&again);
}

static void
faults_of_claims_are_told(void **state)
{
    (void)state;
    assert_faults(
        "claim = ( { kind = \"flat\"; name = \"a\"; }, { name = \"b\"; kin = \"flat\"; }, { "
        "name = \"c\"; kind = \"round\"; }, { name = \"d\"; } );" ONE_CELL,
        NULL,
        "a.cfg:1: error: a claim of kind \"flat\" wants a quantity and a tolerance: quantity "
        "= \"accuracy\"; tolerance = 0.01;\n"
        "a.cfg:1: error: 'claim' has no 'kin'; did you mean 'kind'?\n"
        "a.cfg:1: error: 'kind' of 'claim' takes one of flat, diminishing, further, expected\n"
        "a.cfg:1: error: 'claim' takes groups with a name and a kind: ( { name = \"…\"; kind = "
        "\"diminishing\"; over = \"nodes\"; } )\n");
}

static void
set_lies_over_the_file(void **state)
{
    (void)state;
    const char *sets[] = {"train.epochs=7", "batch=16", "partition=fixed", "matrix.cores=[1,2]",
                          "matrix.momentum=(0, 0.5)"};
    spec_options_t options = {.sets = sets, .n_sets = 5};
    experiment_t experiment;
    assert_int_equal(spec_read_text("train = { epochs = 5; }; matrix = { nodes = 1; cores = 4; };",
                                    "a.cfg", &options, &experiment, diag),
                     0);
    assert_int_equal(experiment.train.epochs, 7);
    assert_int_equal(experiment.train.batch, 16);
    assert_int_equal(experiment.train.partition, PARTITION_FIXED);
    assert_int_equal(experiment.matrix.n_axes, 3);
    assert_int_equal(experiment.matrix.axes[1].n_values, 2);
    assert_string_equal(experiment.matrix.axes[2].path, "train.momentum");
    assert_string_equal(experiment.matrix.axes[2].values[1].text, "0.5");
    experiment_free(&experiment);
}

static void
a_set_that_is_off_is_told(void **state)
{
    (void)state;
    const char *sets[] = {"train.epochz=1",   "epochs=0",         "epochs",
                          "title=1; batch=2", "matrix.colours=1", "launcher=ssh"};
    spec_options_t options = {.sets = sets, .n_sets = 6};
    assert_faults(
        ONE_CELL, &options,
        "--set train.epochz=1: error: unknown setting 'train.epochz'; did you mean "
        "'train.epochs'?\n"
        "--set epochs=0: error: 'train.epochs' is 0; it takes an integer from 1 to 10000\n"
        "--set epochs: error: wants a setting and its value, such as train.epochs=1\n"
        "--set title=1; batch=2: error: '1; batch=2' is no value; write 1, 0.5, true, a word, \"a "
        "text\" or [ 1, 2 ]\n"
        "--set matrix.colours=1: error: unknown setting 'matrix.colours'; did you mean "
        "'matrix.cores'?\n"
        "--set launcher=ssh: error: n1-c1 asks for 1 workers, and 'cluster.hosts' has 0\n");
}

static void
what_the_matrix_varies_cannot_be_set(void **state)
{
    (void)state;
    const char *sets[] = {"batch=8"};
    spec_options_t options = {.sets = sets, .n_sets = 1};
    assert_faults(
        "matrix = { nodes = 1; batch = [ 4, 32 ]; };", &options,
        "--set batch=8: error: 'train.batch' is an axis of the matrix; set matrix.batch\n");
}

static void
a_text_includes_nothing(void **state)
{
    (void)state;
    assert_faults("@include \"/etc/passwd\"\n" ONE_CELL, NULL,
                  "a.cfg:1: error: no file can be included here: '/etc/passwd'\n");
    experiment_t experiment;
    must_read("/*\n@include \"/etc/passwd\"\n*/ title = \"\n@include \\\"x\\\"\n\"; " ONE_CELL,
              &experiment);
    experiment_free(&experiment);
}

static void
every_fault_is_told_with_its_line(void **state)
{
    (void)state;
    assert_faults(
        "train = {\n  momentun = 0.9;\n  epochs = 2.5;\n  momentum = \"high\";\n"
        "  lr_scaling = \"linar\";\n};\nclutser = { };\nepochs = 3;\nname = 3;\n" ONE_CELL,
        NULL,
        "a.cfg:2: error: unknown setting 'momentun'; did you mean 'momentum'?\n"
        "a.cfg:3: error: 'train.epochs' is 2.5; it takes an integer from 1 to 10000\n"
        "a.cfg:4: error: 'train.momentum' is 'high'; it takes a number from 0 to 0.999999\n"
        "a.cfg:5: error: 'train.lr_scaling' is 'linar'; did you mean 'linear'? it takes one "
        "of \"none\", \"linear\", \"sqrt\"\n"
        "a.cfg:7: error: unknown setting 'clutser'; did you mean 'cluster'?\n"
        "a.cfg:8: error: unknown setting 'epochs'; did you mean 'train.epochs'?\n"
        "a.cfg:9: error: 'name' is 3; it takes a text\n");
}

static void
an_integer_beyond_32_bits_is_not_cut(void **state)
{
    (void)state;
    assert_faults(
        "train = { epochs = 4294967297; seed = 0x100000001; };" ONE_CELL, NULL,
        "a.cfg:1: error: 'train.epochs' is 4294967297; it takes an integer from 1 to 10000\n"
        "a.cfg:1: error: 'train.seed' is 4294967297; it takes an integer from 0 to "
        "2147483647\n");
}

static void
what_has_no_end_is_told_at_its_beginning(void **state)
{
    (void)state;
    assert_faults("\ntitle = \"abc;\n" ONE_CELL "\n", NULL,
                  "a.cfg:2: error: the text that begins here has no closing quote\n");
    assert_faults(ONE_CELL "\n/* abc\n\n", NULL,
                  "a.cfg:2: error: the comment that begins here has no closing '*/'\n");
    assert_faults("train = {\n", NULL,
                  "a.cfg:2: error: syntax error; is a bracket or a value missing?\n");
}

static void
an_array_of_two_types_is_told_what_to_do(void **state)
{
    (void)state;
    assert_faults(
        "matrix = {\n  cores = [ 1, 0.5 ];\n};", NULL,
        "a.cfg:2: error: the values of an array [ ] are of one type: write 1.0 beside 0.5, "
        "or ( 1, 0.5 )\n");
    experiment_t experiment;
    must_read("matrix = { cores = ( 1, 0.5 ); };", &experiment);
    assert_true(experiment.matrix.axes[1].values[1].number == 0.5);
    experiment_free(&experiment);
}

static void
a_setting_given_twice_is_refused(void **state)
{
    (void)state;
    assert_faults(
        "train = { epochs = 1; };\ntrain = {\n  batch = 2;\n};\n" ONE_CELL, NULL,
        "a.cfg:2: error: 'train' is set twice; to change what an included file sets, write it "
        "in a group of its own: override = { train = { … }; };\n");
}

static void
a_matrix_that_says_nothing_is_refused(void **state)
{
    (void)state;
    assert_faults(
        "", NULL,
        "a.cfg: error: no matrix: write which cells to run, such as matrix = { nodes = [ 1, 2 "
        "]; cores = [ 2, 4 ]; repeats = 3; };\n");
    assert_faults(
        "matrix = { };", NULL,
        "a.cfg:1: error: 'matrix' is empty; write which cells to run: nodes = [ 1, 2 ]; cores "
        "= [ 2, 4 ];\n");
    assert_faults(
        "matrix = { nodes = [ ]; repeats = 0; };", NULL,
        "a.cfg:1: error: 'matrix.repeats' is 0; it takes an integer from 1 to 10000, or { "
        "min = 3; max = 20; ci = 0.05; }\n"
        "a.cfg:1: error: 'matrix.nodes' is empty; it takes at least one value\n");
}

static void
a_role_needs_no_matrix(void **state)
{
    (void)state;
    spec_options_t options = {.is_matrix_optional = true};
    experiment_t experiment;
    assert_int_equal(
        spec_read_text("train = { epochs = 1; };", "a.cfg", &options, &experiment, diag), 0);
    assert_int_equal(experiment.train.epochs, 1);
    experiment_free(&experiment);
}

static void
axes_that_are_off_are_told(void **state)
{
    (void)state;
    assert_faults("matrix = {\n nodes = [ 1, 2, 1 ];\n batch = 4;\n train = { batch = 8; };\n"
                  " model = \"lenet\";\n batsh = 3;\n epochs = [ 1, 0 ];\n};",
                  NULL,
                  "a.cfg:2: error: 'matrix.nodes' has the value 1 twice\n"
                  "a.cfg:4: error: the axis 'train.batch' is given twice, first in line 3\n"
                  "a.cfg:5: error: 'train.model' cannot be an axis\n"
                  "a.cfg:6: error: unknown axis 'batsh'; did you mean 'batch'?\n"
                  "a.cfg:7: error: 'train.epochs' is 0; it takes an integer from 1 to 10000\n");
    assert_faults(
        "matrix = { cores = 2; cores_per_node = 2; };", NULL,
        "a.cfg:1: error: 'matrix.cores' and 'matrix.cores_per_node' are both given; one is "
        "enough\n");
}

static void
zipped_axes_are_of_one_length(void **state)
{
    (void)state;
    assert_faults("matrix = { zip = (\n { nodes = [ 1, 2, 3 ]; cores = [ 2, 4 ]; } ); };", NULL,
                  "a.cfg:2: error: axes that are zipped have as many values: 'matrix.nodes' has 3, "
                  "'matrix.cores' has 2\n");
}

static void
rules_that_match_nothing_or_leave_nothing_are_told(void **state)
{
    (void)state;
    assert_faults("matrix = { nodes = [ 1, 2 ]; exclude = ( { nodes = [ 1, 2 ]; } ); };", NULL,
                  "a.cfg:1: error: 'matrix.exclude' and 'matrix.only' leave no cell to run\n");
    assert_faults("matrix = { nodes = [ 1, 2 ]; exclude = ( { nodes = 7; } ); };", NULL,
                  "a.cfg:1: error: no cell of the matrix matches this group of 'matrix.exclude'\n");
    assert_faults("matrix = { nodes = [ 1, 2 ]; only = ( { batch = 7; } ); };", NULL,
                  "a.cfg:1: error: 'batch' is no axis of this matrix; its axes are matrix.nodes, "
                  "matrix.cores_per_node\n");
}

static void
a_matrix_too_large_is_refused(void **state)
{
    (void)state;
    assert_faults(
        "matrix = { nodes = [ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 ]; repeats = 10000; };", NULL,
        "a.cfg:1: error: the matrix has 110000 runs (cells times repeats); at most 100000 are "
        "taken\n");
}

static void
a_fraction_of_a_core_needs_a_limit(void **state)
{
    (void)state;
    assert_faults(
        "cluster = { enforce = false; };\nmatrix = { nodes = 3; cores = [ 1, 2, 3 ]; };", NULL,
        "a.cfg:2: error: n3-c1 (and 1 more cell) gives a node 0.333333 of a core, which needs "
        "a CPU limit, and 'cluster.enforce' is false\n");
    assert_faults(
        "cluster = { enforce = false;\n emulate = { core_speed = 0.5; }; };" ONE_CELL, NULL,
        "a.cfg:2: error: an emulated core is a CPU limit, and 'cluster.enforce' is false; "
        "leave one of the two out\n");
    assert_faults(
        "matrix = { nodes = 100; cores = 0.5; };", NULL,
        "a.cfg:1: error: n100-c0.5 gives a node 0.005 of a real core; the least is 0.01\n");
}

static void
more_workers_than_hosts_are_refused(void **state)
{
    (void)state;
    assert_faults(
        "cluster = { launcher = \"ssh\";\n hosts = [ \"a\", \"b\" ]; };\n"
        "matrix = { nodes = [ 2, 3, 4 ]; };",
        NULL,
        "a.cfg:2: error: n3-c3 (and 1 more cell) asks for 3 workers, and 'cluster.hosts' has "
        "2\n");
}

static void
layers_that_are_off_are_told_by_line(void **state)
{
    (void)state;
    assert_faults(
        "train = { model = (\n { type = \"con\"; },\n { type = \"conv\"; filers = 6; kernel = 0; },"
        "\n { kernel = 2; },\n { type = \"dense\"; neurons = 10; }\n ); }; " ONE_CELL,
        NULL,
        "a.cfg:2: error: unknown type of layer 'con'; did you mean 'conv'?\n"
        "a.cfg:3: error: a layer of type \"conv\" has no 'filers'; did you mean 'filters'?\n"
        "a.cfg:3: error: 'kernel' of a layer of type \"conv\" takes an integer from 1 to 1024\n"
        "a.cfg:3: error: a layer of type \"conv\" wants 'filters'\n"
        "a.cfg:4: error: a layer takes a type: { type = \"relu\"; }; types: conv, relu, "
        "max_pool, avg_pool, dense, batch_norm, dropout\n");
}

static void
layers_that_do_not_fit_the_image_are_told_by_line(void **state)
{
    (void)state;
    experiment_t experiment;
    diag_t *own = diag_new();
    assert_int_equal(spec_read_text("train = { model = (\n { type = \"max_pool\"; kernel = 8; },\n"
                                    " { type = \"conv\"; filters = 6; kernel = 5; },\n"
                                    " { type = \"dense\"; neurons = 10; } ); };" ONE_CELL,
                                    "a.cfg", NULL, &experiment, own),
                     -1);
    char *faults = diag_text(own);
    // The rest of the sentence is the engine's.
    assert_non_null(strstr(faults, "a.cfg:3: error: 'train.model' does not fit: layer 2 (conv)"));
    free(faults);
    diag_free(own);
}

static void
expectations_are_read_and_checked(void **state)
{
    (void)state;
    experiment_t experiment;
    must_read("expect = ( { nodes = 3; cores = 6; t_s = 387; accuracy = 0.56; source = \"T\"; } "
              ");" ONE_CELL,
              &experiment);
    assert_int_equal(experiment.n_expect, 1);
    assert_int_equal(experiment.expect[0].nodes, 3);
    assert_true(experiment.expect[0].values[EXPECT_T_S] == 387);
    assert_true(isnan(experiment.expect[0].values[EXPECT_SPEEDUP]));
    assert_true(isnan(experiment.expect[0].tolerance));
    experiment_free(&experiment);
    assert_faults(
        "expect = ( { nodes = 1; acuracy = 0.5; accuracy = 2; } ); " ONE_CELL, NULL,
        "a.cfg:1: error: 'expect' has no 'acuracy'; did you mean 'accuracy'?\n"
        "a.cfg:1: error: 'accuracy' of 'expect' takes a number from 0 to 1\n"
        "a.cfg:1: error: a group of 'expect' wants nodes and cores, to say which cell it is "
        "about\n");
}

#define RICH                                                                                       \
    "title = \"a \\\"b\\\" \\\\ c\"; train = { model = ( { type = \"dropout\"; rate = 0.1; },"     \
    " { type = \"dense\"; neurons = 10; } ); learning_rate = 0.1; };"                              \
    "cluster = { emulate = { core_speed = \"auto\"; }; };"                                         \
    "matrix = { zip = ( { nodes = [ 1, 2 ]; cores = [ 2, 4 ]; }, { batch = [ 4, 8 ];"              \
    " momentum = ( 0.5, 0 ); } ); partition = [ \"fixed\", \"reshuffled\" ]; nesterov = false;"    \
    " exclude = ( { nodes = 1; batch = 8; } ); only = ( { partition = \"fixed\"; } ); };"          \
    "expect = ( { nodes = 1; cores = 2; t_s = 0.1; tolerance = 0.25; } );"

static void
the_text_reads_back_as_the_same_experiment(void **state)
{
    (void)state;
    experiment_t a, b;
    must_read(RICH, &a);
    char *text = experiment_text(&a);
    must_read(text, &b);
    char *again = experiment_text(&b);
    assert_string_equal(text, again);
    char *differences = experiment_differences(&a, &b);
    assert_string_equal(differences, "");
    free(differences);
    free(text);
    free(again);
    experiment_free(&a);
    experiment_free(&b);
}

static void
the_hash_sees_the_meaning_alone(void **state)
{
    (void)state;
    experiment_t a, b, c;
    must_read("train = { epochs = 1; batch = 4; }; matrix = { nodes = [ 1, 2 ]; batch = ( 4 ); };",
              &a);
    must_read("/* x */ matrix : { batch = [ 4 ], nodes = ( 1, 2 ) }\ntrain = { epochs = 0x1; }",
              &b);
    must_read("train = { epochs = 3; }; matrix = { nodes = [ 1, 2 ]; batch = ( 4 ); };", &c);
    char hash_a[SPEC_HASH_BYTES], hash_b[SPEC_HASH_BYTES], hash_c[SPEC_HASH_BYTES];
    experiment_hash(&a, hash_a);
    experiment_hash(&b, hash_b);
    experiment_hash(&c, hash_c);
    assert_int_equal(strlen(hash_a), 64);
    assert_string_equal(hash_a, hash_b);
    assert_string_not_equal(hash_a, hash_c);
    experiment_free(&a);
    experiment_free(&b);
    experiment_free(&c);
}

static void
how_many_cells_run_at_once_is_no_part_of_the_experiment(void **state)
{
    (void)state;
    experiment_t one, two;
    char hash_one[SPEC_HASH_BYTES], hash_two[SPEC_HASH_BYTES];
    must_read(
        "cluster = { launcher = \"ssh\"; hosts = [ \"a\", \"b\" ]; }; matrix = { nodes = 1; };",
        &one);
    must_read("cluster = { launcher = \"ssh\"; hosts = [ \"a\", \"b\" ]; jobs = 2; };"
              "matrix = { nodes = 1; };",
              &two);
    assert_int_equal(one.cluster.jobs, 1);
    assert_int_equal(two.cluster.jobs, 2);
    experiment_hash(&one, hash_one);
    experiment_hash(&two, hash_two);
    assert_string_equal(hash_one, hash_two);
    char *text = experiment_text(&two), *differences = experiment_differences(&one, &two);
    assert_null(strstr(text, "jobs"));
    assert_string_equal(differences, "");
    free(text);
    free(differences);
    experiment_free(&one);
    experiment_free(&two);
}

static void
differences_are_told_by_setting(void **state)
{
    (void)state;
    experiment_t there, here;
    must_read("train = { epochs = 2; }; matrix = { nodes = [ 1, 2 ]; batch = 8; };", &there);
    must_read("train = { epochs = 1; }; matrix = { nodes = [ 1, 2, 3 ]; repeats = 3; };"
              "expect = ( { nodes = 1; cores = 1; t_s = 1; } );",
              &here);
    char *text = experiment_differences(&there, &here);
    assert_string_equal(text, "train.epochs: 2 there, 1 here\n"
                              "matrix.repeats: 1 there, 3 here\n"
                              "matrix.batch: 8 there, none here\n"
                              "matrix.nodes: 1, 2 there, 1, 2, 3 here\n"
                              "expect: the reference values differ\n");
    free(text);
    experiment_free(&there);
    experiment_free(&here);
}

static void
the_learning_rate_grows_with_the_nodes(void **state)
{
    (void)state;
    experiment_t experiment;
    experiment_default(&experiment);
    assert_true(experiment_learning_rate(&experiment, 3) == 3 * 0.001);
    experiment.train.lr_scaling = LR_SCALING_SQRT;
    assert_true(fabs(experiment_learning_rate(&experiment, 4) - 0.002) < 1e-15);
    experiment.train.lr_scaling = LR_SCALING_NONE;
    assert_true(experiment_learning_rate(&experiment, 4) == 0.001);
    experiment_free(&experiment);
}

// Writes a file into the working folder of this test.
static void
write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void
an_included_file_keeps_its_own_lines(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_experiment.XXXXXX", before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    write_file("inner.cfg", "title = 3;\ntrain = {\n  epochs = 0;\n};\n");
    write_file("outer.cfg", "// first\n@include \"inner.cfg\"\nmatrix = {\n  nodes = 0;\n};\n");
    experiment_t experiment;
    diag_t *own = diag_new();
    assert_int_equal(spec_read_file("./outer.cfg", NULL, &experiment, own), -1);
    char *faults = diag_text(own);
    assert_string_equal(
        faults, "./outer.cfg:4: error: 'matrix.nodes' is 0; it takes integers from 1 to 10000 "
                "workers\n"
                "./inner.cfg:1: error: 'title' is 3; it takes a text\n"
                "./inner.cfg:3: error: 'train.epochs' is 0; it takes an integer from 1 to "
                "10000\n");
    free(faults);
    diag_free(own);
    unlink("inner.cfg");
    unlink("outer.cfg");
    assert_int_equal(chdir(before), 0);
    assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define READS(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        READS(what_is_not_written_has_its_default),
        READS(a_real_setting_takes_an_integer),
        READS(layers_become_the_engines_network),
        READS(an_override_replaces_what_stands_outside),
        READS(repeats_are_a_number_or_a_goal),
        READS(faults_of_a_goal_are_told),
        READS(claims_read_back_as_they_are_written),
        READS(faults_of_claims_are_told),
        READS(set_lies_over_the_file),
        READS(a_set_that_is_off_is_told),
        READS(what_the_matrix_varies_cannot_be_set),
        READS(a_text_includes_nothing),
        READS(every_fault_is_told_with_its_line),
        READS(an_integer_beyond_32_bits_is_not_cut),
        READS(what_has_no_end_is_told_at_its_beginning),
        READS(an_array_of_two_types_is_told_what_to_do),
        READS(a_setting_given_twice_is_refused),
        READS(a_matrix_that_says_nothing_is_refused),
        READS(a_role_needs_no_matrix),
        READS(axes_that_are_off_are_told),
        READS(zipped_axes_are_of_one_length),
        READS(rules_that_match_nothing_or_leave_nothing_are_told),
        READS(a_matrix_too_large_is_refused),
        READS(a_fraction_of_a_core_needs_a_limit),
        READS(more_workers_than_hosts_are_refused),
        READS(layers_that_are_off_are_told_by_line),
        READS(layers_that_do_not_fit_the_image_are_told_by_line),
        READS(expectations_are_read_and_checked),
        READS(the_text_reads_back_as_the_same_experiment),
        READS(the_hash_sees_the_meaning_alone),
        READS(how_many_cells_run_at_once_is_no_part_of_the_experiment),
        READS(differences_are_told_by_setting),
        READS(the_learning_rate_grows_with_the_nodes),
        READS(an_included_file_keeps_its_own_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
