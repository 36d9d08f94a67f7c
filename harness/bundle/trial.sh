# trial LIMIT WORK PROGRAM [ARGUMENT...]: run one program of this bundle once.
# Part of the bundle, so the same bytes run on every target; started by the bundle's own dash.
# The program's output waits in a file until the program has ended; then it is sent, and its
# sha256, taken here, after it. On standard error come besides: at first the process to stop it
# by, and at the end the target's clock around the program, its exit status, how often a CPU
# quota stopped it, and what the CPUs that it may run on did meanwhile (/proc/stat before and
# after, the program's own CPU time).
here=${0%/*} limit=$1 work=$2 program=$3
shift 3
start() {
    name=$1
    shift
    "$here/lib/@LOADER@" --inhibit-cache --library-path "$here/lib" "$here/bin/$name" "$@"
}
cd "$work" || exit 120
output=.baremark-output
: >"$output" || exit 120
ulimit -c 0
# The CPUs that the program may run on: on a machine with more of them, what the others do is no
# part of its share. Where /proc/stat does not show each of them, nothing is said of any.
mine=' ' many=0 allowed=
while IFS=': 	' read -r key value; do
    [ "$key" = Cpus_allowed_list ] && allowed=$value
done 2>/dev/null </proc/self/status
IFS=,
for part in $allowed; do
    at=${part%-*}
    while [ "$at" -le "${part#*-}" ]; do
        mine="${mine}cpu$at " many=$((many + 1)) at=$((at + 1))
    done
done
unset IFS
cpus() {
    stat= shown=0
    while read -r name counts; do
        case $name in
        cpu) continue ;;
        cpu*) ;;
        *) break ;;
        esac
        case $mine in
        *" $name "*) stat="$stat $name $counts" shown=$((shown + 1)) ;;
        esac
    done 2>/dev/null </proc/stat
    [ "$shown" -eq "$many" ] || stat=
}
# The control group's own counters, where the kernel shows this group (version 2, then 1).
quota=
while IFS=: read -r _ names path; do
    case ,$names, in
    ,,) set_of=/sys/fs/cgroup ;;
    *,cpu,*) set_of=/sys/fs/cgroup/cpu ;;
    *) continue ;;
    esac
    for file in "$set_of$path/cpu.stat" "$set_of/cpu.stat"; do
        [ -z "$quota" ] && [ -r "$file" ] && quota=$file
    done
done 2>/dev/null </proc/self/cgroup
throttled() {
    periods=-
    [ -n "$quota" ] && while read -r key value; do
        [ "$key" = nr_throttled ] && periods=$value
    done <"$quota"
}
{
    cpus
    throttled
    before=$stat stopped=$periods
    begin=$(start date +%s%N)
    # Started directly, not in a function: $! is then the process that becomes `timeout`, which
    # leads the process group of the program. The environment is the same on every target,
    # because its size alone moves the stack and with it the speed.
    "$here/lib/@LOADER@" --inhibit-cache --library-path "$here/lib" "$here/bin/env" -i LC_ALL=C \
        "$here/lib/@LOADER@" --inhibit-cache --library-path "$here/lib" "$here/bin/timeout" \
        --kill-after=2 "$limit" \
        "$here/lib/@LOADER@" --inhibit-cache --library-path "$here/lib" "$here/bin/$program" \
        "$@" </dev/null &
    echo "baremark begin $! $begin" >&2
    wait $!
    status=$?
    end=$(start date +%s%N)
    echo "baremark end $end $status" >&2
    cpus
    throttled
    echo "baremark throttled $stopped $periods" >&2
    echo "baremark stat$before to$stat" >&2
    times >&2
} | start head -c @MOST@ >"$output"
start sha256sum <"$output" >&2 &
start cat "$output"
wait
: >"$output"
exit 0
