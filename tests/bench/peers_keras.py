"""Keras on TensorFlow: a loop over steps inside one tf.function, as a graph or compiled by XLA. No fit, no metrics, no input
pipeline: what the libraries can do at their best."""
import keras
import numpy as np
import tensorflow as tf

import peers_common as common


def model(w):
    net = keras.Sequential([keras.Input((w.layers[0],))])
    last = len(w.layers) - 2
    for i, n in enumerate(w.layers[1:]):
        net.add(keras.layers.Dense(n))
        if i < last and w.norm:
            net.add(keras.layers.BatchNormalization())
        if i < last and w.hidden:
            net.add(keras.layers.ReLU())
        if i < last and w.norm:
            net.add(keras.layers.Dropout(0.5))
    for layer, values in zip([l for l in net.layers if isinstance(l, keras.layers.Dense)], common.initial(w)):
        layer.set_weights(list(values))
    return net


def main():
    mode, w, threads, steps = common.arguments()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    x, y = (tf.constant(v) for v in common.data(w))
    net = model(w)
    adam = keras.optimizers.Adam(common.RATE, beta_2=w.beta2, epsilon=common.EPSILON)
    adam.build(net.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if w.classes else keras.losses.MeanSquaredError()
    order = common.Order(w)

    def step(bx, by):
        with tf.GradientTape() as tape:
            value = loss(by, net(bx, training=True))
        adam.apply(tape.gradient(value, net.trainable_variables), net.trainable_variables)

    @tf.function(jit_compile=mode == "xla")
    def many(rows):
        for i in tf.range(steps):
            if w.whole:
                step(x, y)
            else:
                step(tf.gather(x, rows[i]), tf.gather(y, rows[i]))

    none = tf.zeros((steps, 1), tf.int32)

    def run(n):
        for _ in range(n // steps):
            rows = none if w.whole else tf.constant(order.take(steps * w.batch).reshape(steps, w.batch))
            many(rows)
        np.asarray(net.trainable_variables[0])

    common.serve(run, steps)


main()
