"""The doctor reads real installation records and tells missing from wrong."""

import importlib

from hygiene import doctor

RECORD = """Metadata-Version: 2.4
Name: {name}
Version: {version}
"""


def install(site, name, version, *requirements):
    """The record that pip leaves of a distribution."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = [f"Requires-Dist: {line}" for line in requirements]
    (folder / "METADATA").write_text(RECORD.format(name=name, version=version) + "\n".join(lines) + "\n")


def found(monkeypatch, site):
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    return {(check.area, check.name): check for check in (*doctor._packages(), *doctor._conflicts())}


def test_requirements_and_extras_are_compared_with_what_is_there(monkeypatch, tmp_path):
    install(
        tmp_path,
        doctor.DISTRIBUTION,
        "9.9",
        "numpy>=1.26",
        "pillow>=999.3",
        "none-such-base>=1",
        'ruff>=0.1; extra == "test"',
        f'{doctor.DISTRIBUTION}[evaluate]; extra == "test"',
        'none-such-extra>=1; extra == "evaluate"',
    )
    checks = found(monkeypatch, tmp_path)
    assert checks["package", doctor.DISTRIBUTION].detail == "9.9"
    assert checks["package", "numpy"].status == "ok"
    assert checks["package", "pillow"].status == "failed"
    assert "needs 999.3" in checks["package", "pillow"].detail
    assert checks["package", "none-such-base"].status == "failed"
    assert checks["package", "none-such-extra"].status == "missing"
    assert checks["extra", "test"].status == "ok"
    assert checks["extra", "evaluate"].status == "missing"
    assert "none-such-extra" in checks["extra", "evaluate"].detail


def test_packages_that_overwrite_each_other_are_a_fault(monkeypatch, tmp_path):
    install(tmp_path, "onnxruntime", "1.20")
    assert not [area for area, _ in found(monkeypatch, tmp_path) if area == "conflict"]
    install(tmp_path, "onnxruntime-gpu", "1.20")
    conflict = found(monkeypatch, tmp_path)["conflict", "onnxruntime / onnxruntime-gpu"]
    assert conflict.status == "failed"


def test_versions_compare_by_number():
    assert doctor._at_least("10.0", "9.1")
    assert not doctor._at_least("9.0.9", "9.1")
    assert doctor._at_least("2.13.0+cpu", "2.13")
    assert doctor._at_least("1.0", "")
