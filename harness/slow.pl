# slow PROGRAM SHARE PERIOD: stop a program for a fixed share of its time, until it ends.
# Prints how long it was stopped and how long it was watched, in seconds. It knows the program
# by the arguments with which a bundle starts it: its own loader, then the program.
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
my ($stopped, $begin) = (0, clock_gettime(CLOCK_MONOTONIC));
sub runs {
    open(my $in, '<', "/proc/$id/stat") or return 0;
    my ($state) = (<$in> // ') Z') =~ /.*\) (\S)/;
    return $state ne 'Z' && $state ne 'X';
}
sub until_then {
    my $left = $_[0] - clock_gettime(CLOCK_MONOTONIC);
    sleep $left if $left > 0;
}
my ($turn, $end) = (0, $begin);
while (runs()) {
    my $at = $begin + $turn++ * $period;
    until_then($at);
    my $from = clock_gettime(CLOCK_MONOTONIC);
    kill 'STOP', $id;
    until_then($at + $share * $period);
    # The clock first: on one CPU the program that goes on takes it from this one.
    $stopped += clock_gettime(CLOCK_MONOTONIC) - $from;
    kill 'CONT', $id;
    until_then($at + $period);
    $end = clock_gettime(CLOCK_MONOTONIC);
}
printf "%.6f %.6f\n", $stopped, $end - $begin;
