"""Tables: what was measured, beside what we hold ourselves to."""
from statistics import median

BASE = "haproxy-map"
# At most, as a ratio to haproxy-map in the same run; memory in MiB.
CPU_TARGETS = {"W1": 1.0, "W2": 1.0, "W3": 0.9, "W4": 1.1, "W6a": 1.1, "W6b": 0.6, "W7": 1.3}
INSTRUCTION_TARGETS = {"W1": 0.95, "W2": 0.95}
MEMORY_TARGET = 20


def text(value, form="%.2f"):
    return "" if value is None else form % value


def table(rows):
    """Markdown, aligned: what is printed may be pasted into a document."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    rows.insert(1, ["-" * (widths[0])] + ["-" * (width - 1) + ":" for width in widths[1:]])
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths))) + " |")


def verdict(value, target):
    if value is None or target is None:
        return ""
    return "yes" if value <= target else "NO"


def times(workload, runs):
    """`runs`: name → list of runs; those of others than the baseline hold the baseline's run just before."""
    rows = [[workload.name + ", " + workload.what, "CPU µs", "least", "× base", "target", "met", "req/s", "p50 µs", "p99 µs", "wrong"]]
    summary = {}
    for name, all_runs in runs.items():
        ratio = None if name == BASE else median(run["ratio"] for run in all_runs)
        target = CPU_TARGETS.get(workload.name) if name == "postern" else None
        middle = {key: median(run[key] for run in all_runs) for key in ("cpu_us", "per_second", "p50_us", "p99_us")}
        wrong = sum(run["wrong"] for run in all_runs)
        summary[name] = dict(middle, least_cpu_us=min(run["cpu_us"] for run in all_runs), cpu_ratio=ratio, target=target, wrong=wrong)
        rows.append([name, text(middle["cpu_us"], "%.1f"), text(summary[name]["least_cpu_us"], "%.1f"), text(ratio), text(target), verdict(ratio, target),
                     text(middle["per_second"], "%.0f"), text(middle["p50_us"], "%.0f"), text(middle["p99_us"], "%.0f"), str(wrong)])
    print()
    table(rows)
    return summary


def instructions(how, counts):
    """`counts`: workload name → server name → instructions."""
    rows = [["User instructions a request (%s)" % how, BASE, "postern", "× base", "target", "met"]]
    for name, found in counts.items():
        ratio = found["postern"] / found[BASE]
        target = INSTRUCTION_TARGETS.get(name)
        rows.append([name, text(found[BASE], "%.0f"), text(found["postern"], "%.0f"), text(ratio), text(target), verdict(ratio, target)])
    print()
    table(rows)


def memory(found):
    rows = [["Memory, MiB (Pss)", "idle", "after W2", "target", "met"]]
    for name, (idle, after) in found.items():
        target = MEMORY_TARGET if name == "postern" else None
        rows.append([name, text(idle, "%.1f"), text(after, "%.1f"), text(target, "%.0f"), verdict(after, target)])
    print()
    table(rows)
