/* tests/unit/test_model_file.c - models written, read back, and refused. */
#include "engine/model_file.h"
#include "engine/rng.h"
#include "tests/support/folder.h"

#include <dirent.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static network_t *
new_net(int classes)
{
    network_spec_t spec = network_spec_lenet((image_shape_t){3, 32, 32}, classes);
    network_t *net = NULL;
    assert_int_equal(network_new(&net, &spec, 1, 1, NULL), 0);
    network_initialize(net, 11);
    return net;
}

static const model_metadata_t METADATA[] = {
    {"network", "{\"a\":1}"}, {"seed", "7"}, {"note", "d\xc3\xa9j\xc3\xa0 \"vu\""}};

static void
a_model_comes_back_bit_for_bit(void **state)
{
    (void)state;
    char path[FOLDER_PATH_BYTES];
    engine_error_t error = {""};
    network_t *net = new_net(10), *other = new_net(10);
    size_t bytes = network_parameter_count(net) * sizeof(float);
    memset(network_parameters(other), 0, bytes);
    network_parameters(net)[5] = -0.0f;
    path_in(path, "m.safetensors");
    assert_int_equal(model_file_write(path, net, network_parameters(net), METADATA, 3, &error), 0);
    model_file_t *file = NULL;
    assert_int_equal(model_file_open(&file, path, &error), 0);
    assert_string_equal(model_file_get(file, "network"), "{\"a\":1}");
    assert_string_equal(model_file_get(file, "note"), METADATA[2].value);
    assert_null(model_file_get(file, "absent"));
    assert_int_equal(model_file_metadata_count(file), 3);
    assert_string_equal(model_file_metadata(file, 1).key, "seed");
    assert_string_equal(model_file_metadata(file, 1).value, "7");
    assert_int_equal(model_file_load(file, other, network_parameters(other), &error), 0);
    assert_memory_equal(network_parameters(net), network_parameters(other), bytes);
    model_file_close(&file);
    assert_null(file);
    model_file_close(&file);
    network_free(&net);
    network_free(&other);
}

static void
the_layout_is_the_formats(void **state)
{
    (void)state;
    network_t *net = new_net(10);
    size_t bytes;
    uint8_t *data = model_file_encode(net, network_parameters(net), METADATA, 1, &bytes);
    size_t header = data[0] | (size_t)data[1] << 8;
    static const char START[] =
        "{\"__metadata__\":{\"network\":\"{\\\"a\\\":1}\"},\"conv1.weight\":{\"dtype\":\"F32\","
        "\"shape\":[6,3,5,5],\"data_offsets\":[0,1800]},";
    assert_int_equal(header % 8, 0);
    assert_int_equal(bytes, 8 + header + 62006 * 4);
    assert_memory_equal(data + 8, START, sizeof START - 1);
    assert_memory_equal(data + 8 + header, network_parameters(net),
                        62006 * 4); /* little endian here */
    free(data);
    network_free(&net);
}

static void
another_network_is_refused_naming_tensor_and_shapes(void **state)
{
    (void)state;
    char path[FOLDER_PATH_BYTES];
    engine_error_t error = {""};
    network_t *net = new_net(10), *other = new_net(7);
    path_in(path, "m");
    assert_int_equal(model_file_write(path, net, network_parameters(net), NULL, 0, &error), 0);
    model_file_t *file = NULL;
    assert_int_equal(model_file_open(&file, path, &error), 0);
    float before = network_parameters(other)[0];
    network_parameters(other)[0] = 99;
    assert_int_equal(model_file_load(file, other, network_parameters(other), &error),
                     ENGINE_MISMATCH);
    assert_non_null(strstr(error.text, "tensor 'fc3.weight' is (10, 84) there and (7, 84) here"));
    assert_true(network_parameters(other)[0] == 99 && before != 99);
    network_free(&other);
    network_spec_t mlp = {.input = {3, 32, 32},
                          .classes = 10,
                          .n_layers = 1,
                          .layers = {{.kind = LAYER_DENSE, .outputs = 10}}};
    assert_int_equal(network_new(&other, &mlp, 1, 1, NULL), 0);
    assert_int_equal(model_file_load(file, other, network_parameters(other), &error),
                     ENGINE_MISMATCH);
    assert_non_null(strstr(error.text, "tensor 'fc1.weight'"));
    mlp.layers[0].name[0] = 'z';
    network_free(&other);
    assert_int_equal(network_new(&other, &mlp, 1, 1, NULL), 0);
    assert_int_equal(model_file_load(file, other, network_parameters(other), &error),
                     ENGINE_MISMATCH);
    assert_non_null(strstr(error.text, "tensor 'z.weight' (10, 3072) is missing"));
    model_file_close(&file);
    network_free(&net);
    network_free(&other);
}

/* A file of this header and ROOM zero bytes after it. */
static int
open_header(const char *header, size_t room, engine_error_t *error)
{
    uint8_t data[1024] = {0};
    size_t length = strlen(header);
    data[0] = (uint8_t)length;
    data[1] = (uint8_t)(length >> 8);
    memcpy(data + 8, header, length);
    model_file_t *file = NULL;
    int status = model_file_open_memory(&file, data, 8 + length + room, "m", error);
    model_file_close(&file);
    return status;
}

static void
headers_that_lie_are_refused(void **state)
{
    (void)state;
#define TENSOR(shape, first, end)                                                                  \
    "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" first "," end "]}"
    static const struct {
        const char *header;
        size_t room;
        const char *message;
    } BAD[] = {
        {"{\"a\":" TENSOR("[2]", "0", "8") "}", 7, "cut short: tensor 'a' ends at byte"},
        {"{\"a\":" TENSOR("[2]", "0", "8") "}", 9, "1 bytes follow the last tensor"},
        {"{\"a\":" TENSOR("[3]", "0", "8") "}", 8, "the bytes of tensor 'a' do not fit its shape"},
        {"{\"a\":" TENSOR("[2]", "8", "0") "}", 8, "the bytes of tensor 'a' do not fit its shape"},
        {"{\"a\":" TENSOR("[2]", "-8", "0") "}", 8, "the bytes of tensor 'a' do not fit its shape"},
        {"{\"a\":" TENSOR("[-2]", "0", "8") "}", 8, "the shape of tensor 'a' makes no sense"},
        {"{\"a\":" TENSOR("[4611686018427387904,4]", "0", "8") "}", 8,
         "the shape of tensor 'a' makes no sense"},
        {"{\"a\":" TENSOR("[2]", "0", "8") ",\"b\":" TENSOR("[2]", "4", "12") "}", 12,
         "tensor 'b' overlaps the one before it"},
        {"{\"a\":" TENSOR("[2]", "0", "8") ",\"b\":" TENSOR("[2]", "12", "20") "}", 20,
         "tensor 'b' leaves a gap before it"},
        {"{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
         "entry of tensor 'a' makes no sense"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "entry of tensor 'a' makes no sense"},
        {"{\"a\":7}", 8, "entry of tensor 'a' makes no sense"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "a value of __metadata__ is no string"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is no object"},
        {"[]", 0, "its header is no JSON object"},
        {"{\"a\":", 0, "its header is no JSON object"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        engine_error_t error = {""};
        int status = open_header(BAD[i].header, BAD[i].room, &error);
        if (status != ENGINE_FORMAT || !strstr(error.text, BAD[i].message))
            fail_msg("case %zu: %d, %s", i, status, error.text);
    }
    engine_error_t error = {""};
    assert_int_equal(open_header("{\"a\":" TENSOR("[2]", "0", "8") "}  ", 8, &error), 0);
    assert_int_equal(open_header("{}", 0, &error), 0);
}

static void
what_is_no_model_at_all_is_refused(void **state)
{
    (void)state;
    char path[FOLDER_PATH_BYTES];
    engine_error_t error = {""};
    model_file_t *file = NULL;
    path_in(path, "m");
    assert_int_equal(model_file_open(&file, path, &error), ENGINE_IO);
    assert_non_null(strstr(error.text, "cannot open the model"));
    assert_int_equal(model_file_open(&file, folder, &error), ENGINE_FORMAT);
    write_bytes("m", "short", 5);
    assert_int_equal(model_file_open(&file, path, &error), ENGINE_FORMAT);
    assert_non_null(strstr(error.text, "less than 8 bytes"));
    write_bytes("m", "this is a letter, not a model", 29);
    assert_int_equal(model_file_open(&file, path, &error), ENGINE_FORMAT);
    assert_non_null(strstr(error.text, "its header would have"));
    write_bytes("m", "\x30\0\0\0\0\0\0\0{}", 10);
    assert_int_equal(model_file_open(&file, path, &error), ENGINE_FORMAT);
    assert_non_null(strstr(error.text, "its header should have 48 bytes, 2 are there"));
    assert_null(file);
}

/* Every cut of a whole model, and every one of some flipped bytes, is refused or read; nothing
 * worse happens. */
static void
no_damage_gets_past_the_checks(void **state)
{
    (void)state;
    network_t *net = new_net(10);
    size_t bytes;
    uint8_t *data = model_file_encode(net, network_parameters(net), METADATA, 2, &bytes);
    float *block = engine_alloc(network_parameter_count(net) * sizeof(float));
    rng_t rng;
    rng_seed(&rng, 1, RNG_WEIGHTS, 0);
    for (int i = 0; i < 3000; i++) {
        model_file_t *file = NULL;
        engine_error_t error;
        if (i < 1000) {
            assert_int_equal(
                model_file_open_memory(&file, data, bytes - 1 - (size_t)(i * 248), "m", &error),
                ENGINE_FORMAT);
            continue;
        }
        size_t at = rng_below(&rng, 900);
        uint8_t kept = data[at];
        data[at] ^= (uint8_t)(1 << rng_below(&rng, 8));
        if (model_file_open_memory(&file, data, bytes, "m", &error) == 0)
            (void)model_file_load(file, net, block, &error);
        model_file_close(&file);
        data[at] = kept;
    }
    free(data);
    free(block);
    network_free(&net);
}

static void
a_file_that_cannot_be_written_leaves_the_old_one(void **state)
{
    (void)state;
    char path[FOLDER_PATH_BYTES];
    engine_error_t error = {""};
    network_t *net = new_net(10);
    assert_int_equal(model_file_write("/nowhere/m", net, network_parameters(net), NULL, 0, &error),
                     ENGINE_IO);
    assert_non_null(strstr(error.text, "No such file or directory"));
    /* The target is a folder with something in it: the rename fails, and nothing is left aside. */
    path_in(path, "m");
    assert_int_equal(model_file_write(folder, net, network_parameters(net), NULL, 0, &error),
                     ENGINE_IO);
    DIR *parent = opendir("/tmp");
    for (struct dirent *entry; (entry = readdir(parent));)
        assert_false(strncmp(entry->d_name, folder + 5, strlen(folder) - 5) == 0 &&
                     strstr(entry->d_name, ".tmp"));
    closedir(parent);
    network_free(&net);
}

static void
the_hash_is_sha256_of_the_parameters(void **state)
{
    (void)state;
    network_spec_t spec = {.input = {1, 1, 1},
                           .classes = 2,
                           .n_layers = 1,
                           .layers = {{.kind = LAYER_DENSE, .outputs = 2}}};
    network_t *net = NULL;
    char hex[MODEL_HASH_BYTES];
    const float block[4] = {1, -1, 0.5f, 0};
    assert_int_equal(network_new(&net, &spec, 1, 1, NULL), 0);
    model_hash(net, block, hex);
    /* printf '\0\0\200\77\0\0\200\277\0\0\0\77\0\0\0\0' | sha256sum */
    assert_string_equal(hex, "e46e2c548e915d8bfd83817e6d064e8566f5497099441516b6272f3490f0cbaf");
    network_free(&net);
}

static void
pytorchs_counter_of_batches_is_ignored(void **state)
{
    (void)state;
    network_spec_t spec = {
        .input = {1, 1, 1},
        .classes = 2,
        .n_layers = 2,
        .layers = {{.kind = LAYER_BATCH_NORM}, {.kind = LAYER_DENSE, .outputs = 2}}};
    network_t *net = NULL;
    engine_error_t error = {""};
    assert_int_equal(network_new(&net, &spec, 1, 1, NULL), 0);
    size_t bytes;
    uint8_t *data = model_file_encode(net, network_parameters(net), NULL, 0, &bytes);
    size_t header = data[0] | (size_t)data[1] << 8, used = header;
    while (data[8 + used - 1] != '}')
        used--;
    char text[1024];
    /* The eight floats take 32 bytes. */
    snprintf(text, sizeof text,
             "%.*s,\"bn1.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":["
             "32,40]}}",
             (int)used - 1, (const char *)data + 8);
    size_t length = strlen(text);
    uint8_t whole[2048] = {0};
    whole[0] = (uint8_t)length;
    whole[1] = (uint8_t)(length >> 8);
    memcpy(whole + 8, text, length);
    model_file_t *file = NULL;
    if (model_file_open_memory(&file, whole, 8 + length + 40, "m", &error) ||
        model_file_load(file, net, network_parameters(net), &error))
        fail_msg("%s", error.text);
    model_file_close(&file);
    free(data);
    network_free(&net);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_model_comes_back_bit_for_bit, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_layout_is_the_formats, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(another_network_is_refused_naming_tensor_and_shapes,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(headers_that_lie_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_no_model_at_all_is_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(no_damage_gets_past_the_checks, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_written_leaves_the_old_one,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_hash_is_sha256_of_the_parameters, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(pytorchs_counter_of_batches_is_ignored, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
