"""What every system test starts from: a lab of its own, and gateways that have to end well."""

import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lab.gateway import Binaries  # noqa: E402
from lab.network import Lab  # noqa: E402
from lab.sites import Sites  # noqa: E402

LOG_LINES = 80


def pytest_addoption(parser):
    parser.addoption("--build", default=str(pathlib.Path(__file__).parents[2] / "build"),
                     help="folder with the built programs")


def pytest_configure():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the labs are taken down


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    setattr(item, f"report_{report.when}", report)
    lab = item.funcargs.get("lab")
    if report.failed and lab and report.when == "call":
        for log in sorted(lab.folder.glob("*/culvertd.log")):
            lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            report.sections.append((f"culvertd of {log.parent.name}", "\n".join(lines)))


@pytest.fixture
def build(request):
    return request.config.getoption("--build")


@pytest.fixture
def binaries(build):
    return Binaries(build)


@pytest.fixture
def lab(request):
    with Lab(request.node.originalname.removeprefix("test_")[:20]) as made:
        yield made


@pytest.fixture
def make_sites(request, lab, build):
    """Sites as in lab/sites.py. After a test that passed, all gateways that still run have to end well."""
    made = []

    def make(letters="ab", **options):
        made.append(Sites(lab, build, letters, **options))
        return made[-1]

    yield make
    if getattr(request.node, "report_call", None) and request.node.report_call.passed:
        for sites in made:
            sites.stop()


@pytest.fixture
def tunnel(make_sites):
    """Two sites, "a" calling "b", up. Settings go to both [[peer]] tables."""
    def make(family=4, *, direct=False, **settings):
        sites = make_sites("ab", direct=direct)
        sites.introduce(family, **settings)
        return sites.start()
    return make
