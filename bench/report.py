#!/usr/bin/env python3
"""Writes a run's table and plots as a page: report.py OUT [DOCS].

Without DOCS the page is OUT/bench.md; with it, DOCS/bench.md and the plots in DOCS/bench/.
"""
import datetime, glob, os, re, shutil, subprocess, sys


def machine():
    with open("/proc/cpuinfo") as f:
        text = f.read()
    model = re.search(r"model name\s*:\s*(.*)", text)
    return f"{text.count('processor')} cores, {model[1] if model else os.uname().machine}"


def ratios(out, rows):
    """One bar a row, longest last: how many times better than the peer."""
    rows = sorted(rows, key=lambda row: float(row[3].rstrip("x")))
    with open(f"{out}/ratios.dat", "w") as f:
        for what, *_, ratio in rows:
            f.write('%s "%s"\n' % (ratio.rstrip("x"), what.replace('"', "'")[:70]))
    subprocess.run(["gnuplot"], text=True, check=True, input=f"""
set terminal svg size 900,{120 + 22 * len(rows)} background rgb 'white' font ',10'
set output '{out}/ratios.svg'
set title 'times as good as the peer (log)'
set logscale x
set xrange [0.5:*]
set yrange [-1:{len(rows)}]
set grid x
set style fill solid 0.6
unset key
plot '{out}/ratios.dat' using (0.5*($1+0.5)):0:(0.5*($1-0.5)):(0.35):yticlabels(2) with boxxyerrorbars
""")


def page(out, rows, plots):
    today = datetime.date.today().isoformat()
    lines = ["# Measured beside the peers", "",
             f"Written by `bench/run` on {today}: {machine()}. Both sides of a row ran on this machine, in this run; the",
             "ratio says how many times better fettle is, and is what to compare between machines.", "",
             "| what | fettle | peer | ratio |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    for note in sorted(glob.glob(f"{out}/*.note")):
        with open(note) as f:
            lines += ["", f.read().strip()]
    for plot in plots:
        name = os.path.basename(plot)
        lines += ["", f"![{name[:-4].replace('_', ' ')}](bench/{name})"]
    lines += ["", "Sections: `exposition` and `restart` are `bench/measure.py`, the others are `bench/peers/`; "
              "`bench/run SECTION` repeats one."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    out, docs = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    with open(f"{out}/table.tsv") as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    ratios(out, rows)
    plots = [f"{out}/ratios.svg"] + [p for p in sorted(glob.glob(f"{out}/*.svg")) if not p.endswith("/ratios.svg")]
    path = f"{docs or out}/bench.md"
    with open(path, "w") as f:
        f.write(page(out, rows, plots))
    shutil.rmtree(f"{docs or out}/bench", ignore_errors=True)
    os.makedirs(f"{docs or out}/bench")
    for plot in plots:
        shutil.copy(plot, f"{docs or out}/bench/")
    print(f"written: {path}, {len(plots)} plots")
