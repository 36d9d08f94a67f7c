# trial LIMIT WORK PROGRAM [ARGUMENT...]: run one program of this bundle once.
# Part of the bundle, so the same bytes run on every target; started by the bundle's own dash.
# On standard error it adds a first line (its process, to stop it by) and a last one (the
# target's clock around the program, and the program's exit status).
here=${0%/*} limit=$1 work=$2 program=$3
shift 3
clock() {
    "$here/lib/@LOADER@" --inhibit-cache --library-path "$here/lib" "$here/bin/date" +%s%N
}
cd "$work" || exit 120
ulimit -c 0
begin=$(clock)
# Started directly, not in a function: $! is then the process that becomes `timeout`, which
# leads the process group of the program. The environment is the same on every target, because
# its size alone moves the stack and with it the speed.
"$here/lib/@LOADER@" --inhibit-cache --library-path "$here/lib" "$here/bin/env" -i LC_ALL=C \
    "$here/lib/@LOADER@" --inhibit-cache --library-path "$here/lib" "$here/bin/timeout" \
    --kill-after=2 "$limit" \
    "$here/lib/@LOADER@" --inhibit-cache --library-path "$here/lib" "$here/bin/$program" \
    "$@" </dev/null &
echo "baremark begin $! $begin" >&2
wait $!
status=$?
echo "baremark end $(clock) $status" >&2
exit 0
