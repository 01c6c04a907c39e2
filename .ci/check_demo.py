"""What README promises of the main job, checked on what it left behind."""

import json
import sys
from pathlib import Path

out = Path(sys.argv[1])
summary = json.loads((out / "summary.json").read_text())
report = (out / "report.html").read_text()

assert "<script" not in report, "the report is one plain page"
assert "http" not in report.replace("http://www.w3.org", ""), "the report loads nothing"
for row in summary["filter"]:
    assert row["seen"] == row["kept"] + row["excluded"] + row["unreadable"], row
    assert row["recall_measured"] >= row["recall_asked"] - 0.05, row
for row in summary["delay"]:
    if 0 < row["recall"] <= 0.9:
        assert abs(row["delay"] - row["law"]) <= 0.5, row
for row in summary["amplification"]:
    assert abs(row["gain"] - row["law"]) <= 0.1 * row["law"], row
print(f"{out}: filter, delay and amplification are within what README says")
