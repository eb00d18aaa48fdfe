#include "runner/claim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/results.h"
#include "runner/memory.h"
#include "runner/suggest.h"

static const char *const kinds[] = {"flat", "diminishing", "further", "expected", NULL};
static const char *const axes[] = {"nodes", "cores", NULL};
static const char *const members[] = {"name",      "kind",   "quantity", "over",
                                      "tolerance", "source", NULL};

static void
replace(char **text, const char *by)
{
    free(*text);
    *text = memory_text(by);
}

// A word of a list, or an error that tells the list.
static void
read_word(const tree_t *member, const char *const *words, char **word, diag_t *diag)
{
    for (int i = 0; member->kind == TREE_TEXT && words[i]; i++)
        if (strcmp(words[i], member->text) == 0) {
            replace(word, member->text);
            return;
        }
    text_t text = {0};
    for (int i = 0; words[i]; i++)
        text_add(&text, "%s%s", i ? ", " : "", words[i]);
    char *list = text_take(&text);
    diag_error(diag, member->place, "'%s' of 'claim' takes one of %s", member->name, list);
    free(list);
}

static void
read_sentence(const tree_t *member, char **text, diag_t *diag)
{
    if (member->kind == TREE_TEXT && member->text[0] && strlen(member->text) <= SETTING_TEXT_MAX)
        replace(text, member->text);
    else
        diag_error(diag, member->place, "'%s' of 'claim' takes a text", member->name);
}

static void
read_member(const tree_t *member, claim_t *claim, diag_t *diag)
{
    const char *quantities[N_QUANTITIES + 1] = {NULL};
    for (quantity_t q = 0; q < N_QUANTITIES; q++)
        quantities[q] = quantity_name(q);
    bool is_number = member->kind == TREE_INTEGER || member->kind == TREE_REAL;
    const char *near = suggest_nearest(member->name, members);
    if (strcmp(member->name, "name") == 0)
        read_sentence(member, &claim->name, diag);
    else if (strcmp(member->name, "source") == 0)
        read_sentence(member, &claim->source, diag);
    else if (strcmp(member->name, "kind") == 0)
        read_word(member, kinds, &claim->kind, diag);
    else if (strcmp(member->name, "quantity") == 0)
        read_word(member, quantities, &claim->quantity, diag);
    else if (strcmp(member->name, "over") == 0)
        read_word(member, axes, &claim->over, diag);
    else if (strcmp(member->name, "tolerance") == 0 && is_number && member->real > 0)
        claim->tolerance = member->real;
    else if (strcmp(member->name, "tolerance") == 0)
        diag_error(diag, member->place, "'tolerance' of 'claim' takes a number over 0");
    else if (near)
        diag_error(diag, member->place, "'claim' has no '%.100s'; did you mean '%s'?", member->name,
                   near);
    else
        diag_error(diag, member->place,
                   "'claim' has no '%.100s'; 'dmlx help settings claim' lists what it has",
                   member->name);
}

static void
read_row(const tree_t *group, claim_t *claim, diag_t *diag)
{
    *claim = (claim_t){.name = memory_text(""),
                       .kind = memory_text(""),
                       .quantity = memory_text(""),
                       .over = memory_text("nodes"),
                       .tolerance = NAN,
                       .source = memory_text(""),
                       .place = group->place};
    size_t n_errors = diag_n_errors(diag);
    for (size_t i = 0; group->kind == TREE_GROUP && i < group->n_children; i++)
        read_member(&group->children[i], claim, diag);
    if (diag_n_errors(diag) > n_errors)
        return;
    if (!claim->name[0] || !claim->kind[0])
        diag_error(diag, group->place,
                   "'claim' takes groups with a name and a kind: ( { name = \"…\"; kind = "
                   "\"diminishing\"; over = \"nodes\"; } )");
    else if (strcmp(claim->kind, "flat") == 0 && (!claim->quantity[0] || isnan(claim->tolerance)))
        diag_error(diag, group->place,
                   "a claim of kind \"flat\" wants a quantity and a tolerance: quantity = "
                   "\"accuracy\"; tolerance = 0.01;");
}

void
claim_read(const tree_t *list, experiment_t *experiment, diag_t *diag)
{
    if (list->kind != TREE_LIST) {
        setting_refuse(setting_find("claim"), list, diag);
        return;
    }
    if (list->n_children > SPEC_RULES_MAX) {
        diag_error(diag, list->place, "'claim' has %zu groups; at most %d are taken",
                   list->n_children, SPEC_RULES_MAX);
        return;
    }
    claim_free(experiment->claims, experiment->n_claims);
    experiment->n_claims = list->n_children;
    experiment->claims = memory_new(list->n_children * sizeof *experiment->claims);
    for (size_t i = 0; i < list->n_children; i++)
        read_row(&list->children[i], &experiment->claims[i], diag);
}

void
claim_add_text(text_t *text, const claim_t *claims, size_t n_claims)
{
    if (n_claims == 0)
        return;
    text_add(text, "claim = (\n");
    for (size_t i = 0; i < n_claims; i++) {
        const claim_t *claim = &claims[i];
        text_add(text, "  { name = ");
        text_add_quoted(text, claim->name);
        text_add(text, "; kind = \"%s\"; over = \"%s\"", claim->kind, claim->over);
        if (claim->quantity[0])
            text_add(text, "; quantity = \"%s\"", claim->quantity);
        if (!isnan(claim->tolerance)) {
            text_add(text, "; tolerance = ");
            text_add_short(text, claim->tolerance);
        }
        if (claim->source[0]) {
            text_add(text, "; source = ");
            text_add_quoted(text, claim->source);
        }
        text_add(text, "; }%s\n", i + 1 < n_claims ? "," : "");
    }
    text_add(text, ");\n");
}

void
claim_csv(const claim_t *claims, size_t n_claims, draft_t *draft)
{
    draft_add(draft, "claim,kind,quantity,over,tolerance,source\n");
    for (size_t i = 0; i < n_claims; i++) {
        csv_add_text(draft, claims[i].name);
        draft_add(draft, ",%s,%s,%s,", claims[i].kind, claims[i].quantity, claims[i].over);
        csv_add_number(draft, claims[i].tolerance);
        draft_add(draft, ",");
        csv_add_text(draft, claims[i].source);
        draft_add(draft, "\n");
    }
}

claim_t *
claim_copy(const claim_t *claims, size_t n_claims)
{
    claim_t *copy = n_claims ? memory_new(n_claims * sizeof *copy) : NULL;
    for (size_t i = 0; i < n_claims; i++) {
        copy[i] = claims[i];
        copy[i].name = memory_text(claims[i].name);
        copy[i].kind = memory_text(claims[i].kind);
        copy[i].quantity = memory_text(claims[i].quantity);
        copy[i].over = memory_text(claims[i].over);
        copy[i].source = memory_text(claims[i].source);
    }
    return copy;
}

void
claim_free(claim_t *claims, size_t n_claims)
{
    for (size_t i = 0; i < n_claims; i++) {
        free(claims[i].name);
        free(claims[i].kind);
        free(claims[i].quantity);
        free(claims[i].over);
        free(claims[i].source);
    }
    free(claims);
}
