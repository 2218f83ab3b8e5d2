"""The behavior of Keras that each function of the package of its internals relies on."""

import keras
import numpy as np
import pytest

from tfbn.graph.keras_internals import graphs, layers, optimizers, trainers

L = keras.layers


@pytest.fixture
def functional():
    inputs = keras.Input((3,), name="in")
    dense = L.Dense(2, name="dense")
    return keras.Model(inputs, L.Add(name="add")([dense(inputs), dense(inputs)]))


def test_a_sequential_runs_a_functional_model():
    model = keras.Sequential([keras.Input((3,)), L.Dense(2)])
    assert graphs.is_functional(graphs.functional_of(model))
    assert graphs.functional_of(keras.Sequential([L.Dense(2)])) is None


def test_functional_models_keep_a_graph_and_its_call(functional):
    class Derived(keras.Model):
        pass

    derived = Derived(functional.input, functional.output)
    assert graphs.is_functional(derived)
    assert graphs.graph_call(derived) is graphs.graph_call(functional) is type(functional).call
    assert not graphs.is_functional(L.Dense(1))
    assert graphs.graph_call(L.Dense(1)) is None


def test_nodes_are_calls_in_the_order_of_the_data(functional):
    nodes = graphs.nodes_of(functional)
    assert [node.operation.name for node in nodes] == ["dense", "dense", "add"]
    assert nodes[0].outputs[0] is nodes[2].input_tensors[0]
    assert nodes[0].arguments.args[0] is functional.inputs[0]


def test_a_layer_lists_its_calls_of_all_graphs(functional):
    dense = functional.get_layer("dense")
    keras.Model(functional.input, dense(functional.input, training=False))
    calls = graphs.calls_of(dense)
    assert [call.arguments.kwargs.get("training") for call in calls] == [None, None, False]
    assert graphs.calls_of(object()) == []


def test_a_tensor_knows_its_maker(functional):
    assert graphs.maker_of(functional.output) is functional.get_layer("add")


def test_an_embedding_with_a_mask_marks_its_output():
    ids = keras.Input((4,), dtype="int32")
    assert graphs.carries_mask(L.Embedding(9, 3, mask_zero=True)(ids))
    assert not graphs.carries_mask(L.Embedding(9, 3)(ids))


def test_attributes_of_a_functional_model_are_tracked(functional):
    functional.extra = L.Dense(1, name="extra")
    functional.several = [L.ReLU(name="first"), {"key": L.ReLU(name="second")}]
    names = [layer.name for layer in layers.tracked_layers(functional)]
    assert names == ["in", "dense", "add", "extra", "first", "second"]
    assert "extra" not in [layer.name for layer in functional.layers]


def test_attributes_of_a_sequential_model_are_found_and_what_was_removed_is_not():
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, name="dense"), L.ReLU(name="removed")])
    model.pop()
    model.several = [{"key": L.ReLU(name="kept")}]
    model._hidden = L.ReLU(name="hidden")
    assert [layer.name for layer in layers.tracked_layers(model)][1:] == ["dense", "kept", "hidden"]


def test_all_layers_pair_up_with_those_of_a_clone(functional):
    outer = keras.Sequential([keras.Input((3,)), functional, L.Dense(1)])
    first, second = (layers.all_layers(m) for m in (outer, keras.models.clone_model(outer)))
    assert first[0] is outer
    assert [type(layer) for layer in first] == [type(layer) for layer in second]
    assert functional.get_layer("dense") in first


def test_own_variables_leave_out_those_of_sublayers_and_stay_when_frozen():
    layer = L.BatchNormalization()
    layer.build((None, 2))
    layer.trainable = False
    assert {v.name for v in layers.own_trainable_variables(layer)} == {"gamma", "beta"}
    assert {v.name for v in layers.own_state(layer)} == {"moving_mean", "moving_variance"}
    assert not layers.own_trainable_variables(keras.Sequential([layer]))


def test_random_layers_have_seeds():
    assert layers.has_seeds(L.Dropout(0.5))
    assert not layers.has_seeds(L.Dense(1))


def test_batch_moments_are_biased_and_masked():
    layer = L.BatchNormalization()
    layer.build((None, 2, 1))
    x = np.array([[[1.0], [3.0]], [[8.0], [99.0]]], "float32")
    mask = np.array([[True, True], [True, False]])
    found = [np.array(value).ravel() for value in layers.batch_moments(layer, x, mask)]
    np.testing.assert_allclose(found, [[4.0], [26 / 3]], rtol=1e-6)


@pytest.mark.skipif(not hasattr(L.BatchNormalization(), "renorm"), reason="this Keras has no renorm")
def test_renorm_corrects_toward_its_statistics_and_moves_them():
    layer = L.BatchNormalization(renorm=True, renorm_momentum=0.5, momentum=0.5, epsilon=0.0)
    layer.build((None, 1))
    layer.renorm_mean.assign([1.0]), layer.renorm_stddev.assign([2.0])
    mean, variance = np.array([4.0], "float32"), np.array([9.0], "float32")
    gamma, beta = np.array([10.0], "float32"), np.array([1.0], "float32")
    found = layers.renorm_transforms(layer, mean, variance, gamma, beta, "float32")
    # r = 3/2, d = (4 - 1)/2
    np.testing.assert_allclose([np.array(v) for v in found], [[4.0], [9.0], [15.0], [16.0]], rtol=1e-6)
    layers.update_renorm_statistics(layer, mean, variance)
    np.testing.assert_allclose(np.array(layer.renorm_mean), [2.5])
    np.testing.assert_allclose(np.array(layer.renorm_stddev), [2.5])
    np.testing.assert_allclose(np.array(layer.moving_mean), [2.0])


def test_compile_keeps_the_very_objects_and_makes_new_parts(functional):
    def loss(y, y_pred):
        return keras.ops.mean(y_pred)

    optimizer = keras.optimizers.SGD()
    functional.compile(optimizer, loss)
    arguments, before = trainers.compile_arguments(functional), trainers.compiled_parts(functional)
    assert arguments["loss"] is loss
    assert arguments["optimizer"] is optimizer
    functional.compile(optimizer, loss)
    again = trainers.compiled_parts(functional)
    assert before[0] is again[0]
    assert before[1] is not again[1]


def test_loss_and_metrics_can_be_built_before_fit(functional):
    functional.compile("sgd", "mse", metrics=["mae"])
    y = np.zeros((4, 2), "float32")
    trainers.build_loss_and_metrics(functional, y, y)
    assert "mean_absolute_error" in {variable.path.split("/")[0] for variable in functional.metrics_variables}


def test_optimizers_know_their_variables_and_slots():
    variables = [keras.Variable(np.ones(2)), keras.Variable(np.ones(3))]
    optimizer = keras.optimizers.Nadam(use_ema=True)
    optimizer.build(variables)
    known = optimizers.known_variables(optimizer)
    assert [v is w for v, w in zip(known, variables, strict=True)] == [True] * 2
    slots = optimizers.slots(optimizer)
    assert len(slots) == 3
    assert optimizers.AVERAGES in slots
    assert all(s.shape == v.shape for each in slots.values() for s, v in zip(each, variables, strict=True))
    (product,) = optimizers.own_state(optimizer).values()
    first = [v.name for v in optimizers.tracked_variables(optimizer)][:2]
    assert first == ["iteration", "learning_rate"]
    assert any(v is product for v in optimizers.tracked_variables(optimizer))
    optimizer.apply([np.ones(2), np.ones(3)])
    assert optimizers.counted_steps(optimizer) == 1


def test_a_function_runs_on_symbolic_tensors_and_tracks_nothing():
    dense = L.Dense(5)
    out = graphs.output_spec(dense, keras.KerasTensor((None, 3)))
    assert out.shape[-1] == 5
    two = graphs.output_spec(lambda x: x["a"] + x["b"], {k: keras.KerasTensor((2, 3)) for k in "ab"})
    assert tuple(two.shape) == (2, 3)


def test_a_recurrent_layer_calls_its_cell_once_a_step():
    calls = []

    class Counted(L.SimpleRNNCell):
        def call(self, sequence, states, training=False):
            calls.append(sequence.shape)
            return super().call(sequence, states, training=training)

    layer = L.RNN([Counted(3), L.GRUCell(2, dropout=0.5)])
    x = np.ones((2, 4, 1), "float32")
    layer(x)
    calls.clear()
    with layers.cells_called_in_steps_only(layer):
        layer(x, training=True)
    assert len(calls) == 4
    assert not layer.unroll
    assert len(layers.tracked_layers(layer)) == 1
