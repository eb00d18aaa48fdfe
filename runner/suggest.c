#include "runner/suggest.h"

#include <ctype.h>
#include <string.h>

enum { LETTERS_MAX = 48 };

static int
folded(char letter)
{
    return letter == '-' ? '_' : tolower((unsigned char)letter);
}

static int
least(int a, int b)
{
    return a < b ? a : b;
}

// Restricted Damerau-Levenshtein: insertions, deletions, substitutions and swaps of neighbours, one
// each. Three rows of the table are enough, since a swap looks back by two.
static int
distance(const char *a, const char *b)
{
    int n_a = (int)strlen(a), n_b = (int)strlen(b);
    int rows[3][LETTERS_MAX + 1];
    for (int j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n_a; i++) {
        int *row = rows[i % 3];
        const int *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            int cost = folded(a[i - 1]) != folded(b[j - 1]);
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + cost);
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                folded(a[i - 2]) == folded(b[j - 1]))
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

const char *
suggest_nearest(const char *typed, const char *const *names)
{
    const char *best = NULL;
    size_t n_typed = strlen(typed);
    if (n_typed == 0 || n_typed > LETTERS_MAX)
        return NULL;
    int allowed = n_typed < 6 ? 1 : (int)n_typed / 3;
    for (; *names; names++) {
        if (strlen(*names) > LETTERS_MAX)
            continue;
        int d = distance(typed, *names);
        if (d <= allowed && d < (int)strlen(*names)) {
            best = *names;
            allowed = d - 1;
        }
    }
    return best;
}
