#!/bin/sh
# Training steps of W1-W4 (mlp, mlp_bn, sine, digits), drawing of the batch included, in nnc, in those of PyTorch, Keras on TensorFlow and
# JAX that are there, and in plain C on OpenBLAS (peers_hand.c): in one run, pieces of some 50 ms in turn with a probe of the processor's
# speed between them, on one and on two threads:
#     cmake --build build/release --target bench_peer
#     tests/bench/peers.sh build/release [--rounds N] [--threads 1,2] [--workloads W1,W3] [--only 'nnc jit,jax scan']
# PYTHON_TORCH, PYTHON_KERAS and PYTHON_JAX name other interpreters than python3.
exec python3 "$(dirname "$0")/peers.py" "$@"
