# manual.sh DMLX TEMPLATE: writes the man page on stdout. What the program knows of itself (commands, options,
# settings) comes from its own help, so that the page cannot disagree with it.
set -eu
dmlx=$1 template=$2

# A piece of text as it stands, for roff.
verbatim() {
    echo .nf
    sed -e 's/\\/\\e/g' -e "s/^\([.']\)/\\\\\&\1/" -e 's/-/\\-/g'
    echo .fi
}

# The names in a help that lists commands as "  name  summary", in its order; the example starts with "dmlx".
names() {
    sed -nE 's/^  ([a-z]+) +[a-z].*/\1/p' | grep -vx dmlx
}

version=$("$dmlx" --version | sed -nE '1s/^dmlx ([^ ]+).*/\1/p')
commands=$("$dmlx" help | names)
[ -n "$version" ]
while IFS= read -r line; do
    case "$line" in
    @COMMANDS@)
        for command in $commands; do
            echo ".SS $command"
            "$dmlx" "$command" --help | verbatim
            [ "$command" = data ] || continue
            for step in $("$dmlx" data --help | names); do
                echo ".SS data $step"
                "$dmlx" data "$step" --help | verbatim
            done
        done
        ;;
    @SETTINGS@) "$dmlx" help settings | verbatim ;;
    *) printf '%s\n' "$line" | sed "s/@VERSION@/$version/" ;;
    esac
done <"$template"
