#!/usr/bin/env python3
"""Draws what tacet-bench wrote.

For each benchmark in the JSON files one SVG: on the left nanoseconds per operation with the range over the
repetitions and the baseline as a line across each bar, on the right the ratio to the baseline. Rows of `single`, which
have no baseline, become stacked intervals.

`cycle` becomes curves instead: cycle_nN.svg, messages per second over the number of coroutines (N times R), a picture
for each N; and cycle_dead.svg, nanoseconds a message over the bytes that each task holds live. `memory` becomes bytes
a task over the number of tasks, `priority` the delays of a task of high priority.
"""
import argparse
import json
import pathlib
import sys

PARAMETERS = ["case", "mode", "tasks", "batch", "depth", "live_bytes", "n", "r", "m", "dead_bytes", "threads",
              "workers", "producers", "live", "connections", "accounting"]
INTERVALS = ["attach_to_start_ns", "start_to_exit_ns", "start_to_suspend_ns", "complete_to_resume_ns",
             "resume_to_exit_ns"]
SUBJECT, BASELINE, LIMIT = "#31688e", "#444444", "#b5413a"

# One look for each case in all curves: colour, marker, line. Ours are solid.
LOOKS = {
    "coroutine": ("#1f77b4", "o", "-"),
    "stackless": ("#17becf", "s", "-"),
    "asm": ("#2ca02c", "^", "-"),
    "setjmp": ("#bcbd22", "v", "-"),
    "copying": ("#d62728", "D", "-"),
    "bare_event": ("#444444", "", "--"),
    "pthreads": ("#8c564b", "x", ":"),
    "go": ("#9467bd", "+", ":"),
    "rust": ("#ff7f0e", "1", ":"),
    "boost_fiber": ("#7f7f7f", "2", ":"),
    "asio": ("#e377c2", "3", ":"),
}
OVERHEAD_TARGET = 192


def load_documents(paths):
    documents = {}
    for path in paths:
        try:
            loaded = json.loads(pathlib.Path(path).read_text())
        except (OSError, ValueError) as error:
            sys.exit(f"plot.py: {path}: {error}")
        for document in loaded if isinstance(loaded, list) else [loaded]:
            known = documents.setdefault(document["benchmark"], document)
            if known is not document:
                known["rows"].extend(document["rows"])
    return documents


def label(row, rows):
    """The case, then those parameters that differ between rows of this benchmark."""
    words = [str(row.get("case", ""))]
    for name in PARAMETERS[1:]:
        if name in row and len({str(other.get(name)) for other in rows}) > 1:
            words.append(f"{name} {row[name]}")
    return ", ".join(words)


def draw_times(axes, rows, places):
    times = [row["ns_per_op"] for row in rows]
    spread = [[row["ns_per_op"] - row["ns_min"] for row in rows], [row["ns_max"] - row["ns_per_op"] for row in rows]]
    axes.barh(places, times, xerr=spread, color=SUBJECT, ecolor=BASELINE, capsize=2, label="tacet, min to max")
    known = [(place, row["baseline_ns_per_op"]) for place, row in zip(places, rows) if "baseline_ns_per_op" in row]
    if known:
        axes.plot([ns for _, ns in known], [place for place, _ in known], "|", color=LIMIT, markersize=14,
                  markeredgewidth=2, label="baseline")
    if max(times) > 50 * min(times):
        axes.set_xscale("log")
    axes.set_xlabel("ns per operation")
    axes.legend(fontsize="small")


def draw_ratios(axes, rows, places):
    axes.axvline(1.0, color=BASELINE, linewidth=1)
    for place, row in zip(places, rows):
        if "ratio" not in row:
            continue
        axes.barh(place, row["ratio"], color=SUBJECT)
        axes.annotate(f"{row['ratio']:.2f} x {row['baseline']}", (row["ratio"], place), xytext=(4, 0),
                      textcoords="offset points", va="center", fontsize="small")
    axes.margins(x=0.45)
    axes.set_xlabel("ratio to the baseline (smaller is better)")


def draw_intervals(axes, rows, places):
    left = [0.0] * len(rows)
    for name in INTERVALS:
        values = [row.get(name, 0.0) for row in rows]
        axes.barh(places, values, left=left, label=name.removesuffix("_ns").replace("_", " "))
        left = [so_far + value for so_far, value in zip(left, values)]
    axes.set_xlabel("ns")
    axes.legend(fontsize="small")


def draw_bars(pyplot, document, output):
    rows = document["rows"]
    timed = [row for row in rows if "ns_per_op" in row]
    shown = timed or rows
    places = list(range(len(shown)))
    figure, axes = pyplot.subplots(1, 2 if timed else 1, squeeze=False, sharey=True,
                                   figsize=(12 if timed else 8, 1.5 + 0.42 * len(shown)))
    if timed:
        draw_times(axes[0][0], shown, places)
        draw_ratios(axes[0][1], shown, places)
    else:
        draw_intervals(axes[0][0], shown, places)
    axes[0][0].set_yticks(places, [label(row, shown) for row in shown])
    axes[0][0].invert_yaxis()
    finish(pyplot, figure, document, document["benchmark"], output / f"{document['benchmark']}.svg")


def finish(pyplot, figure, document, title, path):
    machine = document["machine"]
    figure.suptitle(f"{title}: {machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, {machine['compiler']}",
                    fontsize="medium")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
    print(path)


def draw_curve(axes, case, points):
    colour, marker, line = LOOKS.get(case, (SUBJECT, ".", "-"))
    points = sorted(points)
    axes.plot([x for x, _ in points], [y for _, y in points], color=colour, marker=marker, linestyle=line, label=case,
              markersize=5)


def curves_of(rows, x, y):
    """{case: [(x, y), ...]}, in the order of LOOKS."""
    curves = {}
    for row in rows:
        curves.setdefault(row["case"], []).append((x(row), y(row)))
    order = list(LOOKS)
    return dict(sorted(curves.items(), key=lambda curve: order.index(curve[0]) if curve[0] in order else len(order)))


def with_baseline(rows, parameter):
    """The rows, and for each value of the parameter one of the baseline, by the median of what was measured beside."""
    rows, measured = list(rows), {}
    for row in rows:
        measured.setdefault(row[parameter], []).append(row)
    for beside in measured.values():
        times = sorted(row["baseline_ns_per_op"] for row in beside)
        rows.append({**beside[0], "case": beside[0]["baseline"], "ns_per_op": times[len(times) // 2]})
    return rows


def draw_cycle_sizes(pyplot, document, n, rows, output):
    figure, axes = pyplot.subplots(figsize=(9, 5.5))
    for case, points in curves_of(with_baseline(rows, "r"), lambda row: row["n"] * row["r"],
                                  lambda row: 1e9 / row["ns_per_op"]).items():
        draw_curve(axes, case, points)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("coroutines (N times R)")
    axes.set_ylabel("messages per second")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize="small", ncol=2)
    finish(pyplot, figure, document, f"cycle, N = {n}", output / f"cycle_n{n}.svg")


def draw_cycle_dead(pyplot, document, r, rows, output):
    sizes = sorted({row["n"] for row in rows})
    figure, axes = pyplot.subplots(1, len(sizes), squeeze=False, sharey=True, figsize=(5.5 * len(sizes), 5))
    for panel, n in zip(axes[0], sizes):
        chosen = with_baseline([row for row in rows if row["n"] == n], "dead_bytes")
        for case, points in curves_of(chosen, lambda row: row["dead_bytes"], lambda row: row["ns_per_op"]).items():
            draw_curve(panel, case, points)
        panel.set_xscale("symlog", linthresh=100)
        panel.set_yscale("log")
        panel.set_xlabel("dead bytes that each task holds live")
        panel.set_title(f"N = {n}", fontsize="medium")
        panel.grid(True, which="major", alpha=0.3)
    axes[0][0].set_ylabel("ns a message")
    axes[0][-1].legend(fontsize="small")
    finish(pyplot, figure, document, f"cycle, R = {r}", output / "cycle_dead.svg")


def draw_cycle(pyplot, document, output):
    rows = [row for row in document["rows"] if row["threads"] == 1]
    plain = [row for row in rows if row["dead_bytes"] == 0]
    for n in sorted({row["n"] for row in plain}):
        draw_cycle_sizes(pyplot, document, n, [row for row in plain if row["n"] == n], output)
    dead_sizes = {row["r"]: {other["dead_bytes"] for other in rows if other["r"] == row["r"]} for row in rows}
    r = max(dead_sizes, key=lambda r: len(dead_sizes[r]), default=None)
    if r is not None and len(dead_sizes[r]) > 1:
        draw_cycle_dead(pyplot, document, r, [row for row in rows if row["r"] == r], output)


def draw_memory(pyplot, document, output):
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 5))
    for panel, metric, title in zip(axes, ("bytes_per_task", "overhead_bytes"),
                                    ("resident bytes a task", "of which not the body's own")):
        for case, points in curves_of(document["rows"], lambda row: row["tasks"], lambda row: row[metric]).items():
            draw_curve(panel, case, points)
        panel.set_xscale("log")
        panel.set_xlabel("tasks suspended in a sleep")
        panel.set_title(title, fontsize="medium")
        panel.grid(True, which="major", alpha=0.3)
    axes[0].set_yscale("log")
    axes[1].set_ylim(bottom=0)
    axes[1].axhline(OVERHEAD_TARGET, color=LIMIT, linewidth=1)
    axes[0].legend(fontsize="small")
    finish(pyplot, figure, document, "memory", output / "memory.svg")


def draw_priority(pyplot, document, output):
    rows = document["rows"]
    places = list(range(len(rows)))
    figure, axes = pyplot.subplots(figsize=(8, 1.5 + 0.42 * len(rows)))
    for metric, marker in (("p50_ns", "o"), ("p99_ns", "D"), ("max_ns", "|"), ("alone_p99_ns", "x")):
        known = [(row[metric], place) for place, row in zip(places, rows) if metric in row]
        axes.plot([ns for ns, _ in known], [place for _, place in known], marker, label=metric.removesuffix("_ns"))
    axes.set_xscale("log")
    axes.set_xlabel("ns")
    axes.set_yticks(places, [label(row, rows) for row in rows])
    axes.invert_yaxis()
    axes.grid(True, which="major", axis="x", alpha=0.3)
    axes.legend(fontsize="small")
    finish(pyplot, figure, document, "priority", output / "priority.svg")


DRAWN = {"cycle": draw_cycle, "memory": draw_memory, "priority": draw_priority}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", metavar="RESULT.json", help="what tacet-bench --json wrote")
    parser.add_argument("-o", "--output", type=pathlib.Path, metavar="DIRECTORY",
                        help="where BENCHMARK.svg goes (default: beside the first RESULT.json)")
    arguments = parser.parse_args()
    try:
        import matplotlib
    except ModuleNotFoundError:
        sys.exit("plot.py: needs matplotlib (on Debian: apt install python3-matplotlib)")
    matplotlib.use("svg")
    from matplotlib import pyplot

    documents = load_documents(arguments.results)
    output = arguments.output or pathlib.Path(arguments.results[0]).parent
    output.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        DRAWN.get(name, draw_bars)(pyplot, document, output)


if __name__ == "__main__":
    main()
