# bash completion for dmlx. Commands and options are asked of the program, so there is no list here to keep.
_dmlx_options() {
    "$1" "${@:2}" --help 2>/dev/null | grep -oE -- '(^| )--[a-z-]+'
}

_dmlx() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-}
    local words=''
    if [ "$COMP_CWORD" = 1 ]; then
        words=$("${COMP_WORDS[0]}" help 2>/dev/null | sed -nE 's/^  ([a-z]+) +[a-z].*/\1/p' | grep -vx dmlx)
    elif [ "$command" = data ] && [ "$COMP_CWORD" = 2 ]; then
        words='fetch import verify show'
    elif [ "$command" = help ]; then
        words="settings $("${COMP_WORDS[0]}" help 2>/dev/null | sed -nE 's/^  ([a-z]+) +[a-z].*/\1/p' | grep -vx dmlx)"
    elif [[ $word == -* ]]; then
        local asked=("$command")
        [ "$command" != data ] || asked+=("${COMP_WORDS[2]}")
        words="--help $(_dmlx_options "${COMP_WORDS[0]}" "${asked[@]}")"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

# Where there is nothing of ours to offer, files are.
complete -o default -F _dmlx dmlx
