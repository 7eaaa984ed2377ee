#!/usr/bin/env python3
"""The benchmark's command measures, writes its report, and compares two of them."""

import json
import subprocess

from harness import ROOT, PeerTest, main, need_ringpostd

BENCH = ROOT / "scripts" / "bench"


class Bench(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()

    def bench(self, *arguments):
        return subprocess.run([BENCH, *map(str, arguments)], capture_output=True, text=True,
                              check=False, timeout=120, env={"SKIP_INSTALL": "1",
                                                             "PATH": "/usr/sbin:/usr/bin:/bin"})

    def test_a_report_holds_what_was_measured_and_can_be_compared(self):
        stem = self.folder / "report"
        done = self.bench("checks", "end-to-end", "--senders", "ringpost", "--quick", "--scale",
                          "0.01", "--folder", self.folder, "--out", stem)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        data = json.loads(stem.with_suffix(".json").read_text())
        runs = {run["case"].split("/")[0]: run["figures"] for run in data["runs"]}
        self.assertEqual({"checks", "end-to-end"}, set(runs))
        self.assertTrue(runs["checks"]["exactly_once"])
        self.assertGreater(runs["end-to-end"]["messages_per_second"], 1)
        self.assertGreater(runs["end-to-end"]["cpu_us"], 0)
        text = stem.with_suffix(".md").read_text()
        self.assertIn("## End to end, 4 KiB", text)
        self.assertIn(f"| {runs['end-to-end']['messages_per_second']:,.0f} |", text)

        same = self.bench("--compare", stem.with_suffix(".json"), stem.with_suffix(".json"))
        self.assertEqual(0, same.returncode, same.stdout)
        for run in data["runs"]:
            run["figures"].update({name: run["figures"][name] / 2
                                   for name in ("messages_per_second",) if name in run["figures"]})
        slower = self.folder / "slower.json"
        slower.write_text(json.dumps(data))
        worse = self.bench("--compare", stem.with_suffix(".json"), slower)
        self.assertEqual(1, worse.returncode, worse.stdout)
        self.assertIn("WORSE", worse.stdout)
        better = self.bench("--compare", slower, stem.with_suffix(".json"))
        self.assertEqual(0, better.returncode, better.stdout)

    def test_an_unknown_work_is_named(self):
        done = self.bench("end-to-and")
        self.assertEqual(2, done.returncode)
        self.assertIn("no work 'end-to-and'; there are: checks, end-to-end", done.stderr)


if __name__ == "__main__":
    main()
