// A container engine's command line as it is called; a shell stands for the engine.
#include "runner/container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LIMIT_MS = 20000 };

static const container_engine_t shell = {.program = "sh", .context = ""};

static void
what_it_prints_and_complains_of_comes_back(void **state)
{
    (void)state;
    static const char *const well[] = {"-c", "echo here; echo there >&2", NULL};
    static const char *const badly[] = {"-c", "echo first >&2; echo last >&2; exit 3", NULL};
    char *printed = NULL;
    fault_t fault = {{0}};
    assert_int_equal(container_call(&shell, well, NULL, LIMIT_MS, &printed, &fault), 0);
    assert_string_equal(printed, "here");
    free(printed);
    assert_int_equal(container_call(&shell, badly, NULL, LIMIT_MS, NULL, &fault), 3);
    assert_string_equal(fault.text, "last");
}

// docker ends a refusal with where to read its help, which is not why it refused.
static void
advice_to_read_the_help_is_no_complaint(void **state)
{
    (void)state;
    static const char *const words[] = {"-c",
                                        "printf 'docker: no such folder.\\n\\nRun '\"'docker run "
                                        "--help' for more\\n\" >&2; exit 125",
                                        NULL};
    fault_t fault = {{0}};
    assert_int_equal(container_call(&shell, words, NULL, LIMIT_MS, NULL, &fault), 125);
    assert_string_equal(fault.text, "docker: no such folder.");
}

// Whoever is killed with -9 in the middle of a call must leave nothing behind.
static void
its_complaints_go_to_a_file_without_a_name(void **state)
{
    (void)state;
    static const char *const words[] = {"-c", "readlink /proc/$$/fd/2", NULL};
    char *printed = NULL;
    fault_t fault = {{0}};
    assert_int_equal(container_call(&shell, words, NULL, LIMIT_MS, &printed, &fault), 0);
    assert_non_null(strstr(printed, "/dmlx-call-"));
    assert_non_null(strstr(printed, " (deleted)"));
    free(printed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_prints_and_complains_of_comes_back),
        cmocka_unit_test(advice_to_read_the_help_is_no_complaint),
        cmocka_unit_test(its_complaints_go_to_a_file_without_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
