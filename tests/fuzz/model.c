// Whatever a model file holds: its tensors fit the network, or a sentence says why not.
#include <stdint.h>
#include <stdlib.h>

#include "engine/model_file.h"
#include "engine/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static network_t *net;
    engine_error_t error = {{0}};
    if (!net) {
        network_spec_t spec = {.input = {1, 2, 2}, .classes = 2, .n_layers = 1};
        spec.layers[0] = (layer_spec_t){.kind = LAYER_DENSE, .outputs = 2};
        if (network_new(&net, &spec, 1, 1, &error) != 0)
            abort();
    }
    model_file_t *file = NULL;
    if (model_file_open_memory(&file, data, n, "fuzz", &error) == 0) {
        const char *text = model_file_get(file, "dmlx.network");
        network_spec_t spec;
        if (text)
            network_spec_decode(&spec, text, &error);
        for (int i = 0; i < model_file_metadata_count(file); i++)
            if (!model_file_metadata(file, i).key)
                abort();
        model_file_load(file, net, network_parameters(net), &error);
    } else if (!error.text[0]) {
        abort(); // refused without a word
    }
    model_file_close(&file);
    return 0;
}
