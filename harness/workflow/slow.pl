# slow PROGRAM SHARE PERIOD: stop a program for a fixed share of its time, until it ends; for a
# share of 0 only watch it. Prints for how long its threads ran on a processor, by the kernel's own
# account, and how long they were watched, in seconds; nothing where the kernel keeps no account.
# It knows the program by the arguments with which a bundle starts it: its own loader, then the
# program.
use strict;
use warnings;
use Time::HiRes qw(sleep clock_gettime CLOCK_MONOTONIC);
my ($program, $share, $period) = @ARGV;
my $id;
$SIG{TERM} = $SIG{HUP} = $SIG{INT} = sub { kill 'CONT', $id if $id; exit 1 };
my $give_up = clock_gettime(CLOCK_MONOTONIC) + 5;
until ($id) {
    for my $file (glob '/proc/[0-9]*/cmdline') {
        open(my $in, '<', $file) or next;
        my @words = split /\0/, (<$in> // '');
        next unless @words > 4 && $words[1] eq '--inhibit-cache' && $words[4] =~ m{/bin/\Q$program\E$};
        ($id) = $file =~ m{(\d+)};
    }
    exit 2 if clock_gettime(CLOCK_MONOTONIC) > $give_up;
    sleep 0.001 unless $id;
}
sub runs {
    open(my $in, '<', "/proc/$id/stat") or return 0;
    my ($state) = (<$in> // ') Z') =~ /.*\) (\S)/;
    return $state ne 'Z' && $state ne 'X';
}
# Nanoseconds on a processor of all threads by number; those that ended are not among them.
sub ran {
    my %ran;
    for my $file (glob "/proc/$id/task/[0-9]*/schedstat") {
        open(my $in, '<', $file) or next;
        my ($number) = $file =~ m{task/(\d+)};
        my ($time) = (<$in> // '') =~ /^(\d+)/ or next;
        $ran{$number} = $time;
    }
    return %ran;
}
sub until_then {
    my $left = $_[0] - clock_gettime(CLOCK_MONOTONIC);
    sleep $left if $left > 0;
}
my $begin = clock_gettime(CLOCK_MONOTONIC);
my %first = ran();
my ($turn, $end, %last) = (0, $begin);
while (runs()) {
    my $at = $begin + $turn++ * $period;
    until_then($at);
    if ($share > 0) {
        kill 'STOP', $id;
        until_then($at + $share * $period);
        kill 'CONT', $id;
    }
    until_then($at + $period);
    next if $turn % 5;    # reading costs the program's processors a little
    my $now = clock_gettime(CLOCK_MONOTONIC);
    my %now = ran();
    # One that has begun to end shows fewer threads: what it showed before is the last of it.
    last if grep { !exists $now{$_} } keys %last;
    ($end, %last) = ($now, %now);
}
until_then($begin + ++$turn * $period) while runs();
my $ran = 0;
$ran += $last{$_} - ($first{$_} // 0) for keys %last;
printf "%.6f %.6f\n", $ran / 1e9, $end - $begin if $ran > 0;
