"""Runs nnc and its peers in turn and prints microseconds a step and ratios. See peers.sh."""
import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
MODELS = {"W1": "models/mlp.nn", "W2": "models/mlp_bn.nn", "W3": "models/sine.nn", "W4": "tests/bench/digits_like.nn"}
# name: (what runs it, its arguments)
PEERS = {
    "torch eager": ("torch", "eager"),
    "torch compile": ("torch", "compile"),
    "torch whole": ("torch", "whole"),
    "keras graph": ("keras", "graph"),
    "keras xla": ("keras", "xla"),
    "jax scan": ("jax", "scan"),
    "hand": ("hand", ""),
}
FRAMEWORKS = [name for name in PEERS if name != "hand"]
OURS = {"nnc eager": ("eager", "nnc"), "nnc graph": ("graph", "nnc"), "nnc jit": ("jit", "nnc"), "nnc openblas": ("jit", "openblas")}
# Which is set against which.
PAIRS = [("nnc jit", FRAMEWORKS), ("nnc jit", ["hand"]), ("nnc eager", ["torch eager"]), ("nnc graph", ["keras graph"])]
PIECE = 0.05        # seconds of a piece
SLOW = 1.25         # a probe that takes this much longer than the best one: the processor is throttled or shared
FEW = 3             # pieces of a contender whose shortest piece takes a second


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("build", help="the folder of the build, with the target bench_peer")
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--threads", default="1,2")
    p.add_argument("--workloads", default="W1,W2,W3,W4")
    p.add_argument("--only", default="", help="names of contenders, with commas between them")
    return p.parse_args()


def environment(threads):
    """As fast as a user can make them: memory that was freed is kept, one thread of each kind a core."""
    keep = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_TOP_PAD_": "67108864"}
    count = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC")}
    e = dict(os.environ, **keep, **count, TF_CPP_MIN_LOG_LEVEL="3", JAX_PLATFORMS="cpu", KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
    if "avx512vl" in pathlib.Path("/proc/cpuinfo").read_text():
        e.setdefault("OPENBLAS_CORETYPE", "SkylakeX")  # OpenBLAS 0.3.21 takes slow kernels on CPUs that are newer than itself
    return e


def probe():
    """Microseconds of a fixed loop, the best of six: whether the processor runs at full speed now."""
    best = 1e9
    for _ in range(6):
        start = time.perf_counter()
        for _ in range(5000):
            pass
        best = min(best, (time.perf_counter() - start) * 1e6)
    return best


class Contender:
    """A process that does steps on request, and is stopped while others have their turn: threads of its own may spin."""

    def __init__(self, name, command, threads, cores):
        self.name, self.pieces, self.count = name, [], 0
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["taskset", "-c", ",".join(map(str, cores))] + command, env=environment(threads), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)

    def ready(self):
        for line in self.process.stdout:
            if line.startswith("ready"):
                self.least = int((line.split() + ["1"])[1])
                self.process.send_signal(signal.SIGSTOP)
                return True
        self.log.seek(0)
        print("  %s failed: %s" % (self.name, self.log.read().decode(errors="replace").strip()[-400:]))
        return False

    def ask(self, count):
        """Seconds a step."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write("%d\n" % count)
        self.process.stdin.flush()
        took = float(self.process.stdout.readline())
        self.process.send_signal(signal.SIGSTOP)
        return took / count

    def calibrate(self):
        count = self.least
        for _ in range(4):
            each = self.ask(count)
            count = max(self.least, int(PIECE / each) // self.least * self.least)
            if each * count > 1:
                break
        self.count, self.rare = count, each * count > 1

    def end(self):
        self.process.kill()
        self.process.wait()


def command(a, name, workload, threads):
    if name in OURS:
        return [str(a.peer), str(HERE.parent.parent / MODELS[workload]), *OURS[name], str(threads)]
    kind, mode = PEERS[name]
    if kind == "hand":
        return [str(a.hand), workload] if workload != "W2" else None
    return [python(kind), str(HERE / ("peers_%s.py" % kind)), mode, workload, str(threads)]


def python(kind):
    return os.environ.get("PYTHON_" + kind.upper(), "python3")


def compile_hand(a):
    """The hand-written steps; None without a compiler or OpenBLAS."""
    a.hand = pathlib.Path(tempfile.gettempdir()) / ("peers_hand.%d" % os.getpid())
    flags = ["-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math"]
    done = subprocess.run([os.environ.get("CC", "cc"), *flags, str(HERE / "peers_hand.c"), "-o", str(a.hand), "-lopenblas", "-lm"],
                          stderr=subprocess.DEVNULL)
    return done.returncode == 0


def available(a, kind):
    if kind == "hand":
        return compile_hand(a)
    module = {"keras": "keras, tensorflow"}.get(kind, kind)
    return subprocess.run([python(kind), "-c", "import " + module], env=environment(1), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def run_rounds(a, contenders):
    """Pieces in turn, each between two probes: [{name: (microseconds, slower probe)}] of the rounds."""
    rounds = []
    for r in range(a.rounds):
        rounds.append({})
        for c in contenders:
            if c.rare and r >= FEW:
                continue
            before = probe()
            us = c.ask(c.count) * 1e6
            rounds[-1][c.name] = (us, max(before, probe()))
    return rounds


def undisturbed(rounds):
    """[{name: microseconds}] of the pieces at full speed."""
    best = min(p for r in rounds for _, p in r.values())
    return [{name: us for name, (us, p) in r.items() if p < SLOW * best} for r in rounds]


def middle(rounds, name):
    v = sorted(r[name] for r in rounds if name in r)
    return (statistics.median(v), v[len(v) // 10], v[-1 - len(v) // 10], len(v)) if v else None


def ratio(rounds, ours, other):
    """How many times as fast: the median over the rounds in which both ran at full speed, or the ratio of the medians if these are few."""
    v = [r[other] / r[ours] for r in rounds if ours in r and other in r]
    if len(v) >= FEW:
        return statistics.median(v)
    both = middle(rounds, other), middle(rounds, ours)
    return both[0][0] / both[1][0] if all(both) else None


def show(workload, threads, rounds, contenders):
    print("\n%s, %d thread%s" % (workload, threads, "s" if threads > 1 else ""))
    found = {c.name: middle(rounds, c.name) for c in contenders}
    for name, m in sorted(found.items(), key=lambda item: item[1][0] if item[1] else 1e12):
        if m:
            print("  %-14s %10.2f us a step   middle 80 %% %.2f-%.2f   %d pieces" % (name, *m))
        else:
            print("  %-14s          - (never at full speed)" % name)
    for ours, others in PAIRS:
        ratios = {other: ratio(rounds, ours, other) for other in others if found.get(other) and found.get(ours)}
        if ratios:
            best = min(ratios, key=ratios.get)
            print("  %-10s %6.2f times as fast as %s" % (ours, ratios[best], best))
    sys.stdout.flush()
    return found


def measure(a, workload, threads, names):
    cores = sorted(os.sched_getaffinity(0))[:threads]
    contenders = []
    for name in names:
        line = command(a, name, workload, threads)
        if line:
            contenders.append(Contender(name, line, threads, cores))
    try:
        contenders = [c for c in contenders if c.ready()]
        os.sched_setaffinity(0, cores[:1])  # probes where the steps run
        for c in contenders:
            c.calibrate()
        return show(workload, threads, undisturbed(run_rounds(a, contenders)), contenders)
    finally:
        os.sched_setaffinity(0, a.cores)
        for c in contenders:
            c.end()


def main():
    a = arguments()
    a.cores, a.peer = os.sched_getaffinity(0), pathlib.Path(a.build).resolve() / "tests" / "bench_peer"
    kinds = {kind: available(a, kind) for kind in ("torch", "keras", "jax", "hand")}
    missing = [kind for kind, there in kinds.items() if not there]
    if missing:
        print("not installed: " + ", ".join(missing))
    names = [name for name in [*OURS, *PEERS] if name in OURS or kinds[PEERS[name][0]]]
    names = [name for name in names if not a.only or name in a.only.split(",")]
    counts = [int(n) for n in a.threads.split(",") if int(n) <= len(a.cores)]
    for workload in a.workloads.split(","):
        found = [measure(a, workload, threads, names) for threads in counts]
        for name in names:
            if len(found) > 1 and all(f.get(name) for f in found) and name in OURS:
                print("  %-14s %d threads %.2f times as fast as %d" % (name, counts[-1], found[0][name][0] / found[-1][name][0], counts[0]))
    if kinds["hand"]:
        a.hand.unlink()


main()
