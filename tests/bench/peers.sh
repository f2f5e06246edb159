#!/bin/sh
# Training steps of W1-W4 (mlp, mlp_bn, sine, digits) in nnc and in those of PyTorch, Keras on TensorFlow and JAX that python3 finds,
# in turn, on one and on two threads:
#     tests/bench/peers.sh PROGRAM [--rounds N] [--seconds S] [--threads 1,2] [--workloads W1,W3]
# PYTHON_TORCH, PYTHON_KERAS and PYTHON_JAX name other interpreters than python3.
exec python3 "$(dirname "$0")/peers.py" "$@"
