"""What ``--cluster`` may name, and what is said where nobody answers."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cluster.conftest import LocalCluster, comparable, write_class

from grader.cluster import ClusterRunner, connect
from grader.errors import ClusterError
from grader.pipeline import grade_batch, open_context, publish
from grader.pipeline.batch import Elsewhere

connect_module = sys.modules[connect.__module__]


def refused(address, security=None):
    with pytest.raises(ClusterError) as caught, connect(address, security):
        pass
    return str(caught.value)


@pytest.mark.parametrize("address", ["10.0.0.1:8786", "http://a", "slurm", "inproc://1"])
def test_an_address_of_another_kind_is_refused_with_what_is_expected(address):
    assert "expected tcp://HOST:PORT, tls://HOST:PORT or slurm:FILE" in refused(address)


def test_where_nobody_listens_the_address_is_named(monkeypatch):
    monkeypatch.setattr(connect_module, "_CONNECT_LIMIT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as plug:
        port = plug.getsockname()[1]
    assert f"no workers at tcp://127.0.0.1:{port}" in refused(f"tcp://127.0.0.1:{port}")


@pytest.mark.slow
def test_a_scheduler_without_workers_is_not_waited_for_for_ever(cluster, monkeypatch):
    monkeypatch.setattr(connect_module, "_WORKERS_LIMIT_S", 0.5)
    assert "no workers at" in refused(cluster.address)


def test_without_the_extra_its_name_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "keras-grader[cluster]" in refused("tcp://127.0.0.1:1")


def test_an_encrypted_address_needs_certificates(tmp_path):
    assert "cluster_security" in refused("tls://127.0.0.1:1")
    file = tmp_path / "tls.toml"
    file.write_text('ca_file = "ca.pem"\nclient_cert = "c.pem"\nclient_key = "k.pem"\n', "utf-8")
    assert f"{tmp_path / 'ca.pem'}, which is no file" in refused("tls://127.0.0.1:1", file)
    file.write_text('ca_file = "ca.pem"\n', "utf-8")
    assert "client_cert" in refused("tls://127.0.0.1:1", file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobs = 2", "cluster"),
        ("jobs = 0\n[cluster]\ncores = 1", "jobs"),
        ("jobs = 2\nworkers = 3\n[cluster]\ncores = 1", "workers"),
        ("jobs = 2\n[cluster", "cannot be used"),
        ("jobs = 2\n[cluster]\ncores = 1\nmemory = '1GB'\ncolour = 'red'", "colour"),
        ("jobs = 2\n[cluster]\ncores = 1", "memory"),
    ],
)
def test_a_file_for_slurm_that_is_wrong_says_where(tmp_path, text, said):
    file = tmp_path / "slurm.toml"
    file.write_text(text, "utf-8")
    assert said in refused(f"slurm:{file}")


def test_a_file_for_slurm_that_is_not_there_is_named(tmp_path):
    assert "slurm.toml cannot be used" in refused(f"slurm:{tmp_path / 'slurm.toml'}")


SBATCH = """#!/bin/sh
# Stands for Slurm: keeps the job's script, and runs it at once on this machine.
for last; do :; done
cp "$last" "{folder}/job.sh"
setsid sh "{folder}/job.sh" > "{folder}/job.log" 2>&1 < /dev/null &
echo $! >> "{folder}/pids"
echo "Submitted batch job $(wc -l < "{folder}/pids")"
"""
SCANCEL = """#!/bin/sh
echo "$@" >> "{folder}/cancelled"
for pid in $(cat "{folder}/pids"); do kill -TERM -- "-$pid"; done
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch, small_course):
    """``sbatch`` and ``scancel`` that know this machine only; the folder with what they were told."""
    folder = tmp_path / "slurm"
    (folder / "bin").mkdir(parents=True)
    (folder / "pids").touch()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / "bin" / name).write_text(text.format(folder=folder), "utf-8")
        (folder / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{Path(shutil.which('sh')).parent}:/usr/bin:/bin")
    monkeypatch.setenv("GRADER_DATA_DIR", str(small_course.data))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    return folder


@pytest.mark.slow
def test_jobs_are_started_through_the_batch_system_and_ended_again(slurm, small_course, tmp_path):
    file = slurm / "slurm.toml"
    file.write_text(
        f"""jobs = 1
wait_s = 40
[cluster]
queue = "gpu"
cores = 2
processes = 1
memory = "2GB"
walltime = "00:10:00"
interface = "lo"
job_extra_directives = ["--gres=gpu:1"]
log_directory = "{slurm}"
""",
        "utf-8",
    )
    attempts = write_class(tmp_path / "class", n=3)
    context = open_context(
        small_course.settings(tmp_path / "home", replay=False, warm_kernels=False, language="en"), "b2-1"
    )
    expected = grade_batch(context, attempts)
    expected = comparable([publish(context).row(one.result) for one in expected])
    context = open_context(
        small_course.settings(tmp_path / "w", replay=False, warm_kernels=False, language="en"), "b2-1"
    )
    with connect(f"slurm:{file}") as found:
        assert found.n_threads == 2
        with ClusterRunner(found.client, context).open() as runner:
            runner.examine()
            graded = grade_batch(context, attempts, elsewhere=Elsewhere(runner, 8))
    assert comparable([publish(context).row(one.result) for one in graded]) == expected
    script = (slurm / "job.sh").read_text("utf-8")
    assert "#SBATCH --gres=gpu:1" in script
    assert "#SBATCH -p gpu" in script
    assert (slurm / "cancelled").read_text().strip() == "1"


def certificates(folder):
    """An authority, and one certificate for every part."""
    folder.mkdir()
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj"]
    sign = ["openssl", "x509", "-req"]
    commands = [
        [*new, "/CN=made by the tests", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"],
        [*new, "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem"],
        [*sign, "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-out", "cert.pem"],
    ]
    for command in commands:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def tls_cluster(small_course, tmp_path):
    folder = certificates(tmp_path / "tls")
    names = {"--tls-ca-file": "ca.pem", "--tls-cert": "cert.pem", "--tls-key": "key.pem"}
    options = [word for option, name in names.items() for word in (option, str(folder / name))]
    made = LocalCluster(folder, small_course.data, *options, "--protocol", "tls")
    yield made
    made.stop()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates of this test")
def test_with_certificates_the_cluster_is_encrypted_and_closed_to_others(tls_cluster, small_course, tmp_path):
    folder = tls_cluster.folder
    file = folder / "tls.toml"
    file.write_text('ca_file = "ca.pem"\nclient_cert = "cert.pem"\nclient_key = "key.pem"\n', "utf-8")
    tls_cluster.worker("one")
    context = open_context(small_course.settings(tmp_path / "w", replay=False, warm_kernels=False), "b2-1")
    attempts = write_class(tmp_path / "class", n=2)[:1]
    with connect(tls_cluster.address, file) as found, ClusterRunner(found.client, context).open() as runner:
        (graded,) = grade_batch(context, attempts, elsewhere=Elsewhere(runner, 8))
    assert graded.fault is None
    assert tls_cluster.address.startswith("tls://")
    strangers = certificates(tmp_path / "strangers")
    shutil.copy(file, strangers / "tls.toml")
    assert "no workers at" in refused(tls_cluster.address, strangers / "tls.toml")
