/* tests/unit/test_spec.c - specifications: what fits together, what does not, and the message. */
#include "engine/network.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static network_spec_t
dense_net(void)
{
    return (network_spec_t){.input = {1, 8, 8},
                            .classes = 2,
                            .n_layers = 1,
                            .layers = {{.kind = LAYER_DENSE, .outputs = 2}}};
}

static network_spec_t
net_with(layer_spec_t layer)
{
    network_spec_t spec = dense_net();
    spec.layers[1] = spec.layers[0];
    spec.layers[0] = layer;
    spec.n_layers = 2;
    return spec;
}

static void
refuse(network_spec_t spec, const char *message)
{
    engine_error_t error = {""};
    assert_int_equal(network_spec_check(&spec, &error), ENGINE_SPEC);
    assert_string_equal(error.text, message);
}

static void
lists_that_do_not_fit_are_refused_by_name_of_the_layer(void **state)
{
    (void)state;
    refuse(
        net_with((layer_spec_t){.kind = LAYER_CONV, .outputs = 1, .kernel = 9}),
        "layer 1 (conv): a kernel of 9 does not fit its input of 8x8 (padding 0); take a smaller "
        "kernel or fewer layers before it");
    refuse(net_with((layer_spec_t){.kind = LAYER_CONV, .outputs = 0, .kernel = 3}),
           "layer 1 (conv): 0 outputs, which must be 1 to 1048576");
    refuse(
        net_with((layer_spec_t){.kind = LAYER_MAX_POOL, .kernel = 0}),
        "layer 1 (max_pool): kernel 0, stride 0 and padding 0 cannot be; kernel and stride start "
        "at 1, padding at 0");
    refuse(net_with((layer_spec_t){.kind = LAYER_MAX_POOL, .kernel = 2, .padding = 2}),
           "layer 1 (max_pool): padding 2 is more than half the kernel of 2");
    refuse(net_with((layer_spec_t){.kind = LAYER_DROPOUT, .rate = 1}),
           "layer 1 (dropout): a rate of 1, which must be at least 0 and below 1");
    refuse(net_with((layer_spec_t){.kind = 99}), "layer 1 is of no known kind (99)");
}

static void
the_last_layer_must_tell_the_classes_apart(void **state)
{
    (void)state;
    network_spec_t spec = dense_net();
    spec.classes = 10;
    refuse(spec, "layer 1 (dense) is the last and has 2 outputs, but there are 10 classes; give it "
                 "one output a class");
    spec = dense_net();
    spec.layers[spec.n_layers++] = (layer_spec_t){.kind = LAYER_RELU};
    refuse(spec,
           "layer 2 (relu) is the last; the last must be a dense layer with one output a class");
    spec = dense_net();
    spec.n_layers = 0;
    refuse(spec, "0 layers, which must be 1 to 64");
    spec = dense_net();
    spec.input.width = 0;
    refuse(spec, "an input of 1x8x0 cannot be");
    spec = dense_net();
    spec.classes = 1;
    refuse(spec, "1 classes, which must be 2 to 256");
}

static void
two_layers_of_one_name_are_refused(void **state)
{
    (void)state;
    network_spec_t spec =
        net_with((layer_spec_t){.kind = LAYER_DENSE, .outputs = 5, .name = "fc2"});
    refuse(spec, "layers 1 and 2 are both named 'fc2'");
}

static void
sizes_that_would_fill_memory_are_refused(void **state)
{
    (void)state;
    network_spec_t spec =
        net_with((layer_spec_t){.kind = LAYER_CONV, .outputs = 1 << 20, .kernel = 1});
    engine_error_t error;
    spec.input = (image_shape_t){1, 30000, 30000};
    assert_int_equal(network_spec_check(&spec, &error), ENGINE_SPEC);
    spec.input = (image_shape_t){1, 4000, 4000};
    assert_int_equal(network_spec_check(&spec, &error), ENGINE_SPEC);
    spec = net_with((layer_spec_t){.kind = LAYER_DENSE, .outputs = 1 << 20});
    spec.input = (image_shape_t){1, 100, 100};
    assert_int_equal(network_spec_check(&spec, &error), ENGINE_SPEC);
}

static void
tensors_have_pytorchs_names_and_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int dims[4];
        size_t offset;
    } EXPECTED[] = {
        {"conv1.weight", {6, 3, 5, 5}, 0},    {"conv1.bias", {6}, 450},
        {"conv2.weight", {16, 6, 5, 5}, 456}, {"conv2.bias", {16}, 2856},
        {"fc1.weight", {120, 400}, 2872},     {"fc1.bias", {120}, 50872},
        {"fc2.weight", {84, 120}, 50992},     {"fc2.bias", {84}, 61072},
        {"fc3.weight", {10, 84}, 61156},      {"fc3.bias", {10}, 61996},
    };
    network_spec_t spec = network_spec_lenet((image_shape_t){3, 32, 32}, 10);
    network_t *net = NULL;
    assert_int_equal(network_new(&net, &spec, 1, 1, NULL), 0);
    assert_int_equal(network_tensor_count(net), 10);
    assert_int_equal(network_parameter_count(net), 62006);
    for (int t = 0; t < 10; t++) {
        const tensor_view_t *tensor = network_tensor(net, EXPECTED[t].name);
        assert_ptr_equal(tensor, &network_tensors(net)[t]);
        assert_memory_equal(tensor->dims, EXPECTED[t].dims, sizeof tensor->dims);
        assert_int_equal(tensor->offset, EXPECTED[t].offset);
    }
    assert_null(network_tensor(net, "fc4.weight"));
    network_free(&net);
    assert_null(net);
    network_free(&net);
}

static void
initial_weights_fill_pytorchs_interval(void **state)
{
    (void)state;
    network_spec_t spec = network_spec_lenet((image_shape_t){3, 32, 32}, 10);
    network_t *net = NULL;
    assert_int_equal(network_new(&net, &spec, 1, 1, NULL), 0);
    network_initialize(net, 3);
    const tensor_view_t *tensor = network_tensor(net, "fc1.weight");
    const float *w = network_parameters(net) + tensor->offset;
    float low = 0, high = 0;
    double sum = 0;
    for (size_t i = 0; i < tensor->count; i++) {
        low = w[i] < low ? w[i] : low;
        high = w[i] > high ? w[i] : high;
        sum += (double)w[i];
    }
    assert_true(low >= -0.05f && low < -0.0499f); /* 1/sqrt(400) */
    assert_true(high <= 0.05f && high > 0.0499f);
    assert_true(sum / (double)tensor->count < 5e-4 && sum / (double)tensor->count > -5e-4);
    float first = network_parameters(net)[0];
    network_initialize(net, 4);
    assert_true(network_parameters(net)[0] != first);
    network_initialize(net, 3);
    assert_true(network_parameters(net)[0] == first);
    network_free(&net);
}

static void
a_specification_survives_its_text(void **state)
{
    (void)state;
    network_spec_t spec = network_spec_lenet((image_shape_t){3, 32, 32}, 10), back;
    spec.layers[1] = (layer_spec_t){.kind = LAYER_DROPOUT, .rate = 0.25f, .name = "d"};
    spec.layers[0].stride = 2;
    spec.layers[0].padding = 3;
    char *text = network_spec_encode(&spec);
    engine_error_t error = {""};
    assert_int_equal(network_spec_decode(&back, text, &error), 0);
    char *again = network_spec_encode(&back);
    assert_string_equal(text, again);
    assert_true(back.layers[1].rate == 0.25f);
    free(text);
    free(again);
}

static void
a_text_that_is_no_specification_is_refused(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "",
        "{}",
        "[1]",
        "{\"input\":[1,2],\"classes\":2,\"layers\":[]}",
        "{\"input\":[1,8,8],\"classes\":2,\"layers\":[]}",
        "{\"input\":[1,8,8],\"classes\":2,\"layers\":[{\"kind\":\"magic\"}]}",
        "{\"input\":[1,8,8],\"classes\":2,\"layers\":[{\"kind\":\"dense\",\"outputs\":3}]}",
        "{\"input\":[1,8,8],\"classes\":2,\"layers\":[{\"kind\":\"dense\",\"outputs\":2,\"x\":1}]}",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        network_spec_t spec = {.classes = 77};
        engine_error_t error = {""};
        assert_true(network_spec_decode(&spec, TEXTS[i], &error) < 0);
        assert_true(error.text[0] != '\0');
        assert_int_equal(spec.classes, 77);
    }
}

static void
kinds_are_known_by_name(void **state)
{
    (void)state;
    assert_int_equal(layer_kind_from_name("max_pool"), LAYER_MAX_POOL);
    assert_int_equal(layer_kind_from_name("softmax"), 0);
    assert_string_equal(layer_kind_name(LAYER_BATCH_NORM), "batch_norm");
    assert_null(layer_kind_name(0));
}

static void
an_unknown_instruction_set_is_refused(void **state)
{
    (void)state;
    network_spec_t spec = dense_net();
    network_t *net = NULL;
    engine_error_t error = {""};
    const char *before = getenv("DMLX_ISA");
    char kept[32] = "";
    snprintf(kept, sizeof kept, "%s", before ? before : "");
    setenv("DMLX_ISA", "mmx", 1);
    assert_int_equal(network_new(&net, &spec, 1, 1, &error), ENGINE_SPEC);
    assert_non_null(strstr(error.text, "DMLX_ISA is 'mmx'"));
    assert_null(net);
    setenv("DMLX_ISA", kept, 1);
    assert_int_equal(network_new(&net, &spec, -1, 1, &error), ENGINE_SPEC);
    assert_int_equal(network_new(&net, &spec, 1, 0, &error), ENGINE_SPEC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_that_do_not_fit_are_refused_by_name_of_the_layer),
        cmocka_unit_test(the_last_layer_must_tell_the_classes_apart),
        cmocka_unit_test(two_layers_of_one_name_are_refused),
        cmocka_unit_test(sizes_that_would_fill_memory_are_refused),
        cmocka_unit_test(tensors_have_pytorchs_names_and_shapes),
        cmocka_unit_test(initial_weights_fill_pytorchs_interval),
        cmocka_unit_test(a_specification_survives_its_text),
        cmocka_unit_test(a_text_that_is_no_specification_is_refused),
        cmocka_unit_test(kinds_are_known_by_name),
        cmocka_unit_test(an_unknown_instruction_set_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
