"""A report from the runs: medians with their spread in Markdown, all figures in JSON, plots."""

import statistics

# Figure: title, digits, whether more is better (None: neither).
FIGURES = {
    "messages_per_second": ("msg/s", 0, True),
    "first_to_last_per_second": ("msg/s, first to last", 0, True),
    "accepted_per_second": ("accepted/s", 0, True),
    "cpu_us": ("CPU us/msg", 1, False),
    "others_cpu_us": ("of generator and sink", 1, None),
    "signature_percent": ("of what signatures alone would allow, %", 0, True),
    "pss_mib": ("PSS MiB", 1, False),
    "reply_p50_us": ("dot to 250, p50 us", 0, False),
    "reply_p99_us": ("p99 us", 0, False),
    "delivered_p50_us": ("250 to delivered, p50 us", 0, False),
    "delivered_p99_us": ("p99 us", 0, False),
    "commit_p50_us": ("commit, p50 us", 0, False),
    "commit_p99_us": ("p99 us", 0, False),
    "megabytes_per_second": ("MB/s", 0, True),
    "per_connection_per_second": ("msg/s a connection", 1, True),
    "steady_per_second": ("latter half", 1, True),
    "round_trips": ("round trips a message", 2, False),
    "connections": ("connections", 0, None),
    "per_second": ("a second", 0, True),
    "milliseconds": ("ms", 1, False),
    "queued": ("queued", 0, None),
    "bytes_each": ("bytes each", 0, False),
    "bytes_each_after_start": ("bytes each after a start", 0, False),
    "rate": ("offered/s", 0, None),
    "nanoseconds": ("ns", 1, False),
    "admission_ns": ("admission, ns", 0, False),
    "allocations": ("allocations", 2, False),
    "letters": ("letters a message", 2, False),
    "share_percent": ("of n times one core, %", 1, True),
    "disk_mb": ("disk, MB/s", 0, None),
    "writer_percent": ("of the log writer, %", 0, None),
    "uncopied": ("sent without a copy", 0, None),
    "copied": ("copied after all", 0, None),
    "exactly_once": ("each once, whole", 0, None),
    "missing": ("missing", 0, None),
    "damaged": ("damaged", 0, None),
    "duplicates": ("twice", 0, None),
    "flushes_per_message": ("flushes a message, one at a time", 2, None),
}

TITLES = {
    "checks": "Every message once, and what is flushed before 250",
    "end-to-end": "End to end, 4 KiB",
    "large": "End to end, 64 KiB",
    "dkim": "End to end with DKIM, 4 KiB",
    "tls": "End to end with TLS, 4 KiB",
    "queue": "Ingest alone, then drain of the queue, 4 KiB",
    "distance": "One connection to a distant receiver",
    "many-domains": "End to end to many domains",
    "connections": "Injection by few and by many connections",
    "receivers": "Receivers with limits",
    "latency": "Latency",
    "zero-copy": "Sends with and without a copy, drain of a queue over a path that allows both",
    "accounting": "Accounting files",
    "start": "Start",
    "idle": "Idle connections",
    "scale": "Long queues, and what shards cost each other; predicted for more cores",
    "micro": "Parts",
}


def summary(runs):
    """{case: {"work", "sender", "variant", "figures": {name: (median, least, most)}}}."""
    cases = {}
    for run in runs:
        case = cases.setdefault(run["case"], {key: run[key] for key in
                                              ("work", "sender", "variant")} | {"values": {}})
        for name, value in run["figures"].items():
            if value is not None:
                case["values"].setdefault(name, []).append(value)
    for case in cases.values():
        case["figures"] = {name: (statistics.median(values), min(values), max(values))
                           for name, values in case.pop("values").items()}
    return cases


def digits_of(name):
    return FIGURES.get(name, (name, 1, None))[1]


def cell(name, triple):
    median, least, most = triple
    if name == "exactly_once":
        return "yes" if least else "NO"
    digits = digits_of(name)
    text = f"{median:,.{digits}f}"
    if least != most:
        text += f" ({least:,.{digits}f}-{most:,.{digits}f})"
    return text


def work_table(cases):
    """Markdown table of one work; parts have a row per figure."""
    if cases[0]["work"] == "micro":
        rows = ["| part | figure |", "|---|--:|"]
        for case in cases:
            rows += [f"| {name} | {cell(name, triple)} |"
                     for name, triple in case["figures"].items()]
        return rows
    names = [name for name in FIGURES if any(name in case["figures"] for case in cases)]
    rows = ["| | " + " | ".join(FIGURES[name][0] for name in names) + " |",
            "|---|" + "--:|" * len(names)]
    for case in cases:
        title = case["sender"] + (f", {case['variant']}" if case["variant"] else "")
        cells = [cell(name, case["figures"][name]) if name in case["figures"] else ""
                 for name in names]
        rows.append(f"| {title} | " + " | ".join(cells) + " |")
    return rows


def ratios(cases, figure="messages_per_second"):
    """Sentences such as: ringpost / postfix: 23.6."""
    by_sender = {case["sender"]: case["figures"][figure][0] for case in cases
                 if figure in case["figures"]}
    own = by_sender.get("ringpost")
    if own is None or cases[0]["work"] not in ("end-to-end", "large"):
        return []
    others = [f"{own / value:.1f} x {name}" for name, value in by_sender.items()
              if name != "ringpost" and value]
    return ["", "Ringpost: " + ", ".join(others) + "."] if others else []


def markdown(data, plots=()):
    machine = data["machine"]
    lines = [f"# Measured on {machine['name']}, {machine['date']}", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in machine.items()
              if key not in ("name", "date")]
    lines += [f"- rounds: {data['rounds']}, scale of message counts: {data['scale']}", "",
              "Generator, MTA and sink share the cores. Each figure is the median of the rounds; "
              "the least and the most follow in brackets.", ""]
    cases = summary(data["runs"])
    for work, title in TITLES.items():
        mine = [case for case in cases.values() if case["work"] == work]
        if mine:
            lines += [f"## {title}", "", *work_table(mine), *ratios(mine), ""]
            lines += [f"![{title}]({name})\n" for name in plots if name.endswith(f"{work}.svg")]
    if data["failures"]:
        lines += ["## Not measured", ""]
        lines += [f"- {name}: {why}" for name, why in data["failures"].items()]
    return "\n".join(lines).rstrip() + "\n"


PLOTTED = {"end-to-end": "messages_per_second", "large": "megabytes_per_second",
           "dkim": "messages_per_second", "tls": "messages_per_second",
           "queue": "messages_per_second", "distance": "per_connection_per_second"}


def plot(data, stem):
    """Bars of the main figures as SVG beside the report; the names of the files."""
    try:
        import matplotlib
    except ImportError:
        print("no plots: python3-matplotlib is not installed")
        return []
    matplotlib.use("svg")
    from matplotlib import pyplot
    matplotlib.rcParams["svg.hashsalt"] = "ringpost"
    names = []
    cases = summary(data["runs"])
    for work, figure in PLOTTED.items():
        mine = [case for case in cases.values()
                if case["work"] == work and figure in case["figures"]]
        if not mine:
            continue
        fig, axes = pyplot.subplots(figsize=(8, 0.5 + 0.35 * len(mine)))
        labels = [" ".join(filter(None, (case["sender"], case["variant"]))) for case in mine]
        middle = [case["figures"][figure][0] for case in mine]
        low = [case["figures"][figure][0] - case["figures"][figure][1] for case in mine]
        high = [case["figures"][figure][2] - case["figures"][figure][0] for case in mine]
        colours = ["#2b6cb0" if case["sender"] == "ringpost" else "#a0aec0" for case in mine]
        axes.barh(labels, middle, xerr=[low, high], color=colours, capsize=2)
        axes.invert_yaxis()
        axes.set_title(f"{TITLES[work]}: {FIGURES[figure][0]}", fontsize=10)
        fig.tight_layout()
        path = stem.with_name(f"{stem.name}-{work}.svg")
        fig.savefig(path, metadata={"Date": None})
        pyplot.close(fig)
        names.append(path.name)
    return names


def compare(before, after):
    """Lines of a comparison of two reports' data, and how many figures got worse beyond noise.

    Worse: the medians differ by more than a tenth, and the spreads of the two do not overlap."""
    old, new = summary(before["runs"]), summary(after["runs"])
    lines, worse = [], 0
    for key in old.keys() & new.keys():
        for name in old[key]["figures"].keys() & new[key]["figures"].keys():
            more_is_better = FIGURES.get(name, (name, 1, False))[2]
            (was, was_low, was_high) = old[key]["figures"][name]
            (now, now_low, now_high) = new[key]["figures"][name]
            if more_is_better is None or not was:
                continue
            apart = now_low > was_high or now_high < was_low
            ratio = now / was
            verdict = ""
            if apart and abs(ratio - 1) > 0.1:
                bad = (ratio < 1) == more_is_better
                worse += bad
                verdict = "WORSE" if bad else "better"
            lines.append((key, name, was, now, ratio, verdict))
    lines.sort()
    return lines, worse
