# trial LIMIT WORK PROGRAM [ARGUMENT...]: run one program of this bundle once.
# Part of the bundle, so the same bytes run on every target; started by the bundle's own dash.
# On standard error it adds a first line (its process, to stop it by) and, at the end, what the
# target's CPUs did meanwhile (/proc/stat before and after, the program's own CPU time), the
# target's clock around the program, and the program's exit status.
here=${0%/*} limit=$1 work=$2 program=$3
shift 3
clock() {
    "$here/lib/@LOADER@" --inhibit-cache --library-path "$here/lib" "$here/bin/date" +%s%N
}
cd "$work" || exit 120
ulimit -c 0
cpus() {
    read -r stat </proc/stat 2>/dev/null || stat=
}
cpus
before=$stat
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
end=$(clock)
echo "baremark end $end $status" >&2
cpus
echo "baremark stat $before to $stat" >&2
times >&2
exit 0
