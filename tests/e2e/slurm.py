#!/usr/bin/env python3
"""slurm O: the matrix of variants as a job array on a Slurm cluster of one node, this machine, beside the same on this machine alone: both make
the same files, to the byte. Nothing of the cluster outlives the test. `make slurm` runs it: a minute or two, and root, as which slurmd starts."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
os.environ["O"] = os.path.abspath(sys.argv[1])
from kit import env, mini  # noqa: E402
from kit.env import check, check_equal, run  # noqa: E402
from test_carrier import MANIFEST  # noqa: E402
from kit.flat import FLAT_AT, Guest  # noqa: E402

OEMS, CARRIERS = ("generic", "lg"), ("verizon", "open")
READY_S, JOBS_S = 60, 900
CONF = """ClusterName=mvp
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """munged, slurmctld and slurmd, in a folder of their own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mvp-slurm-")
        self.programs = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def __enter__(self):
        os.chmod(self.folder, 0o755)  # munged wants its socket to be reached
        host = socket.gethostname().split(".")[0]
        controller, daemon = free_ports(2)
        for name in ("state", "spool"):
            os.mkdir(self.path(name))
        with open(self.path("slurm.conf"), "w", encoding="utf-8") as f:
            f.write(CONF.format(host=host, controller=controller, daemon=daemon, folder=self.folder, cpus=os.cpu_count()))
        with open(os.open(self.path("munge.key"), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(os.urandom(128))
        os.environ["SLURM_CONF"] = self.path("slurm.conf")
        self.start("munged", "--foreground", "--force", "--key-file=" + self.path("munge.key"), "--socket=" + self.path("munge.socket"),
                   "--pid-file=" + self.path("munge.pid"), "--seed-file=" + self.path("munge.seed"), "--log-file=" + self.path("munge.log"))
        env.wait_until(lambda: os.path.exists(self.path("munge.socket")), READY_S, "munged")
        self.start("slurmctld", "-D", "-i", "-f", self.path("slurm.conf"))
        self.start("slurmd", "-D", "-N", host, "-f", self.path("slurm.conf"))
        env.wait_until(lambda: run(["sinfo", "-h", "-o", "%T"], status=None).stdout.strip() == "idle", READY_S, "the node of the cluster")
        return self

    def start(self, name, *options):
        with open(self.path(name + ".out"), "wb") as log:
            self.programs.append(subprocess.Popen([env.program(name), *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def __exit__(self, kind, value, trace):
        for p in reversed(self.programs):
            p.terminate()
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        if kind:
            for name in ("munged", "slurmctld", "slurmd"):
                path = self.path(name + ".out")
                if os.path.exists(path):
                    with open(path, encoding="utf-8", errors="replace") as f:
                        print(f"{name}:\n{f.read()[-3000:]}", file=sys.stderr)
        shutil.rmtree(self.folder)


def script(folder, out):
    """The job array, for results below out."""
    options = [f"--oem={o}" for o in OEMS] + [f"--carrier={c}" for c in CARRIERS]
    return run([env.MVPCTL, "variants", "--format", "slurm", *options, "-o", out, os.path.join(folder, "phone.yaml")]).stdout


def files(out):
    """{name: SHA-256} of all there is below a folder."""
    return {os.path.relpath(os.path.join(where, name), out): env.sha256(os.path.join(where, name))
            for where, _, names in os.walk(out) for name in names}


def main():
    check(os.geteuid() == 0, "slurmd starts as root only")
    folder = env.fresh("slurm")
    run([env.MVPCTL, "-q", "keys", "init", os.path.join(folder, "keys")])
    with open(os.path.join(folder, "keys/passcode"), "w", encoding="utf-8") as f:
        f.write(mini.PASSCODE)
    with open(os.path.join(folder, "phone.yaml"), "w", encoding="utf-8") as f:
        f.write(MANIFEST.format(carrier=CARRIERS[0], kernel=Guest(folder, "guest", FLAT_AT, 1000).flat()))
    os.environ["PATH"] = os.path.dirname(env.MVPCTL) + ":" + os.environ["PATH"]
    # Not each other's cache: the results would be the same files.
    os.environ["XDG_CACHE_HOME"] = os.path.join(folder, "cache-local")
    here, there = os.path.join(folder, "here"), os.path.join(folder, "there")
    for i in range(len(OEMS) * len(CARRIERS)):
        run(["sh", "-c", script(folder, here)], cwd=folder, env=dict(os.environ, SLURM_ARRAY_TASK_ID=str(i)))
    os.environ["XDG_CACHE_HOME"] = os.path.join(folder, "cache-cluster")
    with Cluster():
        job = run(["sbatch", "--parsable", "--wait", "--chdir", folder, "--output", os.path.join(folder, "task-%a.log")],
                  stdin=None, input=script(folder, there), timeout=JOBS_S, status=None)
        said = "".join(open(os.path.join(folder, n), encoding="utf-8").read() for n in sorted(os.listdir(folder)) if n.startswith("task-"))
        check(job.returncode == 0, f"the job array failed: {job.stdout}{job.stderr}{said}")
    want = files(here)
    check(len({os.path.dirname(name) for name in want}) == len(OEMS) * len(CARRIERS), f"not all variants were built: {sorted(want)}")
    check_equal(files(there), want, "files of the cluster")
    print(f"slurm: {len(want)} files of {len(OEMS) * len(CARRIERS)} variants are the same as without the cluster")


if __name__ == "__main__":
    started = time.monotonic()
    try:
        main()
    except env.Failure as failure:
        sys.exit(f"slurm: {failure}")
    print(f"slurm: {time.monotonic() - started:.0f} s")
