# A reader's shell. Its Crumby goes on beside it, on a port of its own; its curl minds the status of an answer, and shows no
# progress, as at a terminal. $STAGE is a folder for what must not lie in the reader's home.

crumby() {
    case "${1:-}" in
        run) serve "${@:2}" ;;
        demo) command crumby "$@" --visits 500 ;; # not fifty thousand
        *) command crumby "$@" ;;
    esac
}

serve() {
    stop
    command crumby run "$@" --host 127.0.0.1 --port "$PORT" >"$STAGE/served" 2>"$STAGE/log" </dev/null &
    server=$!
    until (: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; do
        kill -0 "$server" || { cat "$STAGE/log" >&2 && return 1; }
        sleep 0.05
    done
    cat "$STAGE/served"
}

stop() {
    if [ -n "${server:-}" ]; then
        kill "$server" && wait "$server"
    fi
    server=
}

curl() {
    case " $* " in
        *" --fail "*) command curl --no-progress-meter "$@" ;;
        *) command curl --silent --fail-with-body "$@" ;;
    esac
}

trap stop EXIT
