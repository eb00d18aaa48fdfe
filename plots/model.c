#include "plots/model.h"

#include <math.h>
#include <string.h>

// ---- the two regressions of the paper's figure 10 ----

static void
line_basis(const model_place_t *at, double *terms)
{
    const double x = at->x;
    terms[0] = 1.0;
    terms[1] = x;
}

static void
as_they_are(const double *coefficients, double *parameters)
{
    parameters[0] = coefficients[0];
    parameters[1] = coefficients[1];
}

static void
line_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g %s %.4g x", c[0], c[1] < 0.0 ? "−" : "+", fabs(c[1]));
}

static void
exponential_derive(const double *coefficients, double *parameters)
{
    parameters[0] = exp(coefficients[0]);
    parameters[1] = coefficients[1];
}

static void
exponential_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g exp(%s%.4g x)", exp(c[0]), c[1] < 0.0 ? "−" : "", fabs(c[1]));
}

// ---- laws of scaling, as times: what one host needs, divided, and what does not divide ----

static void
amdahl_basis(const model_place_t *at, double *terms)
{
    const double x = at->x;
    terms[0] = 1.0;
    terms[1] = 1.0 / x;
}

static void
amdahl_derive(const double *c, double *parameters)
{
    parameters[0] = c[0] + c[1];
    parameters[1] = c[0] / (c[0] + c[1]);
}

static void
amdahl_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g + %.4g / x", c[0], c[1]);
}

// Work of which a share costs less the smaller it is: it fits a cache, or a CPU limit lends each
// round what it saved up in the wait before. What it saves has an end, so nothing turns negative.
static void
saving_basis(const model_place_t *at, double *terms)
{
    const double x = at->x;
    terms[0] = 1.0 / x;
    terms[1] = 1.0 / (x * x);
}

static void
saving_derive(const double *c, double *parameters)
{
    parameters[0] = c[0] + c[1];
    parameters[1] = c[1] / (c[0] + c[1]);
}

static void
saving_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g / x + %.4g / x²", c[0], c[1]);
}

// Gunther: y = T1 (1 + σ(x − 1) + κx(x − 1)) / x = T1 (1 − σ)/x + T1 σ + T1 κ (x − 1).
static void
usl_basis(const model_place_t *at, double *terms)
{
    const double x = at->x;
    terms[0] = 1.0 / x;
    terms[1] = 1.0;
    terms[2] = x - 1.0;
}

static void
usl_derive(const double *c, double *parameters)
{
    const double t1 = c[0] + c[1];
    parameters[0] = t1;
    parameters[1] = c[1] / t1;
    parameters[2] = c[2] / t1;
}

static void
usl_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g / x + %.4g + %.4g (x − 1)", c[0], c[1], c[2]);
}

// Ernest (Venkataraman and others, NSDI 2016): a fixed cost, the work divided, a tree's depth, a
// cost a machine. Its divided term is size/machines; all points of a fit were trained on as many
// samples, so 1/x stands for it and the size is a part of its coefficient.
static void
ernest_basis(const model_place_t *at, double *terms)
{
    const double x = at->x;
    terms[0] = 1.0;
    terms[1] = 1.0 / x;
    terms[2] = log(x);
    terms[3] = x;
}

static void
ernest_derive(const double *c, double *parameters)
{
    for (size_t i = 0; i < 4; i++)
        parameters[i] = c[i];
}

static void
ernest_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g + %.4g / x + %.4g log x + %.4g x", c[0], c[1], c[2], c[3]);
}

// ---- coordination: what n workers cost that one does not have ----

// The same for any number of workers: what each does at its end of a round, all at once. That it
// does not grow is a claim that two sizes cannot be held against.
static void
latency_basis(const model_place_t *at, double *terms)
{
    (void)at;
    terms[0] = 1.0;
}

static void
one_as_it_is(const double *c, double *parameters)
{
    parameters[0] = c[0];
}

static void
latency_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g", c[0]);
}

// A time to begin, whatever n is, and one transfer a worker through the coordinator's link
// (Hockney: latency and bandwidth). Workers are nodes, whatever their cores.
static void
communication_basis(const model_place_t *at, double *terms)
{
    terms[0] = 1.0;
    terms[1] = at->nodes;
}

static void
communication_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g + %.4g nodes", c[0], c[1]);
}

// The same with waiting for the slowest of n, whose expectation grows about as the logarithm of n.
static void
straggler_basis(const model_place_t *at, double *terms)
{
    terms[0] = log(at->nodes);
    terms[1] = at->nodes - 1.0;
}

static void
straggler_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g log nodes + %.4g (nodes − 1)", c[0], c[1]);
}

// ---- nodes and cores at once ----

// The paper's regressions, with a slope for each.
static void
plane_basis(const model_place_t *at, double *terms)
{
    terms[0] = 1.0;
    terms[1] = at->nodes;
    terms[2] = at->cores;
}

static void
plane_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g %s %.4g nodes %s %.4g cores", c[0], c[1] < 0.0 ? "−" : "+",
              fabs(c[1]), c[2] < 0.0 ? "−" : "+", fabs(c[2]));
}

static void
exponential_plane_derive(const double *c, double *parameters)
{
    parameters[0] = exp(c[0]);
    parameters[1] = c[1];
    parameters[2] = c[2];
}

static void
exponential_plane_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g exp(%s%.4g nodes %s %.4g cores)", exp(c[0]), c[1] < 0.0 ? "−" : "",
              fabs(c[1]), c[2] < 0.0 ? "−" : "+", fabs(c[2]));
}

// What no machine divides, what a node does once whatever its cores are, and what all cores share.
static void
work_grid_basis(const model_place_t *at, double *terms)
{
    terms[0] = 1.0;
    terms[1] = 1.0 / at->nodes;
    terms[2] = 1.0 / at->cores;
}

static void
three_as_they_are(const double *c, double *parameters)
{
    for (size_t i = 0; i < 3; i++)
        parameters[i] = c[i];
}

// Put together by fit_rounds, from the parts of a round.
static void
rounds_basis(const model_place_t *at, double *terms)
{
    terms[0] = 1.0;
    terms[1] = at->x;
    terms[2] = log(at->x);
}

static void
rounds_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g + %.4g nodes + %.4g log nodes", c[0], c[1], c[2]);
}

static void
work_grid_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g + %.4g / nodes + %.4g / cores", c[0], c[1], c[2]);
}

// Gunther's law where what is divided is divided by all cores, and what costs coherence is nodes.
static void
usl_grid_basis(const model_place_t *at, double *terms)
{
    terms[0] = 1.0 / at->cores;
    terms[1] = 1.0;
    terms[2] = at->nodes - 1.0;
}

static void
usl_grid_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g / cores + %.4g + %.4g (nodes − 1)", c[0], c[1], c[2]);
}

// Ernest's terms: machines are nodes, what is divided is divided by their cores.
static void
ernest_grid_basis(const model_place_t *at, double *terms)
{
    terms[0] = 1.0;
    terms[1] = 1.0 / at->cores;
    terms[2] = log(at->nodes);
    terms[3] = at->nodes;
}

static void
ernest_grid_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g + %.4g / cores + %.4g log nodes + %.4g nodes", c[0], c[1], c[2],
              c[3]);
}

// Coordination is slower where a node has less of a core to do it with: the last term is in nodes a
// core.
static void
overhead_grid_basis(const model_place_t *at, double *terms)
{
    terms[0] = 1.0;
    terms[1] = at->nodes;
    terms[2] = at->nodes / at->cores;
}

static void
overhead_grid_equation(const double *c, draft_t *draft)
{
    draft_add(draft, "y = %.4g + %.4g nodes + %.4g nodes / cores", c[0], c[1], c[2]);
}

static const model_t MODELS[] = {
    {.name = "linear",
     .formula = "y = a + b x",
     .source = "regression of the paper's figure 10",
     .n_terms = 2,
     .parameters = {"intercept", "slope"},
     .basis = line_basis,
     .derive = as_they_are,
     .equation = line_equation},
    {.name = "exponential",
     .formula = "y = a exp(b x), fitted to log y",
     .source = "regression of the paper's figure 10",
     .n_terms = 2,
     .parameters = {"factor", "rate"},
     .is_logarithmic = true,
     .basis = line_basis,
     .derive = exponential_derive,
     .equation = exponential_equation},
    {.name = "amdahl",
     .formula = "y = T1 (s + (1 − s)/x)",
     .source = "Amdahl, 1967",
     .n_terms = 2,
     .parameters = {"t1_s", "serial_share"},
     .is_nonnegative = true,
     .is_relative = true,
     .basis = amdahl_basis,
     .derive = amdahl_derive,
     .equation = amdahl_equation},
    {.name = "saving",
     .formula = "y = T1 ((1 − s)/x + s/x²)",
     .source = "shares that cost less the smaller they are",
     .n_terms = 2,
     .parameters = {"t1_s", "saved_share"},
     .is_nonnegative = true,
     .is_relative = true,
     .basis = saving_basis,
     .derive = saving_derive,
     .equation = saving_equation},
    {.name = "usl",
     .formula = "y = T1 (1 + σ(x − 1) + κ x (x − 1))/x",
     .source = "Gunther's Universal Scalability Law",
     .n_terms = 3,
     .parameters = {"t1_s", "contention", "coherency"},
     .is_nonnegative = true,
     .is_relative = true,
     .basis = usl_basis,
     .derive = usl_derive,
     .equation = usl_equation},
    {.name = "ernest",
     .formula = "y = a + b/x + c log x + d x",
     .source = "Ernest, NSDI 2016; the size of the data is constant, so 1/x stands for size/x",
     .n_terms = 4,
     .parameters = {"fixed_s", "divided_s", "tree_s", "each_s"},
     .is_nonnegative = true,
     .is_relative = true,
     .basis = ernest_basis,
     .derive = ernest_derive,
     .equation = ernest_equation},
    {.name = "latency",
     .formula = "y = latency, nodes > 1",
     .source = "Hockney, with transfers that hide behind each other",
     .n_terms = 1,
     .least_sizes = 3,
     .parameters = {"latency_s"},
     .is_nonnegative = true,
     .is_relative = true,
     .needs_company = true,
     .basis = latency_basis,
     .derive = one_as_it_is,
     .equation = latency_equation},
    {.name = "communication",
     .formula = "y = latency + transfer nodes, nodes > 1",
     .source = "Hockney",
     .n_terms = 2,
     .parameters = {"latency_s", "transfer_s"},
     .is_nonnegative = true,
     .is_relative = true,
     .needs_company = true,
     .basis = communication_basis,
     .derive = as_they_are,
     .equation = communication_equation},
    {.name = "straggler",
     .formula = "y = waiting log nodes + transfer (nodes − 1)",
     .source = "expected maximum of x workers, and one transfer each",
     .n_terms = 2,
     .parameters = {"waiting_s", "transfer_s"},
     .is_nonnegative = true,
     .is_relative = true,
     .needs_company = true,
     .basis = straggler_basis,
     .derive = as_they_are,
     .equation = straggler_equation},
    {.name = "rounds",
     .formula = "y = latency + transfer nodes + waiting log nodes, nodes > 1",
     .source = "Hockney and stragglers, each from its part of the rounds",
     .n_terms = 3,
     .parameters = {"latency_s", "transfer_s", "waiting_s"},
     .is_relative = true,
     .needs_company = true,
     .basis = rounds_basis,
     .derive = three_as_they_are,
     .equation = rounds_equation},
    {.name = "linear_grid",
     .formula = "y = a + b nodes + c cores",
     .source = "regression of the paper's figure 10, over both",
     .n_terms = 3,
     .parameters = {"intercept", "slope_nodes", "slope_cores"},
     .basis = plane_basis,
     .derive = three_as_they_are,
     .equation = plane_equation},
    {.name = "exponential_grid",
     .formula = "y = a exp(b nodes + c cores), fitted to log y",
     .source = "regression of the paper's figure 10, over both",
     .n_terms = 3,
     .parameters = {"factor", "rate_nodes", "rate_cores"},
     .is_logarithmic = true,
     .basis = plane_basis,
     .derive = exponential_plane_derive,
     .equation = exponential_plane_equation},
    {.name = "usl_grid",
     .formula = "y = T1 (σ + (1 − σ)/cores + κ (nodes − 1))",
     .source = "Gunther's Universal Scalability Law, over both",
     .n_terms = 3,
     .parameters = {"t1_s", "contention", "coherency"},
     .is_nonnegative = true,
     .is_relative = true,
     .basis = usl_grid_basis,
     .derive = usl_derive,
     .equation = usl_grid_equation},
    {.name = "ernest_grid",
     .formula = "y = a + b/cores + c log nodes + d nodes",
     .source = "Ernest, NSDI 2016, over both; 1/cores stands for size/cores",
     .n_terms = 4,
     .parameters = {"fixed_s", "divided_s", "tree_s", "each_s"},
     .is_nonnegative = true,
     .is_relative = true,
     .basis = ernest_grid_basis,
     .derive = ernest_derive,
     .equation = ernest_grid_equation},
    {.name = "work_grid",
     .formula = "y = a + b/nodes + c/cores",
     .source = "Amdahl's law within a node and across nodes",
     .n_terms = 3,
     .parameters = {"serial_s", "node_s", "divided_s"},
     .is_nonnegative = true,
     .is_relative = true,
     .basis = work_grid_basis,
     .derive = three_as_they_are,
     .equation = work_grid_equation},
    {.name = "overhead_grid",
     .formula = "y = latency + transfer nodes + throttled nodes/cores, nodes > 1",
     .source = "Hockney, with nodes that have less than a core to communicate with",
     .n_terms = 3,
     .parameters = {"latency_s", "transfer_s", "throttled_s"},
     .is_nonnegative = true,
     .is_relative = true,
     .needs_company = true,
     .basis = overhead_grid_basis,
     .derive = three_as_they_are,
     .equation = overhead_grid_equation},
};

const model_t *
model_at(size_t index)
{
    return index < sizeof MODELS / sizeof *MODELS ? &MODELS[index] : NULL;
}

const model_t *
model_named(const char *name)
{
    for (size_t i = 0; model_at(i) != NULL; i++) {
        if (strcmp(model_at(i)->name, name) == 0)
            return model_at(i);
    }
    return NULL;
}

double
model_value_of(const model_t *model, const double *coefficients, const double *terms)
{
    double sum = 0.0;
    for (size_t i = 0; i < model->n_terms; i++)
        sum += coefficients[i] * terms[i];
    return model->is_logarithmic ? exp(sum) : sum;
}

double
model_value_at(const model_t *model, const double *coefficients, const model_place_t *at)
{
    double terms[MODEL_TERMS_MAX];
    model->basis(at, terms);
    return model_value_of(model, coefficients, terms);
}

double
model_value(const model_t *model, const double *coefficients, double x)
{
    return model_value_at(model, coefficients, &(model_place_t){x, x, x});
}
