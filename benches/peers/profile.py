#!/usr/bin/env python3
"""Where the instructions of a request go: profile.py CALLGRIND_FILE REQUESTS [LINES]

Reads what benches/peers.sh left in target/bench-peers (callgrind.postern.2 is W1, .4 W2, .6 W3, .8 W4) and prints instructions a
request, by group and by function. Generic code is filed under the crate that it was written in, inlined code under its caller.
"""
import collections
import re
import sys

GROUPS = [  # the first that matches
    ("allocator", r"^_?mi_|mimalloc|^(__rust|__rdl|__rg)_|alloc::alloc"),
    ("memcpy and the like", r"mem(cpy|move|set|cmp|chr)|bcmp"),
    ("system calls and their wrappers", r"clock_gettime|epoll|writev|readv|recv|send|fcntl|accept|^(read|write|close|socket|connect|syscall)\b"),
    ("SHA-256", r"sha2|Sha256|digest"),
    ("postern: connection and framing", r"postern::net"),
    ("postern: judge, forward, headers, record", r"postern::gateway"),
    ("postern: upstream pool", r"postern::upstream"),
    ("postern: the rest", r"postern::"),
    ("hyper, as client", r"hyper.*(client|dispatch::Client)"),
    ("hyper", r"hyper|httparse|httpdate"),
    ("http types", r"\bhttp::|<http"),
    ("tokio", r"tokio|mio::"),
    ("bytes", r"bytes::"),
]


def demangle(name):
    name = re.sub(r"\$LT\$", "<", re.sub(r"\$GT\$", ">", re.sub(r"\$u20\$", " ", re.sub(r"\$RF\$", "&", name))))
    name = re.sub(r"^_?_ZN|17h[0-9a-f]{16}E.*$", "", name).replace("..", "::").replace("$C$", ",")
    return re.sub(r"::h[0-9a-f]{16}", "", name)


def own_cost(path):
    """Function → instructions of its own."""
    cost, names, current, skip = collections.Counter(), {}, None, False
    with open(path) as file:
        for line in file:
            if line.startswith("fn="):
                number, _, name = line[3:].strip().partition(" ")
                if name:
                    names[number] = name
                current = names[number]
            elif line.startswith("cfn="):
                number, _, name = line[4:].strip().partition(" ")
                if name:
                    names[number] = name
            elif line.startswith("calls="):
                skip = True
            elif re.match(r"[0-9+*-]", line):
                if not skip and current:
                    cost[demangle(current)] += int(line.split()[1])
                skip = False
    return cost


def main():
    path, requests = sys.argv[1], int(sys.argv[2])
    lines = int(sys.argv[3]) if len(sys.argv) > 3 else 40
    cost = own_cost(path)
    groups = collections.Counter()
    for name, n in cost.items():
        groups[next((group for group, pattern in GROUPS if re.search(pattern, name)), "other")] += n
    print("%7.0f  instructions a request" % (cost.total() / requests))
    for name, n in groups.most_common():
        print("%7.0f  %4.1f%%  %s" % (n / requests, 100 * n / cost.total(), name))
    print()
    for name, n in cost.most_common(lines):
        print("%7.0f  %s" % (n / requests, name[:140]))


main()
