# Observe the machine from inside: one line "name<TAB>value" for each thing that can be seen.
# What cannot be seen is not printed, so that it stays "not observable". Arguments: the work folder,
# the bundle's folder where there is one, and the address of the peer.
work=$1 bundle=$2 peer=$3
PATH=$PATH:/usr/sbin:/sbin
# What is set for the user here must not change what is seen: nproc would count OpenMP's threads, df
# in other units, and messages would be in another language.
unset OMP_NUM_THREADS OMP_THREAD_LIMIT DF_BLOCK_SIZE BLOCK_SIZE BLOCKSIZE POSIXLY_CORRECT
LC_ALL=C
export LC_ALL
# Builtins where they do: under emulation each process started costs a tenth of a second.
say() {
    [ -n "$2" ] && printf '%s\t%s\n' "$1" "$2"
}
file() {
    if [ -r "$2" ] && IFS= read -r line <"$2"; then
        say "$1" "$line"
    fi
}
chosen() {
    if [ -r "$2" ] && IFS= read -r line <"$2"; then
        line=${line#*\[}
        say "$1" "${line%%\]*}"
    fi
}
status() {
    while IFS=': 	' read -r key value; do
        [ "$key" = "$1" ] && say "$2" "$value"
    done </proc/self/status
}
# The first processor's entries, read once.
model= flags= microcode=
while IFS=: read -r key value; do
    case $key in
    "model name"*) model=${value# } ;;
    flags*) flags=${value# } ;;
    microcode*) microcode=${value# } ;;
    "") break ;;
    esac
done </proc/cpuinfo
say kernel "$(uname -r)"
say kernel_version "$(uname -v)"
say machine "$(uname -m)"
say os "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release 2>/dev/null)"
say cpu_model "$model"
say cpu_flags "$flags"
say microcode "$microcode"
file cpus_online /sys/devices/system/cpu/online
status Cpus_allowed_list cpus_allowed
say vcpus "$(nproc 2>/dev/null)"
status Mems_allowed_list mems_allowed
while IFS=': ' read -r key value _; do
    case $key in
    MemTotal) say memory_kib "$value" ;;
    SwapTotal) say swap_kib "$value" ;;
    HugePages_Total) say hugepages "$value" ;;
    Hugepagesize) say hugepage_kib "$value" ;;
    esac
done </proc/meminfo
case $(id -u) in
0) say user root ;;
?*) say user unprivileged ;;
esac
file clocksource /sys/devices/system/clocksource/clocksource0/current_clocksource
file dmi_vendor /sys/class/dmi/id/sys_vendor
file dmi_product /sys/class/dmi/id/product_name
file dmi_bios /sys/class/dmi/id/bios_vendor
file dmi_board /sys/class/dmi/id/board_name
file dmi_version /sys/class/dmi/id/product_version
file hypervisor_type /sys/hypervisor/type
[ -d /proc/xen ] && say proc_xen yes
if [ -r /sys/hypervisor/version/extra ]; then
    file xen_guest_type /sys/hypervisor/guest_type
    file xen_uuid /sys/hypervisor/uuid
    file xen_capabilities /proc/xen/capabilities
    say xen_release "$(cd /sys/hypervisor/version && printf '%s.%s%s' \
        "$(cat major)" "$(cat minor)" "$(cat extra)")"
fi
case " $flags " in
*" hypervisor "*) say hypervisor_bit yes ;;
"  ") ;;
*) say hypervisor_bit no ;;
esac
say hypervisor_vendor "$(lscpu 2>/dev/null | sed -n 's/^Hypervisor vendor:[[:space:]]*//p')"
# What the processor answers names the hypervisor, however its firmware is dressed. The harness
# reads the names out of the registers.
if [ -x "$bundle/run" ]; then
    for leaf in 0x40000000 0x40000100 0x40000200; do
        registers=$("$bundle/run" cpuid -1 -r -l $leaf 2>/dev/null | sed -n 's/^ *0x4/0x4/p')
        say "cpuid_$leaf" "$registers"
    done
fi
say detect_virt "$(systemd-detect-virt 2>/dev/null)"
if [ -e /.dockerenv ]; then
    say container docker
elif [ -e /run/.containerenv ]; then
    say container podman
elif [ -r /run/systemd/container ]; then
    file container /run/systemd/container
else
    # What the first process was told; else whether it is the kernel's own first process, which has
    # the process namespace of this number. Where neither can be seen nothing is said, not "none".
    container=$(tr '\0' '\n' 2>/dev/null </proc/1/environ | sed -n 's/^container=//p')
    namespace=$(readlink /proc/self/ns/pid 2>/dev/null)
    case $container$namespace in
    'pid:[4026531836]') say container none ;;
    pid:*) say container other ;;
    *) say container "$container" ;;
    esac
fi
# gVisor says what it is where a kernel says that it starts.
case $(dmesg 2>/dev/null | head -n 1) in
*"Starting gVisor"*) say sandbox gvisor ;;
esac
file init /proc/1/comm
for path in /sys/devices/system/cpu/vulnerabilities/*; do
    file "mitigation_${path##*/}" "$path"
done
file numa_nodes /sys/devices/system/node/online
file cpufreq_driver /sys/devices/system/cpu/cpu0/cpufreq/scaling_driver
file cpufreq_max_khz /sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq
file cpufreq_boost /sys/devices/system/cpu/cpufreq/boost
file cpufreq_no_turbo /sys/devices/system/cpu/intel_pstate/no_turbo
if [ -d /sys/bus/virtio/drivers/virtio_balloon ]; then
    balloon=no
    for path in /sys/bus/virtio/drivers/virtio_balloon/virtio*; do
        [ -e "$path" ] && balloon=yes
    done
    say balloon "$balloon"
fi
# Of the CPUs that this shell may run on; all names where they differ.
governors= allowed=
while IFS=': 	' read -r key value; do
    [ "$key" = Cpus_allowed_list ] && allowed=$value
done </proc/self/status
IFS=,
for part in $allowed; do
    at=${part%-*}
    while [ "$at" -le "${part#*-}" ]; do
        path=/sys/devices/system/cpu/cpu$at/cpufreq/scaling_governor at=$((at + 1))
        [ -r "$path" ] && read -r governor <"$path" || continue
        case ,$governors, in
        *,"$governor",*) ;;
        *) governors=$governors${governors:+,}$governor ;;
        esac
    done
done
unset IFS
say governor "$governors"
if [ -r /proc/pressure/cpu ]; then
    say pressure yes
elif [ -r /proc/stat ]; then
    say pressure no
fi
file smt /sys/devices/system/cpu/smt/active
chosen transparent_hugepage /sys/kernel/mm/transparent_hugepage/enabled
file ksm /sys/kernel/mm/ksm/run
# A shell reads byte by byte, which /proc/sys answers with the first byte only.
say randomize_va_space "$(cat /proc/sys/kernel/randomize_va_space 2>/dev/null)"
say perf_event_paranoid "$(cat /proc/sys/kernel/perf_event_paranoid 2>/dev/null)"
# Only the arguments that change speed: the others name the machine and its disks.
say kernel_arguments "$(tr ' ' '\n' </proc/cmdline | sed '/^--$/,$d' | grep -E \
    '^(amd_pstate|clocksource|default_hugepagesz|elevator|hugepages|hugepagesz|idle|init_on_alloc|init_on_free|intel_idle|intel_iommu|intel_pstate|iommu|isolcpus|kvm|mds|mitigations|nohz|nohz_full|noibrs|nokaslr|nopti|nosmt|notsc|nowatchdog|numa_balancing|page_alloc|processor|pti|rcu_nocbs|retbleed|sched|slab_nomerge|slub_debug|spec_store_bypass_disable|spectre_v2|transparent_hugepage|tsc|zswap)[.=_]?' |
    tr '\n' ' ')"
status Seccomp seccomp
status CapEff capabilities
if [ -r /sys/fs/cgroup/cgroup.controllers ]; then
    file cgroup_cpu_max /sys/fs/cgroup/cpu.max
    file cgroup_memory_max /sys/fs/cgroup/memory.max
    file cgroup_cpuset /sys/fs/cgroup/cpuset.cpus.effective
else
    file cgroup_cpu_max /sys/fs/cgroup/cpu/cpu.cfs_quota_us
    file cgroup_memory_max /sys/fs/cgroup/memory/memory.limit_in_bytes
    file cgroup_cpuset /sys/fs/cgroup/cpuset/cpuset.cpus
fi
if [ -d "$work" ]; then
    say work_filesystem "$(stat -f -c %T "$work" 2>/dev/null)"
    device=$(df -P "$work" 2>/dev/null | awk 'NR==2 {print $1}')
    say work_device "$device"
    queue=/sys/class/block/${device##*/}/queue
    [ -d "$queue" ] || queue=/sys/class/block/${device##*/}/../queue
    if [ -d "$queue" ]; then
        chosen work_device_scheduler "$queue/scheduler"
        file work_device_rotational "$queue/rotational"
        file work_device_cache "$queue/write_cache"
        file work_device_block "$queue/logical_block_size"
    fi
    say work_free_kib "$(df -Pk "$work" 2>/dev/null | awk 'NR==2 {print $4}')"
fi
route=$(ip -o route get "$peer" 2>/dev/null)
say peer_route "$(printf %s "$route" | sed 's/ *\\.*//; s/ uid [0-9]*//')"
device=$(printf %s "$route" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
if [ -n "$device" ]; then
    say nic "$device"
    say nic_kind "$(ip -o -d link show dev "$device" 2>/dev/null | grep -o -w -E 'veth|macvlan|bridge' | head -n 1)"
    file nic_mtu "/sys/class/net/$device/mtu"
    say nic_offloads "$(ethtool -k "$device" 2>/dev/null | sed -n \
        's/^\(tcp-segmentation-offload\|generic-segmentation-offload\|generic-receive-offload\|tx-checksumming\|rx-checksumming\): \(o[nf]*\).*/\1=\2/p' |
        tr '\n' ' ')"
    say nic_driver "$(basename "$(readlink "/sys/class/net/$device/device/driver" 2>/dev/null)" 2>/dev/null)"
fi
exit 0
