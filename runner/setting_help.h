// setting_help.h — the table of settings, for `dmlx help settings`.
#ifndef RUNNER_SETTING_HELP_H
#define RUNNER_SETTING_HELP_H

#include <stdio.h>

// Every setting by group: name, default, what it takes, whether it can be an axis, and what it
// means.
void settings_print(FILE *out);

// The settings that the name means, at full length: "batch", "train.batch", or a whole group,
// "train". -1 when there is none; nothing is printed then.
int setting_print(FILE *out, const char *name);

#endif
