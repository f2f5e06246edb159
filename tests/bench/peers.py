"""Runs nnc and its peers in turn and prints microseconds a step and ratios. See peers.sh."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MODELS = {"W1": "models/mlp.nn", "W2": "models/mlp_bn.nn", "W3": "models/sine.nn", "W4": "tests/bench/digits_like.nn"}
# (name, program, its arguments)
PEERS = [
    ("torch eager", "torch", ["eager"]),
    ("torch compile", "torch", ["compile"]),
    ("keras graph", "keras", ["graph"]),
    ("keras xla", "keras", ["xla"]),
    ("jax scan", "jax", ["scan"]),
]


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("program")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--threads", default="1,2")
    p.add_argument("--workloads", default="W1,W2,W3,W4")
    return p.parse_args()


def environment(threads):
    return dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads),
                NPROC=str(threads), TF_CPP_MIN_LOG_LEVEL="3", JAX_PLATFORMS="cpu", KERAS_BACKEND="tensorflow")


def pinned(command, threads):
    """On the first processors, so that every contender has the same ones."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    return ["taskset", "-c", ",".join(map(str, cores))] + command


def run(command, threads):
    try:
        p = subprocess.run(pinned(command, threads), env=environment(threads), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=1200)
    except subprocess.TimeoutExpired:
        return None
    return p.stdout.decode().strip() if p.returncode == 0 else None


def nnc(program, workload, threads):
    """{mode: microseconds}."""
    out = run([program, "bench", str(HERE.parent.parent / MODELS[workload]), "--format", "json", "--threads", str(threads)], threads)
    if not out:
        return {}
    found = json.loads(out)
    if not found["equal"]:
        sys.exit("nnc's modes differ on " + workload)
    return {"nnc " + mode: m["step_us"] for mode, m in found["modes"].items()}


def peer(kind, mode, workload, threads, seconds):
    python = os.environ.get("PYTHON_" + kind.upper(), "python3")
    out = run([python, str(HERE / ("peers_%s.py" % kind)), *mode, workload, str(threads), str(seconds)], threads)
    return float(out.splitlines()[-1]) if out else None


def available(kind):
    python = os.environ.get("PYTHON_" + kind.upper(), "python3")
    module = {"keras": "keras, tensorflow"}.get(kind, kind)
    return subprocess.run([python, "-c", "import " + module], env=environment(1), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def measure(a, workload, threads, peers):
    """A round is one run of each; ratios are taken inside a round, since the machine's speed changes between them."""
    times, ratios = {}, {}
    for _ in range(a.rounds):
        found = nnc(a.program, workload, threads)
        for name, kind, mode in peers:
            us = peer(kind, mode, workload, threads, a.seconds)
            if us:
                found[name] = us
        best = found.get("nnc jit") or found.get("nnc graph")
        for name, us in found.items():
            times.setdefault(name, []).append(us)
            if best:
                ratios.setdefault(name, []).append(us / best)
    print("\n%s, %d thread%s" % (workload, threads, "s" if threads > 1 else ""))
    for name, v in sorted(times.items(), key=lambda item: statistics.median(item[1])):
        print("  %-14s %10.2f us a step  %7.2f x" % (name, statistics.median(v), statistics.median(ratios.get(name, [0]))), flush=True)
    others = [statistics.median(ratios[name]) for name, _, _ in peers if name in ratios]
    if others:
        print("  the fastest peer takes %.2f times as long as machine code" % min(others), flush=True)


def main():
    a = arguments()
    a.program = str(pathlib.Path(a.program).resolve())
    kinds = {kind: available(kind) for kind in ("torch", "keras", "jax")}
    missing = [kind for kind, there in kinds.items() if not there]
    if missing:
        print("not installed: " + ", ".join(missing))
    peers = [p for p in PEERS if kinds[p[1]]]
    for threads in map(int, a.threads.split(",")):
        for workload in a.workloads.split(","):
            measure(a, workload, threads, peers)


main()
