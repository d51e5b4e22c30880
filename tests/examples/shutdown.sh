# Stops the server while it has a request, which then is sent or is not.
talk='use IO::Socket::UNIX;
    my ($program, $sends) = @ARGV;
    my $pid = open(my $server, "-|", $program, "socket", "1") or die;
    print scalar readline $server;
    my $slow = IO::Socket::UNIX->new(Peer => "socket") or die;
    my $quick = IO::Socket::UNIX->new(Peer => "socket") or die;
    print $quick "quick\n";
    print scalar readline $quick; # accepted in order, so $slow is, too
    kill TERM => $pid;
    select undef, undef, undef, 0.01 while -e "socket"; # until closed
    if ($sends) {
        print $slow "slow\n";
        print scalar readline $slow;
    }
    print readline $server;
    close $server;
    exit $? >> 8;'
program_path=$program program=perl
run 0 -e "$talk" "$program_path" 1
prints "$(printf 'listening\nQUICK\nSLOW\nall requests served')"
run 1 -e "$talk" "$program_path" 0
prints "$(printf 'listening\nQUICK\n1 requests left behind')"
program=$program_path
run 2
