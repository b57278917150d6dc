#!/usr/bin/env python3
"""Draws what tacet-bench wrote.

For each benchmark in the JSON files one SVG: on the left nanoseconds per operation with the range over the
repetitions and the baseline as a line across each bar, on the right the ratio to the baseline. Rows of `single`, which
have no baseline, become stacked intervals.
"""
import argparse
import json
import pathlib
import sys

PARAMETERS = ["case", "mode", "tasks", "batch", "depth", "live_bytes", "n", "r", "m", "dead_bytes", "threads",
              "workers", "live", "connections", "accounting"]
INTERVALS = ["attach_to_start_ns", "start_to_exit_ns", "start_to_suspend_ns", "complete_to_resume_ns",
             "resume_to_exit_ns"]
SUBJECT, BASELINE, LIMIT = "#31688e", "#444444", "#b5413a"


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


def draw(pyplot, document, path):
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
    machine = document["machine"]
    figure.suptitle(f"{document['benchmark']}: {machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, "
                    f"{machine['compiler']}", fontsize="medium")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
    print(path)


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
        draw(pyplot, document, output / f"{name}.svg")


if __name__ == "__main__":
    main()
