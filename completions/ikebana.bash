# Completion of ikebana(1) for bash.

_ikebana()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local command='' i word vici=()
    local commands='up down rekey install uninstall list why explain load bench log version completion help'

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --vici|-u)
            # bash takes the URI apart at its colons.
            local uri='' n
            for ((n = i + 1; n < COMP_CWORD; n++)); do
                [[ -n $uri && ${COMP_WORDS[n]} != [:=/]* && $uri != *[:=/] ]] && break
                uri+=${COMP_WORDS[n]}
            done
            vici=(--vici "$uri")
            i=$((n - 1))
            ;;
        --timeout|-t|--limit|-n|--file|-f) ((i++)) ;;
        -*) ;;
        *) [[ -z $command ]] && command=$word ;;
        esac
    done

    COMPREPLY=()
    case $previous in
    --file|-f)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --vici|-u)
        mapfile -t COMPREPLY < <(compgen -W 'unix:///run/ikebana.vici tcp://127.0.0.1:' -- "$current")
        return
        ;;
    --timeout|-t|--limit|-n) return ;;
    esac
    if [[ $current == -* ]]; then
        local options='--vici --json --help'
        case $command in
        '') options+=' --version' ;;
        up) options+=' --timeout' ;;
        rekey) options+=' --timeout --reauth' ;;
        down) options+=' --timeout --force' ;;
        why) options+=' --all --failed --limit' ;;
        list) options+=' --names --policies' ;;
        load) options+=' --file' ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current") ;;
    up|down|rekey|install|uninstall|list|why)
        local IFS=$'\n'
        mapfile -t COMPREPLY < <(compgen -W "$(ikebana "${vici[@]}" list --names 2>/dev/null)" -- "$current")
        ;;
    load) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    bench) mapfile -t COMPREPLY < <(compgen -W 'handshake esp up flood' -- "$current") ;;
    completion) mapfile -t COMPREPLY < <(compgen -W 'bash' -- "$current") ;;
    esac
}

complete -F _ikebana ikebana
